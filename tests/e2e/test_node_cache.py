"""nodeCache: kept on its node, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.harness import Manifest, Space, namespace, uid_of, wait_for_client
from tests.e2e.stacks import BARE_IMAGE, on_node, open_backend

MARK = "/cache/mark"


@pytest.fixture(scope="module")
def node(space: Space) -> str:
    """Return the node on which everything here runs: elsewhere a cache is another one anyway."""
    return str(space.get("pod", "client")["spec"]["nodeName"])


def cached(name: str, node: str, image: str, **spec: object) -> Manifest:
    """Return a stack with a node cache."""
    backend = {"volumeMounts": [{"name": "cache", "mountPath": "/cache"}]}
    volumes = [{"name": "cache", "nodeCache": {}}]
    return open_backend(name, image, backend=backend, volumes=volumes, pod=on_node(node), **spec)


def deploy(space: Space, stack: Manifest) -> str:
    """Deploy a stack and return its address."""
    name = stack["metadata"]["name"]
    space.apply(stack)
    space.ready(name)
    url = f"http://{name}:8000"
    space.page(f"{url}/ready")
    return url


def leave(space: Space, url: str, text: str) -> None:
    """Let a backend write into its cache."""
    answer = space.http(f"{url}/files?path={MARK}", data=text)
    assert answer.code == 0, answer.said


def empty(space: Space, url: str) -> bool:
    """Tell whether a backend finds nothing in its cache."""
    return "404" in space.http(f"{url}/files?path={MARK}").said


def path_of(space: Space, name: str) -> str:
    """Return the directory of a stack's cache on the node."""
    volumes = space.pod(name)["spec"]["volumes"]
    return next(str(each["hostPath"]["path"]) for each in volumes if each["name"] == "cache")


@pytest.fixture(scope="module")
def kept(space: Space, node: str) -> str:
    """Deploy a non-root backend that has no shell, let it write, and return its address."""
    url = deploy(space, cached("kept", node, BARE_IMAGE))
    leave(space, url, "kept")
    return url


def test_a_backend_that_is_not_root_and_has_no_shell_can_write_it(space: Space, kept: str) -> None:
    pod = space.pod("kept")["metadata"]["name"]

    assert not space.try_kubectl("exec", pod, "--container", "backend", "--", "sh", "-c", "true").ok
    assert space.page(f"{kept}/files?path={MARK}") == "kept"


def test_it_is_kept_over_a_deployment(space: Space, kept: str, node: str) -> None:
    former = space.pod("kept")
    stack = cached("kept", node, BARE_IMAGE)
    stack["spec"]["backend"]["env"].append({"name": "AGAIN", "value": "yes"})

    deploy(space, stack)

    assert uid_of(space.pod("kept")) != uid_of(former)
    assert space.page(f"{kept}/files?path={MARK}") == "kept"


def test_another_stack_of_the_namespace_has_another(space: Space, kept: str, node: str) -> None:
    url = deploy(space, cached("other", node, BARE_IMAGE))

    assert empty(space, url)
    assert path_of(space, "other") != path_of(space, "kept")


def test_another_namespace_has_another(space: Space, kept: str, node: str) -> None:
    with namespace("cache-other") as other:
        wait_for_client(other)
        url = deploy(other, cached("kept", node, BARE_IMAGE))

        assert empty(other, url)
        assert path_of(other, "kept") != path_of(space, "kept")


@pytest.fixture
def again() -> Iterator[Space]:
    """Give a namespace that the test deletes and makes anew."""
    with namespace("cache-again") as space:
        wait_for_client(space)
        yield space


def test_a_namespace_made_anew_under_the_same_name_has_another(again: Space, node: str) -> None:
    leave(again, deploy(again, cached("kept", node, BARE_IMAGE)), "of the former namespace")
    former = path_of(again, "kept")
    again.kubectl("delete", "namespace", again.name, "--timeout=120s")
    again.open()
    wait_for_client(again)

    url = deploy(again, cached("kept", node, BARE_IMAGE))

    assert empty(again, url)
    assert path_of(again, "kept") != former
    assert path_of(again, "kept").rpartition("_")[0] == former.rpartition("_")[0]

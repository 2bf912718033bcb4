"""nodeCache: kept on its node, and separate for each AppStack and namespace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.manifests import SHELL_LESS_IMAGE, on_node, public_backend
from tests.e2e.namespace import Manifest, Namespace, temporary_namespace, uid_of, wait_for_client

FILE = "/cache/mark"


@pytest.fixture(scope="module")
def node(namespace: Namespace) -> str:
    """Return the node of all pods of these tests, because each node has caches of its own."""
    return str(namespace.get("pod", "client")["spec"]["nodeName"])


def with_cache(name: str, node: str, image: str, **spec: object) -> Manifest:
    """Return an AppStack with a node cache."""
    backend = {"volumeMounts": [{"name": "cache", "mountPath": "/cache"}]}
    volumes = [{"name": "cache", "nodeCache": {}}]
    return public_backend(name, image, backend=backend, volumes=volumes, pod=on_node(node), **spec)


def deploy(namespace: Namespace, stack: Manifest) -> str:
    """Deploy an AppStack and return the URL of its Service."""
    name = stack["metadata"]["name"]
    namespace.apply(stack)
    namespace.wait_until_ready(name)
    url = f"http://{name}:8000"
    namespace.page(f"{url}/ready")
    return url


def write_file(namespace: Namespace, url: str, text: str) -> None:
    """Write a file into the cache of a backend."""
    result = namespace.http(f"{url}/files?path={FILE}", data=text)
    assert result.ok, result.stderr


def is_empty(namespace: Namespace, url: str) -> bool:
    """Return whether the cache of a backend does not have the file."""
    return "404" in namespace.http(f"{url}/files?path={FILE}").stderr


def path_of(namespace: Namespace, name: str) -> str:
    """Return the directory of an AppStack's cache on the node."""
    volumes = namespace.only_pod(name)["spec"]["volumes"]
    return next(str(volume["hostPath"]["path"]) for volume in volumes if volume["name"] == "cache")


@pytest.fixture(scope="module")
def kept(namespace: Namespace, node: str) -> str:
    """Deploy a backend that is not root and has no shell, write a file, and return the URL of its Service."""
    url = deploy(namespace, with_cache("kept", node, SHELL_LESS_IMAGE))
    write_file(namespace, url, "kept")
    return url


def test_backend_without_root_and_shell_can_write_its_cache(namespace: Namespace, kept: str) -> None:
    pod = namespace.only_pod("kept")["metadata"]["name"]

    assert not namespace.try_kubectl("exec", pod, "--container", "backend", "--", "sh", "-c", "true").ok
    assert namespace.page(f"{kept}/files?path={FILE}") == "kept"


def test_cache_survives_a_rollout(namespace: Namespace, kept: str, node: str) -> None:
    former = namespace.only_pod("kept")
    stack = with_cache("kept", node, SHELL_LESS_IMAGE)
    stack["spec"]["backend"]["env"].append({"name": "AGAIN", "value": "yes"})

    deploy(namespace, stack)

    assert uid_of(namespace.only_pod("kept")) != uid_of(former)
    assert namespace.page(f"{kept}/files?path={FILE}") == "kept"


def test_stacks_of_one_namespace_have_separate_caches(namespace: Namespace, kept: str, node: str) -> None:
    url = deploy(namespace, with_cache("other", node, SHELL_LESS_IMAGE))

    assert is_empty(namespace, url)
    assert path_of(namespace, "other") != path_of(namespace, "kept")


def test_namespaces_have_separate_caches(namespace: Namespace, kept: str, node: str) -> None:
    with temporary_namespace("cache-other") as other:
        wait_for_client(other)
        url = deploy(other, with_cache("kept", node, SHELL_LESS_IMAGE))

        assert is_empty(other, url)
        assert path_of(other, "kept") != path_of(namespace, "kept")


@pytest.fixture
def recreated() -> Iterator[Namespace]:
    """Return a namespace that the test deletes and creates again."""
    with temporary_namespace("cache-recreated") as namespace:
        wait_for_client(namespace)
        yield namespace


def test_recreated_namespace_of_the_same_name_has_a_new_cache(recreated: Namespace, node: str) -> None:
    write_file(recreated, deploy(recreated, with_cache("kept", node, SHELL_LESS_IMAGE)), "of the former namespace")
    former = path_of(recreated, "kept")
    recreated.kubectl("delete", "namespace", recreated.name, "--timeout=120s")
    recreated.create()
    wait_for_client(recreated)

    url = deploy(recreated, with_cache("kept", node, SHELL_LESS_IMAGE))

    assert is_empty(recreated, url)
    assert path_of(recreated, "kept") != former
    assert path_of(recreated, "kept").rpartition("_")[0] == former.rpartition("_")[0]

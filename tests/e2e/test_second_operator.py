"""A second operator with settings of its own, image volumes and IPv6, and what is left when it is uninstalled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import harness
from tests.e2e.harness import Manifest, Space, backend_of, uid_of
from tests.e2e.stacks import private_backend
from tools import install
from tools.cluster import programs, shell, state

RELEASE = "second"
DEPLOYMENT = f"{RELEASE}-appstack"
CRD = "appstacks.appstack.dev"
NAME = "pages"
URL = f"http://{NAME}/static/version.txt"
OPERATOR = Space(install.NAMESPACE)


def helm(command: list[str]) -> None:
    """Run Helm against the cluster."""
    shell.run(command, cwd=state.ROOT, env={"KUBECONFIG": str(state.KUBECONFIG)})


def uninstall() -> None:
    """Uninstall it as users do; once it is gone, nothing is left to do."""
    words = ["--namespace", install.NAMESPACE, "--ignore-not-found", "--wait", "--timeout", "5m"]
    helm([str(programs.path("helm")), "uninstall", RELEASE, *words])


@pytest.fixture(scope="module")
def second(operator: None) -> Iterator[Space]:
    """Install it for namespaces that are not the first one's."""
    second = install.command(programs.path("helm"), RELEASE, ["second-*"], imageVolumes="true", ipv6="true")
    helm([*second, "--timeout", "5m"])  # the last one counts
    try:
        with harness.namespace("image-volumes", owner="second") as space:
            harness.wait_for_client(space)
            yield space
    finally:
        uninstall()


def pages(version: str) -> Manifest:
    """Return a stack whose nginx serves files of the backend's image."""
    backend = {"image": f"appstack.dev/demo-backend:{version}"}
    return private_backend(NAME, backend=backend, proxy={"static": [{"path": "/static/", "from": "/srv/app/public"}]})


def test_nginx_serves_out_of_the_image_and_nothing_is_copied(second: Space) -> None:
    second.apply(pages("1.0.0"))
    second.ready(NAME)

    assert second.page(URL) == "1.0.0\n"
    spec = second.pod(NAME)["spec"]
    assert [volume["image"]["reference"] for volume in spec["volumes"] if "image" in volume] == [
        backend_of({"spec": spec})["image"]
    ]
    assert [each["name"] for each in spec["initContainers"]] == ["appstack-nginx-check", "proxy"]


def test_a_new_image_brings_its_files(second: Space) -> None:
    second.apply(pages("1.1.0"))
    second.ready(NAME)
    second.pod(NAME)

    assert second.page(URL) == "1.1.0\n"


def test_nginx_listens_on_ipv6_too(second: Space) -> None:
    pod = second.pod(NAME)["metadata"]["name"]
    if not second.try_kubectl("exec", pod, "--container", "backend", "--", "test", "-e", "/proc/net/if_inet6").ok:
        pytest.skip("the nodes know no IPv6")

    ask = ("wget", "-q", "-O", "-", "http://[::1]:8080/static/version.txt")

    assert second.exec(pod, "backend", *ask) == "1.1.0\n"


def test_uninstalling_keeps_the_definition_the_stacks_and_what_they_became(second: Space) -> None:
    owner = OPERATOR.get("crd", CRD)["metadata"]["annotations"]["meta.helm.sh/release-name"]
    stack, pod = uid_of(second.stack(NAME)), uid_of(second.pod(NAME))

    uninstall()

    assert owner == RELEASE
    assert OPERATOR.find("deployment", DEPLOYMENT) is None
    assert OPERATOR.find("clusterrole", DEPLOYMENT) is None
    assert "deletionTimestamp" not in OPERATOR.get("crd", CRD)["metadata"]
    assert uid_of(second.stack(NAME)) == stack
    assert uid_of(second.pod(NAME)) == pod
    assert second.page(URL) == "1.1.0\n"


def test_without_an_operator_a_stack_that_is_deleted_takes_all_it_became_with_it(second: Space) -> None:
    second.kubectl("delete", "appstack", NAME, "--timeout=120s")

    for kind in ("deployment", "service"):
        second.gone(kind, NAME)
    second.until("its pods are gone", lambda: not second.every("pods", NAME))

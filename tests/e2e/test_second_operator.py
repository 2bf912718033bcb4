"""A second operator with image volumes and IPv6, and the objects that remain after it is uninstalled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.manifests import private_backend
from tests.e2e.namespace import Manifest, Namespace, backend_of, temporary_namespace, uid_of, wait_for_client
from tools import install
from tools.cluster import programs, shell, state

RELEASE = "second"
DEPLOYMENT = f"{RELEASE}-appstack"
CRD = "appstacks.appstack.dev"
NAME = "pages"
URL = f"http://{NAME}/static/version.txt"
OPERATOR = Namespace(install.NAMESPACE)


def helm(command: list[str]) -> None:
    """Run Helm against the cluster."""
    shell.run(command, cwd=state.ROOT, env={"KUBECONFIG": str(state.KUBECONFIG)})


def uninstall() -> None:
    """Uninstall the release; do nothing when it is not installed."""
    arguments = ["--namespace", install.NAMESPACE, "--ignore-not-found", "--wait", "--timeout", "5m"]
    helm([str(programs.path("helm")), "uninstall", RELEASE, *arguments])


@pytest.fixture(scope="module")
def second(operator: None) -> Iterator[Namespace]:
    """Install the second operator and return a namespace that it reconciles."""
    command = install.command(programs.path("helm"), RELEASE, ["second-*"], imageVolumes="true", ipv6="true")
    helm([*command, "--timeout", "5m"])  # the last --timeout counts
    try:
        with temporary_namespace("image-volumes", prefix="second") as namespace:
            wait_for_client(namespace)
            yield namespace
    finally:
        uninstall()


def pages(version: str) -> Manifest:
    """Return an AppStack whose nginx serves files of the backend's image."""
    backend = {"image": f"appstack.dev/demo-backend:{version}"}
    return private_backend(NAME, backend=backend, proxy={"static": [{"path": "/static/", "from": "/srv/app/public"}]})


def test_nginx_serves_files_from_an_image_volume_without_a_copy(second: Namespace) -> None:
    second.apply(pages("1.0.0"))
    second.wait_until_ready(NAME)

    assert second.page(URL) == "1.0.0\n"
    spec = second.only_pod(NAME)["spec"]
    assert [volume["image"]["reference"] for volume in spec["volumes"] if "image" in volume] == [
        backend_of({"spec": spec})["image"]
    ]
    assert [container["name"] for container in spec["initContainers"]] == ["appstack-nginx-check", "proxy"]


def test_new_image_is_served_with_its_files(second: Namespace) -> None:
    second.apply(pages("1.1.0"))
    second.wait_until_ready(NAME)
    second.only_pod(NAME)

    assert second.page(URL) == "1.1.0\n"


def test_nginx_listens_on_ipv6(second: Namespace) -> None:
    pod = second.only_pod(NAME)["metadata"]["name"]
    if not second.try_kubectl("exec", pod, "--container", "backend", "--", "test", "-e", "/proc/net/if_inet6").ok:
        pytest.skip("not run: the nodes have no IPv6")

    request = ("wget", "-q", "-O", "-", "http://[::1]:8080/static/version.txt")

    assert second.exec(pod, "backend", *request) == "1.1.0\n"


def test_uninstall_keeps_the_definition_the_stacks_and_their_children(second: Namespace) -> None:
    owner = OPERATOR.get("crd", CRD)["metadata"]["annotations"]["meta.helm.sh/release-name"]
    stack, pod = uid_of(second.appstack(NAME)), uid_of(second.only_pod(NAME))

    uninstall()

    assert owner == RELEASE
    assert OPERATOR.find("deployment", DEPLOYMENT) is None
    assert OPERATOR.find("clusterrole", DEPLOYMENT) is None
    assert "deletionTimestamp" not in OPERATOR.get("crd", CRD)["metadata"]
    assert uid_of(second.appstack(NAME)) == stack
    assert uid_of(second.only_pod(NAME)) == pod
    assert second.page(URL) == "1.1.0\n"


def test_deleted_stack_is_garbage_collected_with_its_children_without_an_operator(second: Namespace) -> None:
    second.kubectl("delete", "appstack", NAME, "--timeout=120s")

    for kind in ("deployment", "service"):
        second.wait_until_deleted(kind, NAME)
    second.wait_for("its pods are deleted", lambda: not second.children("pods", NAME))

"""The example cadvisor: a monitoring agent on every node with hostPort and hostPath volumes."""

from __future__ import annotations

import re
import sys

import pytest

from tests.e2e.harness import EXAMPLES, Example, Manifest, Space, condition
from tools.cluster import shell

EXAMPLE = Example("11-cadvisor")
NAME = EXAMPLE.name
HOST_PORT = 4194


@pytest.fixture(scope="module")
def deployed(space: Space) -> Space:
    space.apply(*EXAMPLE.manifests)
    space.ready(NAME)
    return space


def nodes(space: Space) -> dict[str, str]:
    """Return the address of every node by its name."""
    return {node["metadata"]["name"]: node["status"]["addresses"][0]["address"] for node in space.items("nodes")}


def test_every_node_has_its_pod(deployed: Space) -> None:
    assert {pod["spec"]["nodeName"] for pod in deployed.pods(NAME)} == set(nodes(deployed))


def test_each_answers_on_the_host_port_with_metrics_of_real_containers(deployed: Space) -> None:
    for pod in deployed.pods(NAME):
        address = nodes(deployed)[pod["spec"]["nodeName"]]
        own = container_id(pod)

        def told(address: str = address, own: str = own) -> bool:
            page = deployed.page(f"http://{address}:{HOST_PORT}/metrics")
            return (
                re.search(rf"^container_memory_usage_bytes{{[^}}]*{own}[^}}]*}} [1-9]", page, re.MULTILINE) is not None
            )

        deployed.until(f"{address} tells of the container {own}", told)


def container_id(pod: Manifest) -> str:
    """Return the id of the agent's own container: one that is surely on the node."""
    (status,) = pod["status"]["containerStatuses"]
    return str(status["containerID"]).rpartition("//")[2]


def test_it_is_the_real_one_and_sees_the_nodes_own_files(deployed: Space) -> None:
    page = deployed.page(f"http://{NAME}:8080/metrics")

    (version,) = re.findall(r"^cadvisor_version_info{.*$", page, re.MULTILINE)
    assert 'cadvisorVersion="v0.36.0"' in version
    assert 'osVersion="Debian' in version


def test_it_can_write_none_of_them(deployed: Space) -> None:
    pod = deployed.pods(NAME)[0]["metadata"]["name"]

    tried = deployed.try_kubectl("exec", pod, "--", "touch", "/sys/fs/cgroup/mine")

    assert not tried.ok
    assert "Read-only file system" in tried.err


def test_paths_without_the_administrators_leave_are_refused(deployed: Space) -> None:
    stack = EXAMPLE.stack
    stack["metadata"]["name"] = "refused"
    stack["spec"]["backend"]["ports"][0].pop("hostPort")
    stack["spec"]["volumes"][1]["hostPath"]["path"] = "/etc/os-release"

    deployed.apply(stack)
    told = deployed.until("it is Stalled", lambda: stalled(deployed, "refused"))

    assert "spec.volumes[1].hostPath.path" in told["message"]
    assert "hostPathPrefixes" in told["message"]
    assert deployed.find("daemonset", "refused") is None


def stalled(space: Space, name: str) -> Manifest | None:
    """Return the condition that says why nothing is done."""
    stack = space.stack(name)
    if condition(stack, "Stalled") != "True":
        return None
    return next(dict(each) for each in stack["status"]["conditions"] if each["type"] == "Stalled")


@pytest.mark.parametrize(("settings", "good"), [((), False), (("--settings", "settings.yaml"), True)])
def test_the_same_words_offline_with_and_without_leave(settings: tuple[str, ...], good: bool) -> None:
    folder = EXAMPLES / EXAMPLE.folder
    said = shell.attempt([sys.executable, "-m", "appstack", "validate", *settings, "-f", "appstack.yaml"], cwd=folder)

    assert said.ok is good
    assert ("spec.volumes[0].hostPath.path" in said.out + said.err) is not good

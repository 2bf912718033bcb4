"""The example cadvisor: a monitoring agent on every node, with a hostPort and hostPath volumes."""

from __future__ import annotations

import re
import sys

import pytest

from tests.e2e.namespace import EXAMPLES, Example, Manifest, Namespace
from tools.cluster import shell

EXAMPLE = Example("11-cadvisor")
NAME = EXAMPLE.name
HOST_PORT = 4194


def node_addresses(namespace: Namespace) -> dict[str, str]:
    """Return the address of each node by its name."""
    return {
        node["metadata"]["name"]: node["status"]["addresses"][0]["address"] for node in namespace.list_objects("nodes")
    }


def test_every_node_runs_one_pod(deployed: Namespace) -> None:
    assert {pod["spec"]["nodeName"] for pod in deployed.pods(NAME)} == set(node_addresses(deployed))


def test_each_pod_serves_metrics_of_its_own_container_on_the_host_port(deployed: Namespace) -> None:
    for pod in deployed.pods(NAME):
        address = node_addresses(deployed)[pod["spec"]["nodeName"]]
        container = container_id(pod)
        series = rf"^container_memory_usage_bytes{{[^}}]*{container}[^}}]*}} [1-9]"

        def has_metric(address: str = address, series: str = series) -> bool:
            page = deployed.page(f"http://{address}:{HOST_PORT}/metrics")
            return re.search(series, page, re.MULTILINE) is not None

        deployed.wait_for(f"{address} has metrics of the container {container}", has_metric)


def container_id(pod: Manifest) -> str:
    """Return the id of the agent's own container, which runs on the same node."""
    (status,) = pod["status"]["containerStatuses"]
    return str(status["containerID"]).rpartition("//")[2]


def test_cadvisor_reads_the_operating_system_of_its_node(deployed: Namespace) -> None:
    page = deployed.page(f"http://{NAME}:8080/metrics")

    (version,) = re.findall(r"^cadvisor_version_info{.*$", page, re.MULTILINE)
    assert 'cadvisorVersion="v0.36.0"' in version
    assert 'osVersion="Debian' in version


def test_host_paths_are_mounted_read_only(deployed: Namespace) -> None:
    pod = deployed.pods(NAME)[0]["metadata"]["name"]

    result = deployed.try_kubectl("exec", pod, "--", "touch", "/sys/fs/cgroup/file")

    assert not result.ok
    assert "Read-only file system" in result.err


def test_host_path_that_the_policy_does_not_allow_is_refused(deployed: Namespace) -> None:
    stack = EXAMPLE.stack
    stack["metadata"]["name"] = "refused"
    stack["spec"]["backend"]["ports"][0].pop("hostPort")
    stack["spec"]["volumes"][1]["hostPath"]["path"] = "/etc/os-release"

    deployed.apply(stack)
    message = deployed.wait_until_stalled("refused")

    assert "spec.volumes[1].hostPath.path" in message
    assert "allowed by policy.hostPaths: /sys/fs/cgroup (read-only), /usr/lib/os-release (read-only)" in message
    assert deployed.find("daemonset", "refused") is None


@pytest.mark.parametrize(("settings", "valid"), [((), False), (("--settings", "settings.yaml"), True)])
def test_offline_validation_applies_the_administrators_settings(settings: tuple[str, ...], valid: bool) -> None:
    folder = EXAMPLES / EXAMPLE.folder
    command = [sys.executable, "-m", "appstack", "validate", *settings, "-f", "appstack.yaml"]
    result = shell.attempt(command, cwd=folder)

    assert result.ok is valid
    assert ("spec.volumes[0].hostPath.path" in result.out + result.err) is not valid

"""ServiceMonitors on a real API server, with and without the CRD of the Prometheus Operator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.api.cluster import ROOT, ApiError, Cluster, Namespace, eventually
from tests.api.operator_process import OperatorProcess

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MONITORS = "/apis/monitoring.coreos.com/v1/servicemonitors"
DEFINITION = yaml.safe_load(Path(ROOT / "tests/e2e/servicemonitor-crd.yaml").read_text())
BACKEND = {"image": "busybox:1.35.0", "ports": [{"name": "http", "containerPort": 8000}]}
MONITOR = {"metadata": {"labels": {"release": "prometheus"}}, "endpoints": [{"port": "http", "interval": "30s"}]}


@pytest.fixture(autouse=True)
def _monitors_not_served(cluster: Cluster) -> None:
    """Skip the tests when the cluster serves ServiceMonitors already."""
    if not _is_absent(cluster, MONITORS):
        pytest.skip("not run: this cluster serves ServiceMonitors")


@contextmanager
def monitors_served(cluster: Cluster) -> Iterator[None]:
    """Define ServiceMonitors in the cluster during the block."""
    eventually(lambda: cluster.request("POST", DEFINITIONS, DEFINITION))
    eventually(lambda: cluster.request("GET", MONITORS))
    path = f"{DEFINITIONS}/{DEFINITION['metadata']['name']}"
    try:
        yield
    finally:
        cluster.request("DELETE", path)
        eventually(lambda: _is_absent(cluster, path) and _is_absent(cluster, MONITORS))


def _is_absent(cluster: Cluster, path: str) -> bool:
    try:
        cluster.request("GET", path)
    except ApiError as error:
        return error.status == 404
    return False


def test_service_monitor_follows_its_definition_and_selects_one_service(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    services = [{"name": "admin", "ports": [{"port": 8000}]}]
    workload = {"kind": "StatefulSet"}
    namespace.create_stack(backend=BACKEND, workload=workload, services=services, serviceMonitor=MONITOR)
    stalled = eventually(lambda: namespace.condition("Stalled"))
    assert stalled["reason"] == "MissingKind"
    assert "does not serve ServiceMonitor (monitoring.coreos.com/v1)" in stalled["message"]
    assert namespace.exists("StatefulSet", "shop")

    with monitors_served(namespace.cluster):
        namespace.wait_until_ready(within=90)  # the operator asks for a missing kind at least once a minute
        monitor = namespace.get("ServiceMonitor", "shop")
        assert monitor["metadata"]["labels"]["release"] == "prometheus"
        assert monitor["spec"]["endpoints"] == MONITOR["endpoints"]
        labels = ",".join(f"{key}={value}" for key, value in monitor["spec"]["selector"]["matchLabels"].items())
        selected = namespace.list("Service", labelSelector=labels)
        assert [service["metadata"]["name"] for service in selected] == ["shop"]
        assert len(namespace.list("Service")) == 3

        namespace.patch("ServiceMonitor", "shop", {"spec": {"endpoints": [{"port": "other"}]}})
        eventually(lambda: namespace.get("ServiceMonitor", "shop")["spec"]["endpoints"] == MONITOR["endpoints"])

        namespace.edit_stack(serviceMonitor=None)
        eventually(lambda: not namespace.exists("ServiceMonitor", "shop"))
        namespace.wait_until_ready()
        assert namespace.list("Service", labelSelector=labels) == []


def test_pods_stay_when_a_service_monitor_is_added(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack(backend=BACKEND)
    namespace.wait_until_ready()
    before = namespace.get("Deployment", "shop")["metadata"]["generation"]

    with monitors_served(namespace.cluster):
        namespace.edit_stack(serviceMonitor=MONITOR)
        namespace.wait_until_ready(within=90)

        assert namespace.exists("ServiceMonitor", "shop")
        assert namespace.get("Deployment", "shop")["metadata"]["generation"] == before


def test_field_that_the_installed_release_does_not_know_is_reported(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    with monitors_served(namespace.cluster):
        endpoint = {"port": "http", "followRedirects": False}
        namespace.create_stack(backend=BACKEND, serviceMonitor={"endpoints": [endpoint]})

        stalled = eventually(lambda: namespace.condition("Stalled"), within=90)

        assert "spec.serviceMonitor.endpoints[0].followRedirects: field not declared" in stalled["message"]
        assert namespace.exists("Deployment", "shop")

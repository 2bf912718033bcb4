"""The ResourceQuota that the chart ships as an example."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.api.cluster import ROOT, ApiError, Cluster, Namespace, appstack, eventually
from tests.api.conftest import RUN_ID, temporary_namespace

EXAMPLE = ROOT / "deploy/appstack/examples/resourcequota.yaml"
APPSTACKS = "count/appstacks.appstack.dev"


@pytest.fixture
def namespace(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return a namespace that no operator reconciles."""
    with temporary_namespace(cluster, f"quota-{RUN_ID}") as namespace:
        yield namespace


def refused(namespace: Namespace) -> str:
    """Return the message with which the API server refuses another AppStack, or the empty string; a dry run."""
    try:
        namespace.cluster.request("POST", namespace.path("AppStack"), appstack("more"), dryRun="All")
    except ApiError as error:
        return str(error)
    return ""


def test_quota_limits_the_appstacks_of_a_namespace(namespace: Namespace) -> None:
    quota = yaml.safe_load(EXAMPLE.read_text())
    quota["spec"]["hard"][APPSTACKS] = "2"
    path = f"/api/v1/namespaces/{namespace.name}/resourcequotas"
    namespace.cluster.request("POST", path, quota, fieldValidation="Strict")
    used = quota["spec"]["hard"].keys()
    eventually(lambda: namespace.cluster.request("GET", f"{path}/appstack")["status"]["used"].keys() == used)

    for name in ("first", "second"):
        eventually(lambda name=name: namespace.create_stack(name))  # type: ignore[misc]

    message = f"exceeded quota: appstack, requested: {APPSTACKS}=1, used: {APPSTACKS}=2"
    assert eventually(lambda: message in refused(namespace))

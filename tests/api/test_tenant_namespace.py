"""The example of a tenant's namespace, applied as an administrator does it: quota, Pod Security and NetworkPolicy."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
import yaml

from tests.api.cluster import KUBECONFIG, ROOT, ApiError, Cluster, Manifest, Namespace, appstack, eventually
from tests.api.conftest import RUN_ID
from tools.cluster import programs

EXAMPLE = ROOT / "deploy/appstack/examples/tenant-namespace.yaml"
APPSTACKS = "count/appstacks.appstack.dev"
LIMIT = 2
"""AppStacks of the namespace in this test; the number of the example is for a real tenant."""


@pytest.fixture(scope="module")
def tenant(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return the namespace of the example under another name, with a small quota for AppStacks."""
    name = f"tenant-{RUN_ID}"
    text = EXAMPLE.read_text().replace("team-a", name)
    (limit,) = (each["spec"]["hard"][APPSTACKS] for each in yaml.safe_load_all(text) if each["kind"] == "ResourceQuota")
    text = text.replace(f'{APPSTACKS}: "{limit}"', f'{APPSTACKS}: "{LIMIT}"')
    command = [str(programs.path("kubectl")), "--kubeconfig", str(KUBECONFIG), "apply", "-f", "-"]
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "Warning" not in result.stderr
    namespace = Namespace(cluster, name)
    eventually(
        lambda: (
            namespace.get("ResourceQuota", "tenant")["status"]["hard"]
            == {key: str(value) for key, value in _hard(text).items()}
        )
    )
    yield namespace
    cluster.request("DELETE", f"/api/v1/namespaces/{name}")


def _hard(text: str) -> Manifest:
    (hard,) = (each["spec"]["hard"] for each in yaml.safe_load_all(text) if each["kind"] == "ResourceQuota")
    return dict(hard)


def refusal(namespace: Namespace, manifest: Manifest) -> str:
    """Return the message with which the API server refuses to create an object, or the empty string."""
    try:
        namespace.create(manifest)
    except ApiError as error:
        if error.status != 403:
            raise
        return str(error)
    return ""


def test_quota_limits_the_number_of_appstacks(tenant: Namespace) -> None:
    assert ["", ""] == [refusal(tenant, appstack(f"shop-{number}")) for number in range(LIMIT)]

    message = refusal(tenant, appstack("one-more"))

    assert "exceeded quota: tenant" in message
    assert APPSTACKS in message


def test_pod_security_refuses_pods_that_use_the_host_and_permits_others(tenant: Namespace) -> None:
    container = {"name": "app", "image": "busybox:1.35.0"}
    pod: Manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"}}
    eventually(lambda: tenant.exists("ServiceAccount", "default"))

    for spec in (
        {"containers": [container], "hostPID": True},
        {"containers": [container], "hostNetwork": True},
        {"containers": [container], "volumes": [{"name": "root", "hostPath": {"path": "/"}}]},
    ):
        assert "violates PodSecurity" in refusal(tenant, pod | {"spec": spec})
    assert "" == refusal(tenant, pod | {"spec": {"containers": [container]}})


def test_network_policy_selects_every_pod_in_both_directions(tenant: Namespace) -> None:
    spec = tenant.get("NetworkPolicy", "tenant")["spec"]

    assert ({}, ["Ingress", "Egress"]) == (spec["podSelector"], spec["policyTypes"])
    blocks = [peer["ipBlock"] for rule in spec["egress"] for peer in rule["to"]]
    assert "169.254.169.254/32" in blocks[0]["except"]

"""One operator for all API tests of a process, with a ServiceAccount that has the chart's permissions only."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import chart_rbac
from tests.api.audit_log import AuditLog
from tests.api.cluster import APPLY, AUDIT_LOG, KUBECONFIG, ROOT, ApiError, Cluster, Namespace, eventually
from tests.api.operator_process import OperatorProcess

RUN_ID = os.environ.get("PYTEST_XDIST_WORKER", "one") + secrets.token_hex(2)  # another run may use the same cluster
OPERATOR_NAMESPACE = f"api-system-{RUN_ID}"
OPERATOR_ACCOUNT = "operator"
REPLICA_ACCOUNTS = ("replica-1", "replica-2", "replica-3")
"""ServiceAccounts of replicas: the audit log tells two processes apart by their accounts only."""
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Return a client of the API server; fail when there is no cluster."""
    if not KUBECONFIG.exists():
        pytest.fail("there is no cluster: run `make cluster`")
    client = Cluster()
    yield client
    client.close()


def _recreate(cluster: Cluster, collection: str, manifest: dict[str, Any]) -> None:
    name = manifest["metadata"]["name"]
    try:
        cluster.request("DELETE", f"{collection}/{name}")
    except ApiError as error:
        assert error.status == 404  # noqa: PT017  # the usual case: there is nothing to delete
    eventually(lambda: _create(cluster, collection, manifest), within=60)


def _create(cluster: Cluster, collection: str, manifest: dict[str, Any]) -> bool:
    """Create an object and return True; raise ApiError while the deleted one still has its name."""
    cluster.request("POST", collection, manifest)
    return True


@pytest.fixture(scope="session")
def operator_namespace(cluster: Cluster) -> Iterator[Namespace]:
    """Return the namespace of the operators, with the CRD, their ServiceAccounts and their permissions created."""
    crd = yaml.safe_load((ROOT / "crds/appstack.dev_appstacks.yaml").read_text())
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
    cluster.request("PATCH", path, crd, content_type=APPLY, fieldManager="tests", force="true")
    eventually(lambda: cluster.request("GET", "/apis/appstack.dev/v1alpha1/appstacks", limit="1"))
    accounts = (OPERATOR_ACCOUNT, *REPLICA_ACCOUNTS)
    with temporary_namespace(cluster, OPERATOR_NAMESPACE) as namespace:
        for account in accounts:
            namespace.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}})
        subjects = [{"kind": "ServiceAccount", "name": name, "namespace": OPERATOR_NAMESPACE} for name in accounts]
        for kind, collection, rules in (
            ("ClusterRole", f"{RBAC}/clusterroles", [*chart_rbac.cluster_rules(), *chart_rbac.namespaced_rules()]),
            ("Role", f"{RBAC}/namespaces/{OPERATOR_NAMESPACE}/roles", chart_rbac.lease_rules()),
        ):
            base = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": OPERATOR_NAMESPACE}}
            _recreate(cluster, collection, base | {"kind": kind, "rules": rules})
            role_ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": OPERATOR_NAMESPACE}
            binding = base | {"kind": f"{kind}Binding", "roleRef": role_ref, "subjects": subjects}
            _recreate(cluster, collection.replace("roles", "rolebindings"), binding)
        yield namespace
    cluster.request("DELETE", f"{RBAC}/clusterroles/{OPERATOR_NAMESPACE}")
    cluster.request("DELETE", f"{RBAC}/clusterrolebindings/{OPERATOR_NAMESPACE}")


@contextmanager
def temporary_namespace(cluster: Cluster, name: str) -> Iterator[Namespace]:
    """Create a namespace for the block and delete it afterwards, without waiting for the deletion."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    _recreate(cluster, "/api/v1/namespaces", body)
    try:
        yield Namespace(cluster, name)
    finally:
        try:
            cluster.request("DELETE", f"/api/v1/namespaces/{name}")
        except ApiError as error:  # a test may have deleted the namespace
            if error.status != 404:
                raise


@pytest.fixture(scope="session")
def kubeconfig(cluster: Cluster, operator_namespace: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a kubeconfig with a token of the operator's ServiceAccount."""
    return write_kubeconfig(cluster, operator_namespace, OPERATOR_ACCOUNT, tmp_path_factory.mktemp("kubeconfig"))


def write_kubeconfig(cluster: Cluster, namespace: Namespace, account: str, folder: Path) -> Path:
    """Write a kubeconfig with a token of a ServiceAccount and return its path."""
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200}}
    path = namespace.path("ServiceAccount", account) + "/token"
    token = cluster.request("POST", path, request)["status"]["token"]
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": cluster.server, "certificate-authority": cluster.ca}}],
        "users": [{"name": "test", "user": {"token": token}}],
    }
    file = folder / f"{account}.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.fixture(scope="session")
def operator(
    operator_namespace: Namespace, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """Return a running operator that reconciles the namespaces of this test process."""
    process = OperatorProcess(
        tmp_path_factory.mktemp("operator"),
        kubeconfig,
        identity="api-tests",
        operatorNamespace=OPERATOR_NAMESPACE,
        namespaces=[f"api-{RUN_ID}-*"],
    )
    process.start()
    yield process
    assert process.stop() == 0, process.log_text()[-3000:]
    assert "Traceback" not in process.log_text()


@pytest.fixture
def namespace(request: pytest.FixtureRequest, cluster: Cluster, operator: OperatorProcess) -> Iterator[Namespace]:
    """Return a namespace for one test, which the operator reconciles."""
    slug = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:40]
    with temporary_namespace(cluster, f"api-{RUN_ID}-{slug.strip('-')}-{secrets.token_hex(2)}") as namespace:
        yield namespace


@pytest.fixture(scope="session")
def audit_log(operator_namespace: Namespace) -> Iterator[AuditLog]:
    """Return the audit log of the operator's account."""
    if not AUDIT_LOG.exists():
        pytest.skip("not run: this cluster has no .cluster/audit.log to count requests in")
    log = AuditLog(f"system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR_ACCOUNT}")
    yield log
    log.close()

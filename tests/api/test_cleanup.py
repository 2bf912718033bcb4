"""`appstack cleanup` with the names of a real API server, and with the permissions of the chart."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.api.cluster import ROOT, Cluster, Namespace
from tests.api.conftest import OPERATOR_NAMESPACE, RBAC, RUN_ID, temporary_namespace, write_kubeconfig
from tests.chart_rbac import TEMPLATES

NAME = f"cleanup-{RUN_ID}"


@pytest.fixture
def namespace(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return a namespace with an AppStack."""
    with temporary_namespace(cluster, NAME) as namespace:
        namespace.create_stack("shop")
        yield namespace


@pytest.fixture
def cleaner(cluster: Cluster, operator_namespace: Namespace, tmp_path: Path) -> Iterator[Path]:
    """Return the kubeconfig of an account with the chart's ClusterRole for the cleanup."""
    text = (TEMPLATES / "node-cache-cleanup.yaml").read_text()
    document = next(part for part in text.split("\n---\n") if "\nkind: ClusterRole\n" in part)
    rules = yaml.safe_load(document[document.index("\nrules:") :])["rules"]
    api, meta = {"apiVersion": "rbac.authorization.k8s.io/v1"}, {"metadata": {"name": NAME}}
    subject = {"kind": "ServiceAccount", "name": "cleanup", "namespace": OPERATOR_NAMESPACE}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME}
    operator_namespace.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "cleanup"}})
    cluster.request("POST", f"{RBAC}/clusterroles", {**api, "kind": "ClusterRole", **meta, "rules": rules})
    binding = {**api, "kind": "ClusterRoleBinding", **meta, "roleRef": ref, "subjects": [subject]}
    cluster.request("POST", f"{RBAC}/clusterrolebindings", binding)
    yield write_kubeconfig(cluster, operator_namespace, "cleanup", tmp_path)
    cluster.request("DELETE", f"{RBAC}/clusterroles/{NAME}")
    cluster.request("DELETE", f"{RBAC}/clusterrolebindings/{NAME}")
    operator_namespace.delete("ServiceAccount", "cleanup")


def clean_up(root: Path, kubeconfig: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command on a cache root."""
    file = folder / "settings.yaml"
    file.write_text(yaml.safe_dump({"cacheRoot": str(root)}))
    command = [sys.executable, "-m", "appstack", "cleanup", "--settings", str(file), "--kubeconfig", str(kubeconfig)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "operator")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_caches_without_an_owner_are_deleted(
    namespace: Namespace, cluster: Cluster, cleaner: Path, tmp_path: Path
) -> None:
    root = tmp_path / "caches"
    uid = cluster.request("GET", f"/api/v1/namespaces/{NAME}")["metadata"]["uid"]
    former = f"{NAME}_00000000-0000-0000-0000-000000000000"
    for path in (f"{NAME}_{uid}/shop/data", f"{NAME}_{uid}/deleted/data", f"{former}/shop/data"):
        (root / path).mkdir(parents=True)

    result = clean_up(root, cleaner, tmp_path)

    assert 0 == result.returncode, result.stderr
    assert [f"{NAME}_{uid}"] == [path.name for path in root.iterdir() if not path.name.startswith(".")]
    assert ["shop"] == [path.name for path in (root / f"{NAME}_{uid}").iterdir()]
    assert f"Node cache {former} removed" in result.stderr


def test_nothing_is_deleted_without_permission(
    namespace: Namespace, operator_namespace: Namespace, cluster: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "caches" / f"{NAME}_gone" / "shop").mkdir(parents=True)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "powerless"}}
    operator_namespace.create(account)

    result = clean_up(
        tmp_path / "caches", write_kubeconfig(cluster, operator_namespace, "powerless", tmp_path), tmp_path
    )

    assert 2 == result.returncode
    assert "not cleaned up" in result.stderr
    assert (tmp_path / "caches" / f"{NAME}_gone" / "shop").is_dir()
    operator_namespace.delete("ServiceAccount", "powerless")

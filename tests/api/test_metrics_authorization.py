"""Metrics with `metricsAuthorization`, reviewed by the real API server."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
import yaml

from tests.api.cluster import Cluster, Manifest, Namespace, eventually
from tests.api.conftest import OPERATOR_ACCOUNT, OPERATOR_NAMESPACE, RBAC, RUN_ID, write_kubeconfig
from tests.api.operator_process import OperatorProcess
from tests.chart_rbac import TEMPLATES

NAME = f"scrapes-{RUN_ID}"


def chart_rules(suffix: str) -> list[Manifest]:
    """Return the rules of one of the chart's ClusterRoles for metrics."""
    text = (TEMPLATES / "metrics-authorization.yaml").read_text()
    document = next(
        part for part in text.split("\n---\n") if f"}}}}-{suffix}\n" in part and "\nkind: ClusterRole\n" in part
    )
    lines = document[document.index("\nrules:") :].splitlines()
    rules: list[Manifest] = yaml.safe_load("\n".join(line for line in lines if "{{" not in line))["rules"]
    return rules


@pytest.fixture(scope="module")
def tokens(
    cluster: Cluster, operator_namespace: Namespace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Return the tokens of an account that may scrape and of one that may not; the operator may review them."""
    accounts = {"scraper": "metrics-reader", "visitor": "", OPERATOR_ACCOUNT: "metrics-authorization"}
    api = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    found = {}
    for account, suffix in accounts.items():
        if account != OPERATOR_ACCOUNT:
            operator_namespace.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}})
            file = write_kubeconfig(cluster, operator_namespace, account, tmp_path_factory.mktemp("tokens"))
            found[account] = yaml.safe_load(file.read_text())["users"][0]["user"]["token"]
        if suffix:
            meta = {"metadata": {"name": f"{NAME}-{suffix}"}}
            subject = {"kind": "ServiceAccount", "name": account, "namespace": OPERATOR_NAMESPACE}
            ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"{NAME}-{suffix}"}
            role = {**api, "kind": "ClusterRole", **meta, "rules": chart_rules(suffix)}
            binding = {**api, "kind": "ClusterRoleBinding", **meta, "roleRef": ref, "subjects": [subject]}
            cluster.request("POST", f"{RBAC}/clusterroles", role)
            cluster.request("POST", f"{RBAC}/clusterrolebindings", binding)
    yield found
    for suffix in filter(None, accounts.values()):
        cluster.request("DELETE", f"{RBAC}/clusterroles/{NAME}-{suffix}")
        cluster.request("DELETE", f"{RBAC}/clusterrolebindings/{NAME}-{suffix}")


def scrape(operator: OperatorProcess, token: str = "") -> tuple[int, str]:
    """Return the status code and the beginning of the metrics page."""
    connection = HTTPConnection("127.0.0.1", operator.metrics_port, timeout=10)
    try:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        return response.status, response.read(6).decode()
    finally:
        connection.close()


def test_only_a_user_that_may_get_metrics_scrapes(
    tokens: dict[str, str], kubeconfig: Path, tmp_path: Path, operator_namespace: Namespace
) -> None:
    operator = OperatorProcess(
        tmp_path,
        kubeconfig,
        identity=NAME,
        operatorNamespace=OPERATOR_NAMESPACE,
        namespaces=[f"{NAME}-*"],
        metricsAuthorization=True,
    )
    operator.start()
    try:
        eventually(lambda: scrape(operator, tokens["scraper"]) == (200, "# HELP"))
        assert (403, "") == scrape(operator, tokens["visitor"])
        assert (401, "") == scrape(operator, tokens["scraper"] + "x")
        assert (401, "") == scrape(operator)
        assert operator.is_ready(), "probes need no token"
        assert tokens["scraper"] not in operator.log_text()
    finally:
        assert 0 == operator.stop(), operator.log_text()[-3000:]

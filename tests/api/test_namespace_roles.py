"""An operator with Roles in two namespaces and hardly any permission in the cluster, as the chart installs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from appstack.client.resource_kinds import APPSTACKS, WATCHED_KINDS
from tests import chart_rbac
from tests.api.audit_log import AuditLog
from tests.api.cluster import MERGE, Cluster, Manifest, Namespace, eventually
from tests.api.conftest import OPERATOR_NAMESPACE, RBAC, RUN_ID, temporary_namespace, write_kubeconfig
from tests.api.operator_process import OperatorProcess, replace_constants

ACCOUNT = "namespaced"
IDENTITY = f"roles-{RUN_ID}"
DISABLED = {"httpRoutes": "HTTPRoute", "ingresses": "Ingress"}
PER_NAMESPACE = {APPSTACKS.plural, *(kind.plural for kind in WATCHED_KINDS)} - {"namespaces"}
FAST_RETRY = (
    "; ".join(  # seconds between the attempts to use a namespace without permission
        replace_constants(module, FORBIDDEN_RETRY_SECONDS="0.5")
        for module in ("appstack.informers.watch_health", "appstack.informers.informer")
    )
    + "; import appstack.kopf_adapter.watches as watches, appstack.kopf_adapter.source as source; "
    + "; ".join(f"{module}.FORBIDDEN_RETRY_SECONDS = 0.5" for module in ("watches", "source"))
)


def role(name: str, disabled: tuple[str, ...] = ()) -> Manifest:
    """Return the chart's Role for a reconciled namespace."""
    rules = chart_rbac.namespaced_rules(disabled)
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules}


def binding(name: str, kind: str = "Role") -> Manifest:
    """Return a binding of the operator's account to a role of the same name."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding" if kind == "Role" else "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": OPERATOR_NAMESPACE}],
    }


@pytest.fixture(scope="module")
def account(
    cluster: Cluster, operator_namespace: Namespace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Return the kubeconfig of an account with the chart's ClusterRole for named namespaces, and the Lease's Role."""
    operator_namespace.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}})
    operator_namespace.create(role(IDENTITY) | {"rules": chart_rbac.lease_rules()})
    operator_namespace.create(binding(IDENTITY))
    cluster_role = role(IDENTITY) | {"kind": "ClusterRole", "rules": chart_rbac.cluster_rules()}
    cluster.request("POST", f"{RBAC}/clusterroles", cluster_role)
    cluster.request("POST", f"{RBAC}/clusterrolebindings", binding(IDENTITY, "ClusterRole"))
    yield write_kubeconfig(cluster, operator_namespace, ACCOUNT, tmp_path_factory.mktemp("roles"))
    cluster.request("DELETE", f"{RBAC}/clusterroles/{IDENTITY}")
    cluster.request("DELETE", f"{RBAC}/clusterrolebindings/{IDENTITY}")


@pytest.fixture(scope="module")
def namespaces(cluster: Cluster) -> Iterator[list[Namespace]]:
    """Return two namespaces with the operator's Role, and one without."""
    with ExitStack() as stack:
        names = (f"roles-{RUN_ID}-{suffix}" for suffix in ("a", "b", "other"))
        found = [stack.enter_context(temporary_namespace(cluster, name)) for name in names]
        for namespace in found[:2]:
            namespace.create(role(IDENTITY))
            namespace.create(binding(IDENTITY))
        yield found


@pytest.fixture(scope="module")
def log(account: Path) -> Iterator[AuditLog]:
    """Return the audit log of the operator's account."""
    log = AuditLog(f"system:serviceaccount:{OPERATOR_NAMESPACE}:{ACCOUNT}").skip_existing()
    yield log
    log.close()


@pytest.fixture(scope="module")
def operator(
    account: Path, namespaces: list[Namespace], log: AuditLog, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """Return a running operator of the first two namespaces."""
    process = OperatorProcess(
        tmp_path_factory.mktemp("operator"),
        account,
        setup_code=FAST_RETRY,
        identity=IDENTITY,
        operatorNamespace=OPERATOR_NAMESPACE,
        namespaces=[namespace.name for namespace in namespaces[:2]],
    )
    process.start()
    yield process
    if process.running():
        assert 0 == process.stop(), process.log_text()[-3000:]
    assert "Traceback" not in process.log_text()


def test_named_namespaces_cost_a_list_and_a_watch_of_each_kind(
    operator: OperatorProcess, namespaces: list[Namespace], log: AuditLog
) -> None:
    eventually(operator.is_ready)
    names = [namespace.name for namespace in namespaces[:2]]

    def watched() -> Counter[tuple[str, str]]:
        first = (entry for entry in log.read() if entry["stage"] in ("ResponseStarted", "ResponseComplete"))
        refs = {entry["auditID"]: (entry["verb"], entry["objectRef"]) for entry in first if entry.get("objectRef")}
        return Counter((ref.get("namespace", ""), ref["resource"]) for verb, ref in refs.values() if verb == "watch")

    served = PER_NAMESPACE - {"httproutes", "servicemonitors"}
    eventually(lambda: {(name, plural) for name in names for plural in served} <= watched().keys())

    assert {1} == {watched()[name, plural] for name in names for plural in served}
    assert {("", "namespaces")} == {place for place in watched() if place[0] not in (*names, OPERATOR_NAMESPACE)}


@pytest.mark.parametrize("index", [0, 1])
def test_stack_is_created_repaired_pruned_and_deleted(
    operator: OperatorProcess, namespaces: list[Namespace], index: int
) -> None:
    namespace = namespaces[index]
    namespace.create_stack(networkPolicy={})
    namespace.wait_until_ready()
    assert namespace.exists("NetworkPolicy", "shop")

    namespace.patch("Service", "shop", {"spec": {"selector": {"appstack.dev/stack": "other"}}})
    eventually(lambda: namespace.get("Service", "shop")["spec"]["selector"]["appstack.dev/stack"] == "shop")
    namespace.delete("Deployment", "shop")
    eventually(lambda: namespace.exists("Deployment", "shop"))

    namespace.edit_stack(networkPolicy=None)
    eventually(lambda: not namespace.exists("NetworkPolicy", "shop"))
    namespace.wait_until_ready()
    namespace.delete("AppStack", "shop")
    eventually(lambda: not namespace.exists("Deployment", "shop"))


def test_other_namespaces_are_not_reconciled_and_no_request_is_forbidden(
    operator: OperatorProcess, namespaces: list[Namespace], log: AuditLog, operator_namespace: Namespace
) -> None:
    first, second, other = namespaces
    other.create_stack("untouched")
    for namespace in (first, second):
        namespace.create_stack("last")
        namespace.wait_until_ready("last")

    assert "conditions" not in other.get("AppStack", "untouched").get("status", {})
    assert [] == other.list("Deployment")
    entries = log.read()
    assert [] == [entry for entry in entries if entry.get("responseStatus", {}).get("code") == 403]
    assert other.name not in {entry.get("objectRef", {}).get("namespace") for entry in entries}
    assert operator_namespace.get("Lease", IDENTITY)["spec"]["holderIdentity"]


def test_namespace_without_permission_does_not_stop_the_others(
    operator: OperatorProcess, namespaces: list[Namespace]
) -> None:
    first, second, _ = namespaces
    second.delete("RoleBinding", IDENTITY)
    assert 0 == operator.stop(), operator.log_text()[-3000:]

    operator.start()

    assert f"Namespace {second.name} is not reconciled until its Role permits it" in operator.log_text()
    first.create_stack("during")
    first.wait_until_ready("during")
    second.create_stack("during")
    eventually(operator.is_ready)
    assert "ok\n" == operator.fetch(operator.health_port, "/livez")

    second.create(binding(IDENTITY))
    second.wait_until_ready("during")
    assert f"Namespace {second.name} is reconciled" in operator.log_text()


def test_permission_removed_while_running_is_recovered(operator: OperatorProcess, namespaces: list[Namespace]) -> None:
    first, second, _ = namespaces
    second.delete("RoleBinding", IDENTITY)
    second.create_stack("denied")
    first.create_stack("granted")
    first.wait_until_ready("granted")
    assert not second.condition("Ready", "denied")

    second.create(binding(IDENTITY))

    second.wait_until_ready("denied")


def test_disabled_kind_is_reported_with_a_hint(
    operator: OperatorProcess, namespaces: list[Namespace], log: AuditLog, cluster: Cluster
) -> None:
    namespace = namespaces[0]
    namespace.create_stack("routed", ingress={"hosts": ["shop.example"]})
    namespace.wait_until_ready("routed")
    rules = {"rules": chart_rbac.namespaced_rules(tuple(DISABLED))}
    for each in namespaces[:2]:
        cluster.request("PATCH", each.path("Role", IDENTITY), rules, content_type=MERGE)
    assert 0 == operator.stop()
    before = len(log.read())
    operator.settings["disabledKinds"] = list(DISABLED.values())

    operator.start()

    stalled = eventually(lambda: namespace.condition("Stalled", "routed"))
    assert "MissingKind" == stalled["reason"]
    assert "this operator may not use Ingress (networking.k8s.io/v1)" in stalled["message"]
    assert "`rbac.kinds` of the Helm chart" in stalled["message"]
    assert namespace.exists("Ingress", "routed"), "an object that the operator may not see is left as it is"
    namespace.create_stack("plain")
    namespace.wait_until_ready("plain")
    requested = {entry["objectRef"]["resource"] for entry in log.read()[before:] if entry.get("objectRef")}
    assert requested.isdisjoint({"ingresses", "httproutes"})

"""Start, stop, kill and deletion: the operator converges whenever it runs, and deletion does not need it."""

from __future__ import annotations

import time

from tests.api.audit_log import AuditLog
from tests.api.cluster import CHILD_COUNT, Namespace, eventually
from tests.api.operator_process import OperatorProcess


def test_operator_killed_at_work_converges_after_a_restart(
    namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess
) -> None:
    names = [f"shop-{number}" for number in range(8)]
    for name in names:
        namespace.create_stack(name)
    eventually(lambda: namespace.list("Deployment", labelSelector="appstack.dev/stack"))

    operator.kill()
    created = len(namespace.list("Deployment", labelSelector="appstack.dev/stack"))
    operator.start()
    for name in names:
        namespace.wait_until_ready(name)

    assert created >= 1
    assert len(namespace.list("Deployment")) == len(names)
    requests = audit_log.wait_until_quiet(namespace.name)
    refused = [request for request in requests if request.rpartition(" ")[2] in ("409", "422")]
    assert [] == refused, "the operator knows the children that it applied before"
    writes = [request for request in audit_log.requests(namespace.name) if "status" not in request]
    assert len(names) * CHILD_COUNT <= len(writes) <= 2 * len(names) * CHILD_COUNT


def test_deletion_works_without_an_operator(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()

    operator.stop()
    namespace.delete("AppStack", "shop")
    eventually(lambda: not namespace.exists("Deployment", "shop"))
    eventually(lambda: not namespace.exists("Service", "shop"))
    operator.start()


def test_operator_repairs_nothing_in_a_terminating_namespace(
    namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess
) -> None:
    names = [f"shop-{number}" for number in range(4)]
    for name in names:
        namespace.create_stack(name)
    for name in names:
        namespace.wait_until_ready(name)

    with audit_log.counting(namespace.name) as counts:
        namespace.cluster.request("DELETE", f"/api/v1/namespaces/{namespace.name}")
        eventually(lambda: not namespace.list("AppStack"))

    refused = {request: number for request, number in counts.items() if request.endswith("403")}
    assert refused == {}, "an apply in a terminating namespace is forbidden"


def test_stack_with_an_invalid_spec_can_be_deleted(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack(volumes=[{"name": "a", "hostPath": {"path": "/etc"}}])
    assert eventually(lambda: namespace.condition("Stalled"))["reason"] == "InvalidSpec"

    namespace.delete("AppStack", "shop")

    eventually(lambda: not namespace.exists("AppStack", "shop"))


def test_stack_recreated_while_the_operator_is_stopped_owns_new_children(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    namespace.create_stack()
    old_uid = namespace.wait_until_ready()["metadata"]["uid"]

    operator.stop()
    namespace.delete("AppStack", "shop")
    namespace.create_stack()
    operator.start()
    eventually(lambda: namespace.get("Deployment", "shop")["metadata"]["ownerReferences"][0]["uid"] != old_uid)

    new_uid = namespace.wait_until_ready()["metadata"]["uid"]
    assert namespace.get("Deployment", "shop")["metadata"]["ownerReferences"][0]["uid"] == new_uid


def test_stack_recreated_at_once_owns_new_children(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()

    namespace.delete("AppStack", "shop")
    eventually(lambda: not namespace.exists("AppStack", "shop"))
    new_uid = namespace.create_stack()["metadata"]["uid"]

    eventually(lambda: namespace.get("Deployment", "shop")["metadata"]["ownerReferences"][0]["uid"] == new_uid)
    namespace.wait_until_ready()


def test_edits_while_the_operator_is_stopped_are_applied_after_the_start(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()

    operator.stop()
    namespace.edit_stack(service={"enabled": False})
    namespace.create_stack("cart")
    operator.start()

    eventually(lambda: not namespace.exists("Service", "shop"))
    namespace.wait_until_ready()
    namespace.wait_until_ready("cart")


def test_rapid_edits_converge_to_the_last(namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()

    with audit_log.counting(namespace.name) as counts:
        started = time.monotonic()
        for number in range(20):
            namespace.edit_stack(service={"metadata": {"annotations": {"number": str(number)}}})
        eventually(lambda: namespace.get("Service", "shop")["metadata"]["annotations"]["number"] == "19")
        namespace.wait_until_ready()
        elapsed = time.monotonic() - started

    assert counts["patch services 200"] <= 20
    assert counts["patch appstacks/status 200"] <= 3 + int(elapsed), "at most one a second"


def test_deleted_namespace_loses_its_stacks_without_an_error(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()

    namespace.cluster.request("DELETE", f"/api/v1/namespaces/{namespace.name}")

    eventually(lambda: not namespace.list("AppStack"), within=30)
    assert "Traceback" not in operator.log_text()


def test_metrics_count_requests_and_reconciles_without_stack_labels(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()

    text = operator.fetch(operator.metrics_port, "/metrics")

    assert 'appstack_requests_total{code="201",resource="deployments",verb="apply"}' in text
    assert 'appstack_reconciles_total{result="done"}' in text
    assert namespace.name not in text, "no series has the label of one AppStack"
    assert operator.fetch(operator.health_port, "/livez") == operator.fetch(operator.health_port, "/readyz") == "ok\n"

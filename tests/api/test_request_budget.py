"""Requests per reconcile, counted in the API server's audit log."""

from __future__ import annotations

import time
from collections import Counter

from tests.api.audit_log import AuditLog
from tests.api.cluster import CHILD_COUNT, Namespace, eventually
from tests.api.operator_process import OperatorProcess

ONE_APPLY_PER_CHILD = {
    "patch serviceaccounts 201": 1,
    "patch configmaps 201": 1,
    "patch services 201": 1,
    "patch deployments 201": 1,
}
STATUS_WRITE = "patch appstacks/status 200"
ANNOTATION_CHANGE = {"metadata": {"annotations": {"reconcile": "again"}}}


def without_status_writes(counts: Counter[str]) -> dict[str, int]:
    """Return the counts of all requests but the status writes."""
    return {request: number for request, number in counts.items() if request != STATUS_WRITE}


def test_creation_costs_one_apply_per_child_and_status_writes_at_most_once_a_second(
    namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess
) -> None:
    with audit_log.counting(namespace.name) as counts:
        started = time.monotonic()
        namespace.create_stack()
        namespace.wait_until_ready()
        elapsed = time.monotonic() - started

    assert without_status_writes(counts) == ONE_APPLY_PER_CHILD, "no read: the apply itself finds a missing object"
    assert 1 <= counts[STATUS_WRITE] <= 2 + int(elapsed), "one at once, then one a second during the rollout"
    assert len(namespace.status()["resources"]) == CHILD_COUNT


def test_edit_costs_one_apply_per_changed_child_and_one_status_write(
    namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess
) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()

    with audit_log.counting(namespace.name) as counts:
        namespace.edit_stack(service={"metadata": {"annotations": {"a": "b"}}})
        eventually(lambda: namespace.get("Service", "shop")["metadata"]["annotations"]["a"] == "b")
        namespace.wait_until_ready()

    assert counts == {"patch services 200": 1, STATUS_WRITE: 1}


def test_edit_that_changes_no_child_costs_one_status_write(
    namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess
) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()

    with audit_log.counting(namespace.name) as counts:
        namespace.edit_stack(paused=False)
        namespace.wait_until_ready()

    assert set(counts) <= {STATUS_WRITE}
    assert counts[STATUS_WRITE] <= 1


def test_reconcile_without_a_change_costs_no_request(
    namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess
) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()

    with audit_log.counting(namespace.name) as counts:
        namespace.patch("AppStack", "shop", ANNOTATION_CHANGE)
        namespace.patch("Service", "shop", ANNOTATION_CHANGE)

    assert counts == {}


def test_operator_restart_costs_no_request(
    namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess
) -> None:
    for name in ("shop", "cart"):
        namespace.create_stack(name)
        namespace.wait_until_ready(name)
    audit_log.wait_until_quiet(namespace.name)
    before = len(audit_log.object_requests())

    assert operator.stop() == 0
    operator.start()

    with audit_log.counting(namespace.name) as counts:
        namespace.patch("AppStack", "shop", ANNOTATION_CHANGE)
    assert counts == {}
    assert audit_log.object_requests()[before:] == [], "no object is read or written alone, in any namespace"


def test_drift_costs_one_apply(namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()
    name = namespace.get("Service", "shop")["metadata"]["labels"]["app.kubernetes.io/name"]

    with audit_log.counting(namespace.name) as counts:
        namespace.patch("Service", "shop", {"metadata": {"labels": {"app.kubernetes.io/name": "other"}}})
        eventually(lambda: namespace.get("Service", "shop")["metadata"]["labels"]["app.kubernetes.io/name"] == name)

    assert counts == {"patch services 200": 1}


def test_drift_while_the_operator_is_stopped_costs_one_apply(
    namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess
) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()
    audit_log.wait_until_quiet(namespace.name)

    operator.stop()
    with audit_log.counting(namespace.name) as counts:
        namespace.patch("Service", "shop", {"spec": {"selector": {"appstack.dev/stack": "other"}}})
        operator.start()
        eventually(lambda: namespace.get("Service", "shop")["spec"]["selector"]["appstack.dev/stack"] == "shop")

    assert counts == {"patch services 200": 1}


def test_deletion_costs_no_request(namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()

    with audit_log.counting(namespace.name) as counts:
        namespace.delete("AppStack", "shop")
        eventually(lambda: not namespace.exists("Deployment", "shop"))
        eventually(lambda: not namespace.exists("Service", "shop"))

    assert counts == {}

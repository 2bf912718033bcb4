"""Readiness, replica counts and terminal states of each kind of workload."""

from __future__ import annotations

from typing import Any

import pytest

from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child
from appstack.status.conditions import ConditionSeverity
from appstack.status.readiness import READINESS, REPLICA_COUNTS, ReplicaCount, terminal_state

READY, RECONCILING, STALLED = ConditionSeverity.READY, ConditionSeverity.RECONCILING, ConditionSeverity.STALLED
STATEFUL_SET = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
DAEMON_SET = {"observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2}


def _true_condition(condition_type: str, **fields: str) -> dict[str, Any]:
    return {"conditions": [{"type": condition_type, "status": "True", **fields}]}


@pytest.mark.parametrize(
    ("kind", "sentence", "spec", "status", "severity"),
    [
        ("StatefulSet", "all pods available", {"replicas": 3}, STATEFUL_SET, READY),
        (
            "StatefulSet",
            "generation not observed",
            {"replicas": 3},
            STATEFUL_SET | {"observedGeneration": 1},
            RECONCILING,
        ),
        ("StatefulSet", "partly updated", {"replicas": 3}, STATEFUL_SET | {"updatedReplicas": 1}, RECONCILING),
        ("StatefulSet", "one pod unavailable", {"replicas": 3}, STATEFUL_SET | {"availableReplicas": 2}, RECONCILING),
        ("StatefulSet", "one surplus pod", {"replicas": 2}, STATEFUL_SET | {"availableReplicas": 2}, RECONCILING),
        (
            "StatefulSet",
            "pods below the partition not updated",
            {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}},
            STATEFUL_SET | {"updatedReplicas": 1},
            READY,
        ),
        (
            "StatefulSet",
            "update strategy OnDelete",
            {"replicas": 3, "updateStrategy": {"type": "OnDelete"}},
            STATEFUL_SET | {"updatedReplicas": 0},
            READY,
        ),
        ("DaemonSet", "all pods available", {}, DAEMON_SET, READY),
        ("DaemonSet", "no eligible node", {}, {"observedGeneration": 2}, READY),
        ("DaemonSet", "partly updated", {}, DAEMON_SET | {"updatedNumberScheduled": 1}, RECONCILING),
        ("DaemonSet", "one pod unavailable", {}, DAEMON_SET | {"numberAvailable": 1}, RECONCILING),
        ("Job", "active", {}, {"active": 1}, RECONCILING),
        ("Job", "completed", {}, _true_condition("Complete"), READY),
        ("Job", "failed", {}, _true_condition("Failed", reason="BackoffLimitExceeded"), STALLED),
        ("Job", "suspended", {}, _true_condition("Suspended"), RECONCILING),
        ("CronJob", "never scheduled", {}, {}, READY),
        ("CronJob", "scheduled before", {}, {"lastScheduleTime": "2026-11-21T08:00:00Z"}, READY),
        ("Pod", "pending", {}, {"phase": "Pending"}, RECONCILING),
        ("Pod", "ready", {}, {"phase": "Running", **_true_condition("Ready")}, READY),
        ("Pod", "completed", {}, {"phase": "Succeeded"}, READY),
        ("Pod", "failed", {}, {"phase": "Failed"}, STALLED),
    ],
)
def test_readiness_follows_the_status_of_the_workload(
    kind: str, sentence: str, spec: dict[str, Any], status: dict[str, Any], severity: ConditionSeverity
) -> None:
    child = Child(Ref("x/v1", kind, "team", "shop"), "1", "1", "shop", generation=2, spec=spec, status=status)

    assert severity == READINESS[kind](child).severity, sentence


@pytest.mark.parametrize(
    ("kind", "status", "count"),
    [
        ("Deployment", {"replicas": 3, "readyReplicas": 1}, ReplicaCount(3, 1)),
        ("StatefulSet", {"replicas": 2}, ReplicaCount(2, 0)),
        ("DaemonSet", {"desiredNumberScheduled": 2, "numberReady": 1}, ReplicaCount(2, 1)),
        ("Job", {"active": 2, "ready": 1, "succeeded": 3}, ReplicaCount(2, 1)),
        ("CronJob", {"active": [{}, {}]}, ReplicaCount(2, 0)),
        ("Pod", {"phase": "Running", **_true_condition("Ready")}, ReplicaCount(1, 1)),
        ("Pod", {"phase": "Pending"}, ReplicaCount(1, 0)),
        ("Pod", {"phase": "Succeeded"}, ReplicaCount(0, 0)),
    ],
)
def test_replica_counts_follow_the_status_of_the_workload(
    kind: str, status: dict[str, Any], count: ReplicaCount
) -> None:
    assert count == REPLICA_COUNTS[kind](status)


@pytest.mark.parametrize(
    ("kind", "status", "end"),
    [
        ("Job", _true_condition("Complete"), "Completed"),
        ("Job", _true_condition("Failed"), "Failed"),
        ("Job", _true_condition("FailureTarget"), None),  # its pods are still terminating
        ("Pod", {"phase": "Succeeded"}, "Completed"),
        ("Pod", {"phase": "Failed"}, "Failed"),
        ("Pod", {"phase": "Running"}, None),
        ("Deployment", _true_condition("Complete"), None),
    ],
)
def test_terminal_state_is_that_of_finished_jobs_and_pods(kind: str, status: dict[str, Any], end: str | None) -> None:
    assert end == terminal_state(kind, status)

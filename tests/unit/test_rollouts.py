"""How far each kind of workload is, and how many pods it has."""

from __future__ import annotations

from typing import Any

import pytest

from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child
from appstack.status.conditions import ConditionSeverity
from appstack.status.readiness import READINESS, REPLICA_COUNTS, ReplicaCount, ended

READY, BUSY, STUCK = ConditionSeverity.READY, ConditionSeverity.RECONCILING, ConditionSeverity.STALLED
SET = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
EACH = {"observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2}


def _is(kind: str, **more: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": "True", **more}]}


@pytest.mark.parametrize(
    ("kind", "sentence", "spec", "status", "severity"),
    [
        ("StatefulSet", "all is well", {"replicas": 3}, SET, READY),
        ("StatefulSet", "not looked at yet", {"replicas": 3}, SET | {"observedGeneration": 1}, BUSY),
        ("StatefulSet", "half updated", {"replicas": 3}, SET | {"updatedReplicas": 1}, BUSY),
        ("StatefulSet", "one is not available", {"replicas": 3}, SET | {"availableReplicas": 2}, BUSY),
        ("StatefulSet", "one too many", {"replicas": 2}, SET | {"availableReplicas": 2}, BUSY),
        (
            "StatefulSet",
            "what lies below the partition stays",
            {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}},
            SET | {"updatedReplicas": 1},
            READY,
        ),
        (
            "StatefulSet",
            "what is updated by hand stays",
            {"replicas": 3, "updateStrategy": {"type": "OnDelete"}},
            SET | {"updatedReplicas": 0},
            READY,
        ),
        ("DaemonSet", "all is well", {}, EACH, READY),
        ("DaemonSet", "no node takes one", {}, {"observedGeneration": 2}, READY),
        ("DaemonSet", "half updated", {}, EACH | {"updatedNumberScheduled": 1}, BUSY),
        ("DaemonSet", "one is not available", {}, EACH | {"numberAvailable": 1}, BUSY),
        ("Job", "at work", {}, {"active": 1}, BUSY),
        ("Job", "completed", {}, _is("Complete"), READY),
        ("Job", "failed", {}, _is("Failed", reason="BackoffLimitExceeded"), STUCK),
        ("Job", "suspended", {}, _is("Suspended"), BUSY),
        ("CronJob", "accepted", {}, {}, READY),
        ("CronJob", "it ran", {}, {"lastScheduleTime": "2026-11-21T08:00:00Z"}, READY),
        ("Pod", "not started", {}, {"phase": "Pending"}, BUSY),
        ("Pod", "it serves", {}, {"phase": "Running", **_is("Ready")}, READY),
        ("Pod", "completed", {}, {"phase": "Succeeded"}, READY),
        ("Pod", "failed", {}, {"phase": "Failed"}, STUCK),
    ],
)
def test_how_far_it_is(
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
        ("Pod", {"phase": "Running", **_is("Ready")}, ReplicaCount(1, 1)),
        ("Pod", {"phase": "Pending"}, ReplicaCount(1, 0)),
        ("Pod", {"phase": "Succeeded"}, ReplicaCount(0, 0)),
    ],
)
def test_how_many_pods_it_has(kind: str, status: dict[str, Any], count: ReplicaCount) -> None:
    assert count == REPLICA_COUNTS[kind](status)


@pytest.mark.parametrize(
    ("kind", "status", "end"),
    [
        ("Job", _is("Complete"), "Completed"),
        ("Job", _is("Failed"), "Failed"),
        ("Job", _is("FailureTarget"), None),  # its pods are still at work
        ("Pod", {"phase": "Succeeded"}, "Completed"),
        ("Pod", {"phase": "Failed"}, "Failed"),
        ("Pod", {"phase": "Running"}, None),
        ("Deployment", _is("Complete"), None),
    ],
)
def test_how_it_ended(kind: str, status: dict[str, Any], end: str | None) -> None:
    assert end == ended(kind, status)

"""Readiness of a workload and its replica counts, from its own status: one function per kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from appstack.k8s.observed import Child, TerminalState
from appstack.status.conditions import (
    ReadyResult,
    deadline_exceeded,
    progressing,
    ready,
    replica_failure,
    workload_failed,
)


def deployment(child: Child) -> ReadyResult:
    """Return the readiness of a Deployment, by the rules of `kubectl rollout status`."""
    status = child.status
    desired = child.spec.get("replicas", 1)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    outdated = status.get("replicas", 0) - updated
    if status.get("observedGeneration", 0) < child.generation:
        return progressing("The Deployment controller has not observed this revision yet")
    failure = _condition(status, "ReplicaFailure")
    failed = failure.get("status") == "True"  # the diagnosis has the cause
    if _condition(status, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        return deadline_exceeded(f"{_of(available, desired, 'available')}, and no progress within the deadline")
    if updated < desired:
        return (replica_failure if failed else progressing)(_of(updated, desired, "of this revision"))
    if available == desired and outdated <= 0:
        return ready(_of(available, desired, "available"))
    remaining = f", {_count(outdated, 'pod')} of the old revision still terminating" if outdated > 0 else ""
    return progressing(f"{_of(available, desired, 'available')}{remaining}")


def stateful_set(child: Child) -> ReadyResult:
    """Return the readiness of a StatefulSet; pods below its partition keep the old revision on purpose."""
    status = child.status
    desired = child.spec.get("replicas", 1)
    strategy = child.spec.get("updateStrategy") or {}
    partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if status.get("observedGeneration", 0) < child.generation:
        return progressing("The StatefulSet controller has not observed this revision yet")
    if strategy.get("type") != "OnDelete" and updated < desired - min(partition, desired):
        return progressing(_of(updated, desired - partition, "of this revision"))
    if available == desired and status.get("replicas", 0) == desired:
        return ready(_of(available, desired, "available"))
    return progressing(_of(available, desired, "available"))


def daemon_set(child: Child) -> ReadyResult:
    """Return the readiness of a DaemonSet: it needs an available pod on each eligible node."""
    status = child.status
    desired = status.get("desiredNumberScheduled", 0)
    updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    if status.get("observedGeneration", 0) < child.generation:
        return progressing("The DaemonSet controller has not observed this revision yet")
    if (child.spec.get("updateStrategy") or {}).get("type") != "OnDelete" and updated < desired:
        return progressing(_of(updated, desired, "of this revision"))
    return (ready if available >= desired else progressing)(_of(available, desired, "available"))


def job(child: Child) -> ReadyResult:
    """Return the readiness of a Job: it is ready once it completed."""
    status = child.status
    failed = _condition(status, "Failed")
    if _condition(status, "Complete").get("status") == "True":
        return ready(f"Completed {_at(status.get('completionTime'))}")
    if failed.get("status") == "True":
        return workload_failed(f"The Job failed: {failed.get('reason', '')}: {failed.get('message', '')}")
    if _condition(status, "Suspended").get("status") == "True":
        return progressing("The Job is suspended")
    failures = f", {_count(status['failed'], 'pod')} failed" if status.get("failed") else ""
    return progressing(f"{_count(status.get('active', 0), 'pod')} active{failures}")


def cron_job(child: Child) -> ReadyResult:
    """Return the readiness of a CronJob: it is always ready, and its message has the times of its last runs."""
    status = child.status
    if not status.get("lastScheduleTime"):
        return ready("Scheduled; no run yet")
    success = status.get("lastSuccessfulTime")
    details = f", last success {_at(success)}" if success else ", no run has succeeded yet"
    return ready(f"Last run {_at(status['lastScheduleTime'])}{details}")


def bare_pod(child: Child) -> ReadyResult:
    """Return the readiness of a Pod: it is ready while its Ready condition is True, and once it completed."""
    phase = child.status.get("phase", "Pending")
    if phase == "Succeeded":
        return ready("Completed")
    if phase == "Failed":
        return workload_failed(f"The pod failed: {child.status.get('reason') or 'a container ended with an error'}")
    if _condition(child.status, "Ready").get("status") == "True":
        return ready("The pod is ready")
    return progressing(f"The pod is {phase}")


def terminal_state(kind: str, status: Mapping[str, Any]) -> TerminalState | None:
    """Return the terminal state of a finished Job or Pod; None for an unfinished one and for other kinds."""
    if kind == "Job":
        by_condition = (("Complete", TerminalState.COMPLETED), ("Failed", TerminalState.FAILED))
        return next((end for name, end in by_condition if _condition(status, name).get("status") == "True"), None)
    if kind == "Pod":
        return {"Succeeded": TerminalState.COMPLETED, "Failed": TerminalState.FAILED}.get(status.get("phase", ""))
    return None


READINESS: Final[Mapping[str, Callable[[Child], ReadyResult]]] = {
    "Deployment": deployment,
    "StatefulSet": stateful_set,
    "DaemonSet": daemon_set,
    "Job": job,
    "CronJob": cron_job,
    "Pod": bare_pod,
}
"""Readiness functions by kind of workload."""


@dataclass(frozen=True, slots=True)
class ReplicaCount:
    """Number of a workload's pods, and of those that are ready."""

    total: int = 0
    ready: int = 0


def _from_fields(total: str, ready: str) -> Callable[[Mapping[str, Any]], ReplicaCount]:
    """Return a function that reads the counts from two fields of a status."""
    return lambda status: ReplicaCount(status.get(total) or 0, status.get(ready) or 0)


def _from_pod(status: Mapping[str, Any]) -> ReplicaCount:
    alive = status.get("phase") not in ("Succeeded", "Failed")
    return ReplicaCount(int(alive), int(alive and _condition(status, "Ready").get("status") == "True"))


REPLICA_COUNTS: Final[Mapping[str, Callable[[Mapping[str, Any]], ReplicaCount]]] = {
    "Deployment": _from_fields("replicas", "readyReplicas"),
    "StatefulSet": _from_fields("replicas", "readyReplicas"),
    "DaemonSet": _from_fields("desiredNumberScheduled", "numberReady"),
    "Job": _from_fields("active", "ready"),
    "CronJob": lambda status: ReplicaCount(len(status.get("active") or ())),
    "Pod": _from_pod,
}
"""Functions from a workload's status to its replica counts, by kind."""


def _at(time: str | None) -> str:
    return f"at {time}" if time else ""


def _condition(status: Mapping[str, Any], condition_type: str) -> Mapping[str, Any]:
    return next((each for each in status.get("conditions") or () if each.get("type") == condition_type), {})


def _of(number: int, total: int, state: str) -> str:
    return f"{number} of {_count(total, 'pod')} {'is' if 1 in (number, total) else 'are'} {state}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

"""How far a workload is, told by its own status: one function per kind. PURE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from appstack.k8s.observed import Child, TerminalState
from appstack.status.conditions import ReadyResult, deadline_exceeded, ended_badly, progressing, ready, replica_failure


def deployment(child: Child) -> ReadyResult:
    """Return how far a Deployment is, as `kubectl rollout status` reads it."""
    status = child.status
    wanted = child.spec.get("replicas", 1)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    former = status.get("replicas", 0) - updated
    if status.get("observedGeneration", 0) < child.generation:
        return progressing("The Deployment's controller has not looked at this revision yet")
    failure = _condition(status, "ReplicaFailure")
    told = f": {failure.get('message', '')}" if failure.get("status") == "True" else ""
    if _condition(status, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        return deadline_exceeded(f"{_of(available, wanted, 'available')}, and no progress within the deadline{told}")
    if updated < wanted:
        return (replica_failure if told else progressing)(f"{_of(updated, wanted, 'of this revision')}{told}")
    if available == wanted and former <= 0:
        return ready(_of(available, wanted, "available"))
    ending = f", {_count(former, 'pod')} of the former revision still to end" if former > 0 else ""
    return progressing(f"{_of(available, wanted, 'available')}{ending}")


def stateful_set(child: Child) -> ReadyResult:
    """Return how far a StatefulSet is; what lies below its partition stays at the former revision on purpose."""
    status = child.status
    wanted = child.spec.get("replicas", 1)
    strategy = child.spec.get("updateStrategy") or {}
    partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if status.get("observedGeneration", 0) < child.generation:
        return progressing("The StatefulSet's controller has not looked at this revision yet")
    if strategy.get("type") != "OnDelete" and updated < wanted - min(partition, wanted):
        return progressing(_of(updated, wanted - partition, "of this revision"))
    if available == wanted and status.get("replicas", 0) == wanted:
        return ready(_of(available, wanted, "available"))
    return progressing(_of(available, wanted, "available"))


def daemon_set(child: Child) -> ReadyResult:
    """Return how far a DaemonSet is: a pod for each node that takes one."""
    status = child.status
    wanted = status.get("desiredNumberScheduled", 0)
    updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    if status.get("observedGeneration", 0) < child.generation:
        return progressing("The DaemonSet's controller has not looked at this revision yet")
    if (child.spec.get("updateStrategy") or {}).get("type") != "OnDelete" and updated < wanted:
        return progressing(_of(updated, wanted, "of this revision"))
    return (ready if available >= wanted else progressing)(_of(available, wanted, "available"))


def job(child: Child) -> ReadyResult:
    """Return how far a Job is: Ready once it completed."""
    status = child.status
    failed = _condition(status, "Failed")
    if _condition(status, "Complete").get("status") == "True":
        return ready(f"Completed {_at(status.get('completionTime'))}")
    if failed.get("status") == "True":
        return ended_badly(f"The Job failed: {failed.get('reason', '')}: {failed.get('message', '')}")
    if _condition(status, "Suspended").get("status") == "True":
        return progressing("The Job is suspended")
    tried = f", {_count(status['failed'], 'pod')} failed" if status.get("failed") else ""
    return progressing(f"{_count(status.get('active', 0), 'pod')} at work{tried}")


def cron_job(child: Child) -> ReadyResult:
    """Return that a CronJob was accepted, and when it last ran."""
    status = child.status
    if not status.get("lastScheduleTime"):
        return ready("Scheduled; it has not run yet")
    success = status.get("lastSuccessfulTime")
    told = f", last success {_at(success)}" if success else ", no run has succeeded yet"
    return ready(f"Last run {_at(status['lastScheduleTime'])}{told}")


def bare_pod(child: Child) -> ReadyResult:
    """Return how far a Pod is: Ready while it serves, and once it completed."""
    phase = child.status.get("phase", "Pending")
    if phase == "Succeeded":
        return ready("Completed")
    if phase == "Failed":
        return ended_badly(f"The pod failed: {child.status.get('reason') or 'a container ended with an error'}")
    if _condition(child.status, "Ready").get("status") == "True":
        return ready("The pod is ready")
    return progressing(f"The pod is {phase}")


def ended(kind: str, status: Mapping[str, Any]) -> TerminalState | None:
    """Return how a Job or Pod came to its end; None while it goes on, and of other kinds."""
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
"""By kind of workload."""


@dataclass(frozen=True, slots=True)
class ReplicaCount:
    """How many pods a workload has, and how many of them are ready."""

    pods: int = 0
    ready: int = 0


def _counted(pods: str, ready: str) -> Callable[[Mapping[str, Any]], ReplicaCount]:
    return lambda status: ReplicaCount(status.get(pods) or 0, status.get(ready) or 0)


def _pod_count(status: Mapping[str, Any]) -> ReplicaCount:
    alive = status.get("phase") not in ("Succeeded", "Failed")
    return ReplicaCount(int(alive), int(alive and _condition(status, "Ready").get("status") == "True"))


REPLICA_COUNTS: Final[Mapping[str, Callable[[Mapping[str, Any]], ReplicaCount]]] = {
    "Deployment": _counted("replicas", "readyReplicas"),
    "StatefulSet": _counted("replicas", "readyReplicas"),
    "DaemonSet": _counted("desiredNumberScheduled", "numberReady"),
    "Job": _counted("active", "ready"),
    "CronJob": lambda status: ReplicaCount(len(status.get("active") or ())),
    "Pod": _pod_count,
}
"""By kind of workload, of its status."""


def _at(time: str | None) -> str:
    return f"at {time}" if time else ""


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((c for c in status.get("conditions") or () if c.get("type") == kind), {})


def _of(some: int, wanted: int, what: str) -> str:
    return f"{some} of {_count(wanted, 'pod')} {'is' if 1 in (some, wanted) else 'are'} {what}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

"""How far a workload is, told by its own status: one function per kind. PURE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from appstack.conditions import Outcome, deadline_exceeded, progressing, ready, replica_failure
from appstack.observed import Child


def deployment(child: Child) -> Outcome:
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


ROLLOUTS: Final[Mapping[str, Callable[[Child], Outcome]]] = {"Deployment": deployment}
"""By kind of workload."""


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((c for c in status.get("conditions") or () if c.get("type") == kind), {})


def _of(some: int, wanted: int, what: str) -> str:
    return f"{some} of {_count(wanted, 'pod')} {'is' if 1 in (some, wanted) else 'are'} {what}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

"""Ready, Reconciling and Stalled, as kstatus defines them: one outcome decides all three. PURE.

Why Reconciling and Stalled are left out while they are not True: docs/decisions/0007-conditions.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final

from appstack.api.status import Condition
from appstack.errors import ApiRejected, ApiUnavailable, KindNotServed, OwnershipConflict, Severity, ValidationIssue
from appstack.k8s.metadata import Ref
from appstack.k8s.text import listed, truncate
from appstack.planning.drift import CONTESTED


class ConditionSeverity(IntEnum):
    """What an outcome means, the worst last."""

    READY = 0
    RECONCILING = 1  # on its way: nobody needs to act yet
    STALLED = 2  # it will not get better by itself


_MOST_WAITING: Final = 300  # characters
_ABNORMAL: Mapping[ConditionSeverity, str] = {
    ConditionSeverity.RECONCILING: "Reconciling",
    ConditionSeverity.STALLED: "Stalled",
}


@dataclass(frozen=True, slots=True)
class ReadyResult:
    """What a look at a stack came to. Build one with the functions below, one for each outcome."""

    severity: ConditionSeverity
    reason: str
    message: str


def ready(message: str) -> ReadyResult:
    """Everything is applied, and the workload works."""
    return ReadyResult(ConditionSeverity.READY, "Ready", message)


def progressing(message: str) -> ReadyResult:
    """The workload is on its way to what the spec says."""
    return ReadyResult(ConditionSeverity.RECONCILING, "Progressing", message)


def replacing(message: str) -> ReadyResult:
    """A Job or Pod is deleted, and made anew as soon as it is gone."""
    return ReadyResult(ConditionSeverity.RECONCILING, "Replaced", message)


def missing_kind(error: KindNotServed) -> ReadyResult:
    """The cluster has no such kind of object."""
    return ReadyResult(ConditionSeverity.STALLED, "MissingKind", str(error))


def replica_failure(message: str) -> ReadyResult:
    """The workload's controller can't make pods; it goes on trying."""
    return ReadyResult(ConditionSeverity.RECONCILING, "ReplicaFailure", message)


def retrying(error: ApiUnavailable) -> ReadyResult:
    """The API server could not answer; AppStack goes on trying."""
    return ReadyResult(ConditionSeverity.RECONCILING, "Unavailable", f"{error}; tried again soon")


def contested(message: str) -> ReadyResult:
    """Somebody fights for a child; AppStack puts it right again a little later each time."""
    return ReadyResult(ConditionSeverity.RECONCILING, CONTESTED, message)


def ended_badly(message: str) -> ReadyResult:
    """A Job or Pod came to its end, and not to a good one: a changed spec runs anew."""
    return ReadyResult(ConditionSeverity.STALLED, "Failed", message)


def deadline_exceeded(message: str) -> ReadyResult:
    """The workload made no progress for as long as it may."""
    return ReadyResult(ConditionSeverity.STALLED, "ProgressDeadlineExceeded", message)


def invalid_spec(issues: Iterable[ValidationIssue]) -> ReadyResult:
    """The spec can't be rendered."""
    return ReadyResult(ConditionSeverity.STALLED, "InvalidSpec", listed([str(issue) for issue in issues]))


def foreign_object(error: OwnershipConflict) -> ReadyResult:
    """A child's name is taken by an object of somebody else."""
    return ReadyResult(ConditionSeverity.STALLED, "ForeignObject", str(error))


def refused(error: ApiRejected) -> ReadyResult:
    """The API server will not take a child as it is rendered."""
    return ReadyResult(ConditionSeverity.STALLED, "Refused", str(error))


def failed(error: Exception) -> ReadyResult:
    """Something else went wrong while a child was applied; AppStack goes on trying."""
    return ReadyResult(ConditionSeverity.RECONCILING, "Failed", f"{error}; tried again soon")


def paused(outcome: ReadyResult, waiting: Sequence[Ref]) -> ReadyResult:
    """Return the same outcome of a stack for which nothing is written, and which objects wait for it."""
    told = f"{outcome.message}; paused: AppStack writes nothing"
    if waiting:
        names = listed([f"{ref.kind} {ref.name}" for ref in waiting], limit=_MOST_WAITING)
        told = f"{told}, and what has changed waits: {names}"
    return replace(outcome, reason="Paused", message=told)


def most_severe(outcomes: Sequence[ReadyResult]) -> ReadyResult:
    """Return the outcome that decides: the worst, with the messages of all that share its reason."""
    chosen = max(outcomes, key=lambda outcome: outcome.severity)
    same = [o.message for o in outcomes if (o.severity, o.reason) == (chosen.severity, chosen.reason)]
    return replace(chosen, message=listed(same))


def with_warnings(outcome: ReadyResult, issues: Iterable[ValidationIssue]) -> ReadyResult:
    """Return the outcome with the warnings behind its message."""
    warnings = [str(issue) for issue in issues if issue.severity is Severity.WARNING]
    if not warnings:
        return outcome
    return replace(outcome, message=truncate(f"{outcome.message}. Warning: {listed(warnings)}"))


def conditions(
    outcome: ReadyResult, *, before: Iterable[Mapping[str, Any]], generation: int, now: str
) -> tuple[Condition, ...]:
    """Return Ready, and Reconciling or Stalled where one of them holds, each since when it is so."""
    former = {condition.get("type"): condition for condition in before}
    is_ready = outcome.severity is ConditionSeverity.READY
    states = {"Ready": "True" if is_ready else "False"}
    if not is_ready:
        states[_ABNORMAL[outcome.severity]] = "True"
    return tuple(
        Condition.model_validate(
            {
                "type": kind,
                "status": state,
                "reason": outcome.reason,
                "message": truncate(outcome.message),
                "lastTransitionTime": _since(former.get(kind), state, now),
                "observedGeneration": generation,
            }
        )
        for kind, state in states.items()
    )


def _since(former: Mapping[str, Any] | None, state: str, now: str) -> str:
    if former is None or former.get("status") != state:
        return now
    return str(former.get("lastTransitionTime") or now)

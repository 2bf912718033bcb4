"""Ready, Reconciling and Stalled, as kstatus defines them: one outcome decides all three. PURE.

Why Reconciling and Stalled are left out while they are not True: docs/decisions/0007-conditions.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final

from appstack.api.status import Condition
from appstack.errors import Fault, ForeignObject, MissingKind, Refused, Severity, Unavailable
from appstack.k8s.metadata import Ref
from appstack.k8s.text import clipped, listed
from appstack.planning.drift import CONTESTED


class Verdict(IntEnum):
    """What an outcome means, the worst last."""

    READY = 0
    RECONCILING = 1  # on its way: nobody needs to act yet
    STALLED = 2  # it will not get better by itself


_MOST_WAITING: Final = 300  # characters
_ABNORMAL: Mapping[Verdict, str] = {Verdict.RECONCILING: "Reconciling", Verdict.STALLED: "Stalled"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a look at a stack came to. Build one with the functions below, one for each outcome."""

    verdict: Verdict
    reason: str
    message: str


def ready(message: str) -> Outcome:
    """Everything is applied, and the workload works."""
    return Outcome(Verdict.READY, "Ready", message)


def progressing(message: str) -> Outcome:
    """The workload is on its way to what the spec says."""
    return Outcome(Verdict.RECONCILING, "Progressing", message)


def replacing(message: str) -> Outcome:
    """A Job or Pod is deleted, and made anew as soon as it is gone."""
    return Outcome(Verdict.RECONCILING, "Replaced", message)


def missing_kind(error: MissingKind) -> Outcome:
    """The cluster has no such kind of object."""
    return Outcome(Verdict.STALLED, "MissingKind", str(error))


def replica_failure(message: str) -> Outcome:
    """The workload's controller can't make pods; it goes on trying."""
    return Outcome(Verdict.RECONCILING, "ReplicaFailure", message)


def retrying(error: Unavailable) -> Outcome:
    """The API server could not answer; AppStack goes on trying."""
    return Outcome(Verdict.RECONCILING, "Unavailable", f"{error}; tried again soon")


def contested(message: str) -> Outcome:
    """Somebody fights for a child; AppStack puts it right again a little later each time."""
    return Outcome(Verdict.RECONCILING, CONTESTED, message)


def ended_badly(message: str) -> Outcome:
    """A Job or Pod came to its end, and not to a good one: a changed spec runs anew."""
    return Outcome(Verdict.STALLED, "Failed", message)


def deadline_exceeded(message: str) -> Outcome:
    """The workload made no progress for as long as it may."""
    return Outcome(Verdict.STALLED, "ProgressDeadlineExceeded", message)


def invalid_spec(faults: Iterable[Fault]) -> Outcome:
    """The spec can't be rendered."""
    return Outcome(Verdict.STALLED, "InvalidSpec", listed([str(fault) for fault in faults]))


def foreign_object(error: ForeignObject) -> Outcome:
    """A child's name is taken by an object of somebody else."""
    return Outcome(Verdict.STALLED, "ForeignObject", str(error))


def refused(error: Refused) -> Outcome:
    """The API server will not take a child as it is rendered."""
    return Outcome(Verdict.STALLED, "Refused", str(error))


def failed(error: Exception) -> Outcome:
    """Something else went wrong while a child was applied; AppStack goes on trying."""
    return Outcome(Verdict.RECONCILING, "Failed", f"{error}; tried again soon")


def paused(outcome: Outcome, waiting: Sequence[Ref]) -> Outcome:
    """Return the same outcome of a stack for which nothing is written, and which objects wait for it."""
    told = f"{outcome.message}; paused: AppStack writes nothing"
    if waiting:
        names = listed([f"{ref.kind} {ref.name}" for ref in waiting], limit=_MOST_WAITING)
        told = f"{told}, and what has changed waits: {names}"
    return replace(outcome, reason="Paused", message=told)


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome that decides: the worst, with the messages of all that share its reason."""
    chosen = max(outcomes, key=lambda outcome: outcome.verdict)
    same = [o.message for o in outcomes if (o.verdict, o.reason) == (chosen.verdict, chosen.reason)]
    return replace(chosen, message=listed(same))


def warned(outcome: Outcome, faults: Iterable[Fault]) -> Outcome:
    """Return the outcome with the warnings behind its message."""
    warnings = [str(fault) for fault in faults if fault.severity is Severity.WARNING]
    if not warnings:
        return outcome
    return replace(outcome, message=clipped(f"{outcome.message}. Warning: {listed(warnings)}"))


def conditions(
    outcome: Outcome, *, before: Iterable[Mapping[str, Any]], generation: int, now: str
) -> tuple[Condition, ...]:
    """Return Ready, and Reconciling or Stalled where one of them holds, each since when it is so."""
    former = {condition.get("type"): condition for condition in before}
    is_ready = outcome.verdict is Verdict.READY
    states = {"Ready": "True" if is_ready else "False"}
    if not is_ready:
        states[_ABNORMAL[outcome.verdict]] = "True"
    return tuple(
        Condition.model_validate(
            {
                "type": kind,
                "status": state,
                "reason": outcome.reason,
                "message": clipped(outcome.message),
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

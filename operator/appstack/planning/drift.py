"""Drift back-off: delay between repairs of a child that another client changes or deletes repeatedly.

The first repairs are immediate. The delay before each further one is twice the previous delay; the reasons are in
docs/decisions/0017. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from appstack.api.status import Problem
from appstack.k8s import managed_fields
from appstack.k8s.metadata import STACK_LABEL, Manifest, Ref
from appstack.k8s.observed import Child
from appstack.k8s.text import truncate
from appstack.planning.changes import Action, Cause, Change

DRIFT_REASON: Final = "Contested"
"""The reason of recurring drift in conditions, problems and events."""

IMMEDIATE_REPAIRS: Final = 8  # repairs of a child before the first delay
INITIAL_BACKOFF_SECONDS: Final = 1.0
MAX_BACKOFF_SECONDS: Final = 120.0
RESET_AFTER_SECONDS: Final = 300.0  # without a repair, until the back-off of a child is reset
_MAX_DOUBLINGS: Final = 30  # more would only overflow: the delay has reached its maximum long before
_MAX_FIELDS_SHOWN: Final = 3

_CHANGED_HINT: Final = (
    "Stop the client that changes it, or set the value that it needs in the AppStack; an edit of the AppStack is "
    "applied at once"
)
_DELETED_HINT: Final = (
    "Stop the client that deletes it: the audit log of the API server names it; an edit of the AppStack is applied "
    "at once"
)


@dataclass(frozen=True, slots=True)
class DriftRecord:
    """The recent repairs of one child."""

    repairs: int
    first_repair_at: float
    last_repair_at: float
    cause: Cause  # of the last repair

    @property
    def is_persistent(self) -> bool:
        """Whether drift recurs so often that repairs are delayed and status reports it."""
        return self.repairs >= IMMEDIATE_REPAIRS

    @property
    def next_repair_at(self) -> float:
        """The earliest time of the next repair."""
        if not self.is_persistent:
            return self.last_repair_at
        doublings = min(self.repairs - IMMEDIATE_REPAIRS, _MAX_DOUBLINGS)
        return self.last_repair_at + min(MAX_BACKOFF_SECONDS, INITIAL_BACKOFF_SECONDS * 2.0**doublings)

    def is_backing_off(self, now: float) -> bool:
        """Return whether the next repair is delayed; never if the clock was set back since the last repair."""
        return self.last_repair_at <= now < self.next_repair_at

    def is_expired(self, now: float) -> bool:
        """Return whether the last repair is so long ago that the back-off is reset."""
        return not self.last_repair_at <= now < self.last_repair_at + RESET_AFTER_SECONDS


def drift_cause(child: Child | None, manifest: Manifest | None) -> Cause:
    """Return why a child differs from its manifest, as far as managedFields show which client changed it."""
    if child is None:
        return Cause(f"was deleted, or lost the label {STACK_LABEL}", _DELETED_HINT)
    for other in child.other_managers:
        paths = [path for path in other.fields if managed_fields.is_set(manifest or {}, path)]
        if paths:
            shown = ", ".join(managed_fields.format_path(path) for path in paths[:_MAX_FIELDS_SHOWN])
            more = ", …" if len(paths) > _MAX_FIELDS_SHOWN else ""
            return Cause(f"was changed by {other.manager} ({shown}{more})", _CHANGED_HINT)
    return Cause("was changed by an unknown client", _CHANGED_HINT)


@dataclass(frozen=True, slots=True)
class DriftBackoff:
    """Recent repairs of the children of one AppStack. An edit of the AppStack resets them."""

    generation: int = 0
    records: Mapping[Ref, DriftRecord] = field(default_factory=dict)

    def persistent(self, *, generation: int, now: float) -> dict[Ref, DriftRecord]:
        """Return the records of children whose drift is persistent."""
        return {ref: record for ref, record in self._current(generation, now).items() if record.is_persistent}

    def with_repairs(self, causes: Mapping[Ref, Cause], *, generation: int, now: float) -> DriftBackoff:
        """Return the back-off after repairs at `now`, each with the cause of its drift."""
        records = self._current(generation, now)
        for ref, cause in causes.items():
            record = records.get(ref, DriftRecord(0, now, now, cause))
            records[ref] = replace(record, repairs=record.repairs + 1, last_repair_at=now, cause=cause)
        return DriftBackoff(generation, records)

    def _current(self, generation: int, now: float) -> dict[Ref, DriftRecord]:
        """Return the records that an edit has not reset and that have not expired."""
        if generation != self.generation:
            return {}
        return {ref: record for ref, record in self.records.items() if not record.is_expired(now)}


NO_DRIFT: Final = DriftBackoff()
"""The back-off of an AppStack without repairs: most have none, and share this value."""


def requeue_after(records: Mapping[Ref, DriftRecord], changes: Iterable[Change], now: float) -> float | None:
    """Return the seconds until the next repair is due or a record expires, so status changes; None without either."""
    backing_off = {change.ref for change in changes if change.action is Action.BACKING_OFF}
    times = (
        record.next_repair_at if ref in backing_off else record.last_repair_at + RESET_AFTER_SECONDS
        for ref, record in records.items()
    )
    return min((max(0.0, time - now) for time in times), default=None)


def drift_problems(records: Mapping[Ref, DriftRecord], changes: Iterable[Change]) -> tuple[Problem, ...]:
    """Return the problems that status reports for persistent drift, whether repaired by now or backing off."""
    causes = {change.ref: change.cause for change in changes if change.action is Action.BACKING_OFF}
    return tuple(_problem(ref, records[ref], causes.get(ref)) for ref in sorted(records))


def _problem(ref: Ref, record: DriftRecord, cause: Cause | None) -> Problem:
    """Return the problem of one child; `cause` is that of its present drift, None if it is as desired."""
    seconds = max(1, round(record.last_repair_at - record.first_repair_at))
    repairs = f"was repaired {record.repairs} times within {seconds} s"
    if cause is None:
        message = f"{ref.kind} {ref.name} {repairs}; before the last repair it {record.cause.message}"
    else:
        next_repair = datetime.fromtimestamp(record.next_repair_at, UTC).strftime("%H:%M:%SZ")
        message = f"{ref.kind} {ref.name} {cause.message}, after it {repairs}; next repair at {next_repair}"
    hint = (cause or record.cause).hint
    return Problem(resource=f"{ref.kind}/{ref.name}", reason=DRIFT_REASON, message=truncate(message), hint=hint)

"""Children that do not stay as they were applied: how long one rests until it is put right again. PURE.

The first repairs come at once. Then each waits twice as long as the one before; why: docs/decisions/0017. Times are
seconds since the epoch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from appstack.api.status import Problem
from appstack.k8s import managed_fields as fields
from appstack.k8s.metadata import STACK_LABEL, Manifest, Ref
from appstack.k8s.observed import Child
from appstack.k8s.text import truncate
from appstack.planning.changes import Action, Cause, Change

CONTESTED: Final = "Contested"
"""The reason of a child that does not stay as it was applied, in conditions and problems."""

AT_ONCE: Final = 8  # repairs of a child before it rests for the first time
FIRST: Final = 1.0  # seconds
LONGEST: Final = 120.0
QUIET: Final = 300.0  # after so many seconds without a repair the next one comes at once
_SHOWN: Final = 3  # fields that a message names

_CHANGED: Final = (
    "Stop what writes to it, or write what it wants into the AppStack: an edit of that is carried out at once"
)
_GONE: Final = (
    "Stop what deletes it: the API server's audit log tells who; an edit of the AppStack is carried out at once"
)


@dataclass(frozen=True, slots=True)
class DriftRecord:
    """How often a child was put right, and what was wrong with it."""

    times: int
    since: float
    last: float
    cause: Cause

    @property
    def open(self) -> bool:
        """Whether it has to rest, and status tells of it."""
        return self.times >= AT_ONCE

    @property
    def due(self) -> float:
        """When it may be put right again."""
        return self.last + min(LONGEST, FIRST * 2.0 ** min(self.times - AT_ONCE, 30)) if self.open else self.last

    def rests(self, now: float) -> bool:
        """Tell whether it has to wait; a clock that was set back makes nobody wait."""
        return self.last <= now < self.due

    def over(self, now: float) -> bool:
        """Tell whether it has been quiet for so long that it is forgotten."""
        return not self.last <= now < self.last + QUIET


def cause(child: Child | None, manifest: Manifest | None) -> Cause:
    """Return what is wrong with a child that should be as the manifest says, as far as its metadata tell."""
    if child is None:
        return Cause(f"was deleted, or lost the label {STACK_LABEL}", _GONE)
    for other in child.other_managers:
        taken = [path for path in other.fields if fields.sets(manifest or {}, path)]
        if taken:
            named = ", ".join(fields.text(path) for path in taken[:_SHOWN])
            return Cause(f"was changed by {other.manager} ({named}{', …' if len(taken) > _SHOWN else ''})", _CHANGED)
    return Cause("was changed by somebody", _CHANGED)


class DriftBackoff:
    """What was put right of late, by the uid of its stack. An edit of the stack begins anew."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, tuple[int, dict[Ref, DriftRecord]]] = OrderedDict()

    def __len__(self) -> int:
        """How many stacks are remembered."""
        return len(self._held)

    def of(self, uid: str, *, generation: int, now: float) -> dict[Ref, DriftRecord]:
        """Return those of a stack that are open."""
        return {ref: one for ref, one in self._present(uid, generation, now).items() if one.open}

    def repaired(self, uid: str, *, generation: int, causes: Mapping[Ref, Cause], now: float) -> None:
        """Take in that children were put right, each with what was wrong with it."""
        present = self._present(uid, generation, now)
        for ref, found in causes.items():
            former = present.get(ref, DriftRecord(0, now, now, found))
            present[ref] = replace(former, times=former.times + 1, last=now, cause=found)
        self._held[uid] = (generation, present)
        self._held.move_to_end(uid)
        while all(one.over(now) for one in next(iter(self._held.values()))[1].values()):
            self._held.popitem(last=False)

    def _present(self, uid: str, generation: int, now: float) -> dict[Ref, DriftRecord]:
        of, held = self._held.get(uid, (generation, {}))
        return {ref: one for ref, one in held.items() if of == generation and not one.over(now)}


def wake(contests: Mapping[Ref, DriftRecord], changes: Iterable[Change], now: float) -> float | None:
    """Return in how many seconds there is something to do or to tell, after a look; never, when None."""
    resting = {change.ref for change in changes if change.action is Action.BACKING_OFF}
    times = (one.due if ref in resting else one.last + QUIET for ref, one in contests.items())
    return min((max(0.0, when - now) for when in times), default=None)


def contested(contests: Mapping[Ref, DriftRecord], changes: Iterable[Change]) -> tuple[Problem, ...]:
    """Return what status tells of open contests, and of what is not as it should be at this moment."""
    wrong = {change.ref: change.cause for change in changes if change.action is Action.BACKING_OFF}
    return tuple(_problem(ref, contests[ref], wrong.get(ref)) for ref in sorted(contests))


def _problem(ref: Ref, contest: DriftRecord, wrong: Cause | None) -> Problem:
    often = f"put right {contest.times} times within {max(1, round(contest.last - contest.since))} s"
    if wrong is None:
        message = f"{ref.kind} {ref.name} was {often}; last, it {contest.cause.what}"
    else:
        due = datetime.fromtimestamp(contest.due, UTC).strftime("%H:%M:%SZ")
        message = f"{ref.kind} {ref.name} {wrong.what}, after it was {often}; tried again at {due}"
    hint = (wrong or contest.cause).hint
    return Problem(resource=f"{ref.kind}/{ref.name}", reason=CONTESTED, message=truncate(message), hint=hint)

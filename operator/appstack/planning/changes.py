"""What becomes of each child: the one result through log, event, metric and status. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from appstack.errors import AppStackError
from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed, TerminalState


@dataclass(frozen=True, slots=True)
class Applied:
    """The two hashes of a child, as `status.resources` keeps them."""

    ref: Ref
    rendered: str  # digest of what we rendered
    fields: str  # digest of our managed fields after the apply
    ended: TerminalState | None = None  # a Job or Pod came to its end for this rendering: it is not made again
    wish: str = ""  # of a Job or Pod: digest of the author's spec that it is for, however that is rendered


class Action(StrEnum):
    """What became of a child."""

    CREATED = "Created"
    CONFIGURED = "Configured"  # its rendering changed
    REPAIRED = "Repaired"  # somebody had changed what we set
    UNCHANGED = "Unchanged"
    REPLACED = "Replaced"  # deleted, to be made anew as soon as it is gone
    TERMINATING = "Awaited"  # on its way out, and made anew as soon as it is gone
    BACKING_OFF = "Resting"  # not as it should be, and put right a little later: somebody fights for it
    SKIPPED = "Withheld"  # not as it should be, and the stack is paused
    PRUNED = "Pruned"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Cause:
    """What was wrong with a child, and what can be done about it."""

    what: str  # as it follows the child's name in a sentence
    hint: str


@dataclass(frozen=True, slots=True)
class Change:
    """The one result of carrying out a plan's step, through log, event, metric and status."""

    ref: Ref
    action: Action
    applied: Applied | None = None  # of everything but what was pruned or failed without a former record
    error: AppStackError | None = None
    note: str = ""  # why it was replaced
    cause: Cause | None = None  # of what was written, or rests


WRITTEN: Final = frozenset({Action.CREATED, Action.CONFIGURED, Action.REPAIRED})


def only_own_writes(before: Observed, after: Observed, changes: Sequence[Change]) -> bool:
    """Tell whether nothing was seen since `before` but our own writes: another look would find nothing to do."""
    applied = {change.ref: change.applied for change in changes if change.action in WRITTEN}
    if any(change.action not in WRITTEN | {Action.UNCHANGED} for change in changes):
        return False
    if replace(before, children={}) != replace(after, children={}):
        return False
    return after.children.keys() == before.children.keys() | applied.keys() and all(
        _as_applied(child, applied[ref]) if ref in applied else child == before.children[ref]
        for ref, child in after.children.items()
    )


def _as_applied(child: Child, applied: Applied | None) -> bool:
    return applied is not None and child.fields == applied.fields and not child.deleting

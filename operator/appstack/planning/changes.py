"""Change of a child: the result of one step of a plan, for log, event, metric and status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from appstack.api.status import renamed
from appstack.errors import AppStackError
from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed, TerminalState


@dataclass(frozen=True, slots=True)
class Applied:
    """The last apply of a child, as `status.resources` records it."""

    ref: Ref
    rendered: str  # digest of the manifest
    fields: str  # digest of the managed fields after the apply
    ended: TerminalState | None = None  # of a Job or Pod that ended: it is not recreated for the same manifest
    spec_hash: str = ""  # of a Job or Pod: digest of the spec it was created for, whichever way that is rendered


def recorded_children(status: Mapping[str, Any], namespace: str) -> dict[Ref, Applied]:
    """Return the hashes of the applied children, as `status.resources` has them."""
    entries = status.get("resources") or ()
    refs = ((Ref(entry["apiVersion"], entry["kind"], namespace, entry["name"]), entry) for entry in entries)
    return {ref: _applied(ref, entry) for ref, entry in refs}


def _applied(ref: Ref, entry: Mapping[str, Any]) -> Applied:
    ended = TerminalState(entry["ended"]) if entry.get("ended") else None
    return Applied(ref, entry["rendered"], entry["fields"], ended, renamed(dict(entry)).get("specHash", ""))


class Action(StrEnum):
    """The outcome of a step for a child."""

    CREATED = "Created"
    CONFIGURED = "Configured"  # the manifest has changed
    REPAIRED = "Repaired"  # another client had changed or deleted it
    UNCHANGED = "Unchanged"
    REPLACED = "Replaced"  # deleted, to be recreated when the deletion is complete
    TERMINATING = "Terminating"  # to be recreated when its deletion is complete
    BACKING_OFF = "BackingOff"  # differs from the desired state; the repair is delayed because drift recurs
    SKIPPED = "Skipped"  # differs from the desired state; not applied because the AppStack is paused
    PRUNED = "Pruned"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Cause:
    """The cause of drift, and how the user can stop it."""

    message: str  # a predicate, for a sentence whose subject is the child
    hint: str


@dataclass(frozen=True, slots=True)
class Change:
    """The result of one step of a plan."""

    ref: Ref
    action: Action
    applied: Applied | None = None  # None if pruned, or if failed without an earlier apply
    error: AppStackError | None = None
    note: str = ""  # the reason of a replacement
    cause: Cause | None = None  # if the child was written or is backing off


WRITTEN: Final = frozenset({Action.CREATED, Action.CONFIGURED, Action.REPAIRED})
"""Actions after which the cached child is the result of an apply."""


def only_own_writes(before: Observed, after: Observed, changes: Sequence[Change]) -> bool:
    """Return whether `after` differs from `before` only by the writes in `changes`: another reconcile is a no-op."""
    applied = {change.ref: change.applied for change in changes if change.action in WRITTEN}
    if any(change.action not in WRITTEN | {Action.UNCHANGED} for change in changes):
        return False
    if replace(before, children={}) != replace(after, children={}):
        return False
    return after.children.keys() == before.children.keys() | applied.keys() and all(
        _is_as_applied(child, applied[ref]) if ref in applied else child == before.children[ref]
        for ref, child in after.children.items()
    )


def _is_as_applied(child: Child, applied: Applied | None) -> bool:
    return applied is not None and child.fields == applied.fields and not child.deleting

"""What was seen of a stack in the cluster: the one frozen value on which every decision is made. PURE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from appstack.errors import AppStackError
from appstack.fields import Path
from appstack.meta import Ref


class End(StrEnum):
    """How a Job or Pod came to its end."""

    COMPLETED = "Completed"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Other:
    """Somebody else who wrote to an object after our apply, and fields that are theirs and no longer ours."""

    manager: str
    fields: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Child:
    """An object with a stack's label, or found under a child's name, cut to what decisions need."""

    ref: Ref
    uid: str
    resource_version: str
    stack: str  # the value of the stack label; empty when the object has none
    owner_uid: str = ""  # of its controlling owner
    created: str = ""  # when it was made
    owner_stack: str = ""  # that owner's name, where it is an AppStack
    fields: str = ""  # digest of the `fieldsV1` of our own apply entry; empty when there is none
    adopt: bool = False
    retained: bool = False  # a claim of ours that carries no owner reference on purpose
    deleting: bool = False
    ended: End | None = None  # a Job or Pod that came to its end by itself, not by a deletion
    counted: bool = False  # our own apply entry holds its number of replicas
    files: str = ""  # the files label: the revision of files that it belongs to or needs
    generation: int = 0
    others: tuple[Other, ...] = ()  # the latest first
    spec: Mapping[str, Any] = field(default_factory=dict)  # only of the kinds whose spec is looked at
    status: Mapping[str, Any] = field(default_factory=dict)  # only of the kinds whose status is looked at


@dataclass(frozen=True, slots=True)
class Owner:
    """The stack as its children know it."""

    name: str
    uid: str
    spec: Mapping[str, Any] = field(default_factory=dict, compare=False)  # as the author wrote it


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that is known of one stack at one moment."""

    children: Mapping[Ref, Child] = field(default_factory=dict)  # what the operator applies, or has applied
    revisions: tuple[Child, ...] = ()  # ReplicaSets and ControllerRevisions
    pods: tuple[Child, ...] = ()  # a bare Pod of the stack's own is among the children, too
    ended: Mapping[Ref, Child] = field(default_factory=dict)  # Jobs and Pods that ended, and are gone
    missing: frozenset[tuple[str, str]] = frozenset()  # apiVersion and kind of what the cluster does not know
    unreported: tuple[Applied, ...] = ()  # applied before this look, and in no status yet
    namespace_uid: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """The two hashes of a child, as `status.resources` keeps them."""

    ref: Ref
    rendered: str  # digest of what we rendered
    fields: str  # digest of our managed fields after the apply
    ended: End | None = None  # a Job or Pod came to its end for this rendering: it is not made again
    wish: str = ""  # of a Job or Pod: digest of the author's spec that it is for, however that is rendered


class Action(StrEnum):
    """What became of a child."""

    CREATED = "Created"
    CONFIGURED = "Configured"  # its rendering changed
    REPAIRED = "Repaired"  # somebody had changed what we set
    UNCHANGED = "Unchanged"
    REPLACED = "Replaced"  # deleted, to be made anew as soon as it is gone
    AWAITED = "Awaited"  # on its way out, and made anew as soon as it is gone
    RESTING = "Resting"  # not as it should be, and put right a little later: somebody fights for it
    WITHHELD = "Withheld"  # not as it should be, and the stack is paused
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


def caught_up(before: Observed, after: Observed, changes: Sequence[Change]) -> bool:
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

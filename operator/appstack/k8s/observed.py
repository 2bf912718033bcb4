"""What was seen of a stack in the cluster: the one frozen value on which every decision is made. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from appstack.k8s.managed_fields import Path
from appstack.k8s.metadata import Ref


class TerminalState(StrEnum):
    """How a Job or Pod came to its end."""

    COMPLETED = "Completed"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class FieldManager:
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
    ended: TerminalState | None = None  # a Job or Pod that came to its end by itself, not by a deletion
    owns_replicas: bool = False  # our own apply entry holds its number of replicas
    files: str = ""  # the files label: the revision of files that it belongs to or needs
    generation: int = 0
    other_managers: tuple[FieldManager, ...] = ()  # the latest first
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
    namespace_uid: str = ""

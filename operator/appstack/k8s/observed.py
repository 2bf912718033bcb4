"""Observed state of one AppStack: the immutable snapshot from which plan and status are computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from appstack.k8s.managed_fields import FieldPath
from appstack.k8s.metadata import Ref


class TerminalState(StrEnum):
    """Terminal state of a Job or Pod."""

    COMPLETED = "Completed"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class FieldManager:
    """Another field manager that wrote to an object after AppStack's apply, and the fields that only it owns now."""

    manager: str
    fields: tuple[FieldPath, ...]


@dataclass(frozen=True, slots=True)
class Child:
    """A cached object that carries a stack's label or has a child's name, reduced to the fields that decisions need."""

    ref: Ref
    uid: str
    resource_version: str
    stack: str  # value of the stack label; empty without the label
    owner_uid: str = ""  # uid of the controlling owner
    created: str = ""  # metadata.creationTimestamp
    owner_stack: str = ""  # name of the controlling owner if it is an AppStack
    fields: str = ""  # digest of `fieldsV1` of AppStack's own apply entry; empty without such an entry
    adopt: bool = False
    retained: bool = False  # a PersistentVolumeClaim kept without an owner reference on purpose
    deleting: bool = False
    ended: TerminalState | None = None  # of a Job or Pod that finished before any deletion
    owns_replicas: bool = False  # AppStack's own apply entry contains spec.replicas
    files: str = ""  # value of the files label: the revision of the files that it holds or mounts
    generation: int = 0
    other_managers: tuple[FieldManager, ...] = ()  # the most recent first
    spec: Mapping[str, Any] = field(default_factory=dict)  # only of kinds for which a decision reads the spec
    status: Mapping[str, Any] = field(default_factory=dict)  # only of kinds for which a decision reads the status


@dataclass(frozen=True, slots=True)
class WarningEvent:
    """A Warning Event about an object of an AppStack, or about an object that its workload creates."""

    ref: Ref
    reason: str
    message: str
    container: str = ""  # of a pod; empty where the Event concerns the whole object
    time: str = ""  # of the last occurrence, as RFC 3339


@dataclass(frozen=True, slots=True)
class Owner:
    """The AppStack that owns the children."""

    name: str
    uid: str
    spec: Mapping[str, Any] = field(default_factory=dict, compare=False)  # as in the AppStack, without defaults


@dataclass(frozen=True, slots=True)
class Dependency:
    """An AppStack on which another one depends, as far as it is known."""

    name: str
    exists: bool = False
    is_ready: bool = False
    workload_kind: str = ""  # empty if it does not exist


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The AppStacks on which one AppStack depends."""

    listed: tuple[Dependency, ...] = ()
    cycle: tuple[str, ...] = ()  # names along a cycle, from the AppStack back to itself; empty if there is none


NO_DEPENDENCIES: Final = Dependencies()


@dataclass(frozen=True, slots=True)
class Observed:
    """All cached objects of one AppStack at one moment."""

    children: Mapping[Ref, Child] = field(default_factory=dict)  # objects of the kinds that AppStack applies
    revisions: tuple[Child, ...] = ()  # ReplicaSets and ControllerRevisions
    pods: tuple[Child, ...] = ()  # a bare Pod of the stack is among the children, too
    ended: Mapping[Ref, Child] = field(default_factory=dict)  # Jobs and Pods that finished and no longer exist
    not_served: frozenset[tuple[str, str]] = frozenset()  # apiVersion and kind, where the cluster does not serve it
    disabled: frozenset[tuple[str, str]] = frozenset()  # those of them that the settings disable
    namespace_uid: str = ""
    namespace_labels: Mapping[str, str] = field(default_factory=dict)  # those that its policy depends on
    warnings: tuple[WarningEvent, ...] = ()  # about all of these objects, the latest first

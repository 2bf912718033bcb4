"""Cache of AppStacks, each with the state that its reconciles share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from sys import intern
from typing import Any, Final

from pydantic_core import from_json, to_json

from appstack.api.size import MAX_SPEC_VALUES, size_issue
from appstack.errors import ValidationIssue
from appstack.k8s.metadata import Key, Keys, Manifest
from appstack.k8s.observed import NO_DEPENDENCIES, Dependencies, Dependency
from appstack.planning.changes import Applied
from appstack.planning.dependencies import DependencyGraph
from appstack.planning.reconcile_state import ReconcileState

_MAX_SMALL_BYTES: Final = 2 * MAX_SPEC_VALUES  # a shorter text has fewer values than a spec may have
_METADATA: Final = ("name", "namespace", "uid", "generation", "resourceVersion", "deletionTimestamp")

Conditions = tuple[tuple[str, str], ...]
"""The type and status of each condition."""


@dataclass(frozen=True, slots=True)
class StoredAppStack:
    """One AppStack, kept as JSON text: that takes a fifth of the memory of Python's dicts."""

    text: bytes  # JSON, with the metadata that decisions need
    uid: str
    version: int
    generation: int
    deleting: bool
    status_is_current: bool  # its status reports on its current generation
    conditions: Conditions
    workload_kind: str
    depends_on: tuple[str, ...] = ()  # names of other AppStacks
    refusal: ValidationIssue | None = None  # its spec is too large, and `text` has only a summary of it
    state: ReconcileState = field(default_factory=ReconcileState, compare=False)
    stale: bool = False  # missing from a relist: it may be deleted
    status_version: int = 0  # resourceVersion of our last status write, until the watch has shown the spec before it

    @property
    def manifest(self) -> Manifest:
        """The AppStack, parsed at each access."""
        manifest: Manifest = from_json(self.text)
        return manifest

    def as_dependency(self, name: str) -> Dependency:
        """Return what an AppStack that depends on this one needs to know of it."""
        is_ready = self.status_is_current and ("Ready", "True") in self.conditions and not self.deleting
        return Dependency(name, exists=True, is_ready=is_ready, workload_kind=self.workload_kind)


class AppStackStore:
    """Every AppStack that this operator selects, and the dependencies between them.

    `enqueue` is called with each AppStack that another one affects: its dependency became ready or was deleted, or a
    cycle was closed or broken.
    """

    def __init__(self, *, enqueue: Callable[[Key], None] = lambda _: None) -> None:
        self._stored: dict[Key, StoredAppStack] = {}
        self._dependencies = DependencyGraph()
        self._enqueue = enqueue
        self._writing: dict[Key, Mapping[str, Any]] = {}  # statuses whose write is in flight

    def __len__(self) -> int:
        """Return the number of AppStacks."""
        return len(self._stored)

    def keys(self, namespace: str = "") -> Sequence[Key]:
        """Return the keys, of one namespace or of all."""
        return [key for key in self._stored if not namespace or key.namespace == namespace]

    def values(self) -> Iterable[StoredAppStack]:
        """Return the AppStacks."""
        return self._stored.values()

    def items(self) -> Iterable[tuple[Key, StoredAppStack]]:
        """Return the AppStacks with their keys."""
        return self._stored.items()

    def get(self, key: Key) -> StoredAppStack | None:
        """Return an AppStack, or None."""
        return self._stored.get(key)

    def status_is_current(self, key: Key) -> bool:
        """Return whether the status of an AppStack reports on its current generation."""
        stored = self._stored.get(key)
        return stored is not None and stored.status_is_current

    def update(self, manifest: Mapping[str, Any]) -> bool:
        """Store an AppStack from a list or watch; return whether it needs a reconcile."""
        key, stored = key_of(manifest), self._stored.get(key_of(manifest))
        version = int(manifest["metadata"]["resourceVersion"])
        if stored is None or stored.uid != manifest["metadata"]["uid"]:
            if stored is not None and version < stored.version:
                return False  # an earlier one of this name: kopf orders the events of each uid only
            self._put(key, _parse(manifest))
            return True
        if version <= stored.version:
            self._stored[key] = replace(stored, stale=False)
            return False
        if version < stored.status_version:
            manifest = {**manifest, "status": stored.manifest["status"]}  # this event is older than our status write
        updated = _updated(replace(stored, stale=False), manifest)
        self._put(key, updated)
        echo = key in self._writing and self._writing[key] == manifest.get("status")
        return not echo or updated.generation != stored.generation or updated.deleting != stored.deleting

    def delete(self, key: Key, *, uid: str) -> None:
        """Drop a deleted AppStack and its state, unless a later one has its name."""
        stored = self._stored.get(key)
        if stored is not None and stored.uid == uid:
            self._put(key, None)

    def drop_namespace(self, namespace: str) -> None:
        """Drop the AppStacks of a namespace that this operator no longer selects, and their state."""
        self._stored = {key: stored for key, stored in self._stored.items() if key.namespace != namespace}
        self._dependencies.drop_namespace(namespace)

    def mark_stale(self, key: Key) -> None:
        """Note that an AppStack may be deleted: the next reconcile reads it from the API server."""
        stored = self._stored.get(key)
        if stored is not None:
            self._stored[key] = replace(stored, stale=True)

    def is_unchanged(self, key: Key, since: StoredAppStack) -> bool:
        """Return whether the watch has shown nothing new about an AppStack."""
        now = self._stored.get(key)
        return now is not None and (now.uid, now.version, now.stale) == (since.uid, since.version, since.stale)

    def in_namespace(self, namespace: str) -> Keys:
        """Return the AppStacks in a namespace."""
        return frozenset(key for key in self._stored if key.namespace == namespace)

    def requiring(self, api_version: str, kind: str, namespace: str = "") -> Keys:
        """Return the AppStacks of a namespace, or of all, that wait for a kind that the cluster does not serve."""
        return frozenset(
            key
            for key, stored in self._stored.items()
            if (api_version, kind) in stored.state.not_served and not stored.deleting
            if not namespace or key.namespace == namespace
        )

    @contextmanager
    def writing_status(self, key: Key, status: Mapping[str, Any]) -> Iterator[None]:
        """Recognise the watch event of our own status write while the write is in flight."""
        self._writing[key] = status
        try:
            yield
        finally:
            del self._writing[key]

    def record_status_write(
        self, key: Key, response: Manifest, *, status: Mapping[str, Any], covers: tuple[Applied, ...], at: float
    ) -> None:
        """Store a status that was written and the metadata in the response; forget the children that it covers."""
        stored, metadata = self._stored.get(key), response["metadata"]
        if stored is None or stored.uid != metadata["uid"]:
            return
        if stored.version < int(metadata["resourceVersion"]):  # else the watch was faster
            manifest = stored.manifest | {"status": status}
            if stored.generation == metadata["generation"]:
                manifest["metadata"] = metadata
            else:  # keep this status when the event of a newer spec arrives: it precedes the write
                stored = replace(stored, status_version=int(metadata["resourceVersion"]))
            stored = replace(_updated(stored, manifest), refusal=stored.refusal)
        self._put(key, stored)
        stored.state.record_status(covers, at=at)

    def dependencies(self, key: Key) -> Dependencies:
        """Return the AppStacks on which an AppStack depends."""
        stored = self._stored.get(key)
        if stored is None or not stored.depends_on:
            return NO_DEPENDENCIES
        listed = tuple(self._as_dependency(Key(key.namespace, name)) for name in stored.depends_on)
        return Dependencies(listed, cycle=self._dependencies.cycle(key))

    def _as_dependency(self, key: Key) -> Dependency:
        stored = self._stored.get(key)
        return Dependency(key.name) if stored is None else stored.as_dependency(key.name)

    def _put(self, key: Key, stored: StoredAppStack | None) -> None:
        """Store or drop an AppStack, and enqueue those that it affects; one that does not wait needs no reconcile."""
        before = self._as_dependency(key)
        if stored is None:
            del self._stored[key]
        else:
            self._stored[key] = stored
        for other in self._dependencies.set(key, stored.depends_on if stored else ()):
            self._enqueue(other)
        after = self._as_dependency(key)
        if after == before:
            return
        for dependent in self._dependencies.dependents(key):
            if self._stored[dependent].state.awaits_dependencies or after.workload_kind != before.workload_kind:
                self._enqueue(dependent)


def key_of(manifest: Mapping[str, Any]) -> Key:
    """Return the key of an AppStack."""
    return Key(manifest["metadata"]["namespace"], manifest["metadata"]["name"])


def _parse(manifest: Mapping[str, Any]) -> StoredAppStack:
    metadata = {key: manifest["metadata"][key] for key in _METADATA if key in manifest["metadata"]}
    status, spec = manifest.get("status") or {}, manifest.get("spec") or {}
    text, refusal = to_json({**manifest, "metadata": metadata}), None
    if len(text) > _MAX_SMALL_BYTES and (refusal := size_issue(manifest)) is not None:
        spec = _summary(spec)
        text = to_json({**manifest, "metadata": metadata, "spec": spec})
    return StoredAppStack(
        text=text,
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        generation=metadata["generation"],
        deleting="deletionTimestamp" in metadata,
        status_is_current=status.get("observedGeneration") == metadata["generation"],
        conditions=_interned(tuple((one["type"], one["status"]) for one in status.get("conditions") or ())),
        workload_kind=intern((spec.get("workload") or {}).get("kind") or "Deployment"),
        depends_on=tuple(dict.fromkeys(intern(one["name"]) for one in spec.get("dependsOn") or ())),
        refusal=refusal,
    )


def _summary(spec: Mapping[str, Any]) -> Manifest:
    """Return the part of a refused spec that its status depends on."""
    summary: Manifest = {"workload": {"kind": (spec.get("workload") or {}).get("kind", "Deployment")}}
    return summary | {"proxy": {}} if spec.get("proxy") is not None else summary


@lru_cache(maxsize=100)
def _interned(conditions: Conditions) -> Conditions:
    """Return one value for all that are equal: there are few."""
    return conditions


def _updated(stored: StoredAppStack, manifest: Mapping[str, Any]) -> StoredAppStack:
    return replace(_parse(manifest), state=stored.state, stale=stored.stale, status_version=stored.status_version)

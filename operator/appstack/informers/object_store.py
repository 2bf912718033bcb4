"""Cache of owned objects by AppStack, including the responses to the operator's own writes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from appstack.client.client import NamespaceFilter
from appstack.client.resource_kinds import Kind, ResourceRole, kind_of
from appstack.informers.compact import compact, expand
from appstack.informers.transform import child_of, refreshed
from appstack.k8s.metadata import Key, Keys, Manifest, Ref
from appstack.k8s.observed import Child, Observed, WarningEvent

_NONE: Final[Keys] = frozenset()
_MAX_ENDED_STACKS: Final = 10_000
_MAX_ENDED_OBJECTS: Final = 5  # of an AppStack


@dataclass(frozen=True, slots=True)
class Deleted:
    """The AppStacks of deleted objects."""

    children: Keys = _NONE  # of objects that the operator applies
    dependents: Keys = _NONE  # of pods and revisions, which come and go with every rollout


class NamespaceTracker(NamespaceFilter, Protocol):
    """A namespace filter that follows the labels of namespaces."""

    def update(self, manifest: Manifest) -> None:
        """Handle the current state of a namespace."""

    def delete(self, name: str) -> None:
        """Handle the deletion of a namespace."""


class ObjectStore:
    """Owned objects, pods and revisions of the selected namespaces. Changes return the affected AppStacks.

    Disabled kinds have no informer and count as not served. `label_keys` are the labels of namespaces that are kept.
    """

    def __init__(
        self, namespaces: NamespaceTracker, *, disabled: Iterable[Kind] = (), label_keys: Set[str] = frozenset()
    ) -> None:
        self._namespaces = namespaces
        self._label_keys = label_keys
        self._disabled = frozenset((kind.api_version, kind.kind) for kind in disabled)
        self._objects: dict[Ref, Child] = {}
        self._by_stack: dict[Key, dict[Ref, Child]] = {}
        self._namespace_uids: dict[str, str] = {}
        self._namespace_labels: dict[str, Mapping[str, str]] = {}  # of namespaces that have some of those labels
        self._terminating: set[str] = set()  # uids of namespaces
        self._versions: dict[tuple[Kind, str], int] = {}  # up to which an informer has shown everything, by namespace
        self._ended: dict[Key, dict[Ref, Child]] = {}  # deleted Jobs and Pods that had ended
        self._not_served = {(kind, "") for kind in disabled}  # by the namespace of the informer, empty for all
        self._warnings: dict[str, Mapping[Ref, tuple[WarningEvent, ...]]] = {}  # by namespace
        self._waiters: list[_Waiter] = []

    def observed(self, key: Key) -> Observed:
        """Return everything that is known about the objects of an AppStack."""
        roles: dict[ResourceRole, dict[Ref, Child]] = {role: {} for role in ResourceRole}
        for ref, child in self._by_stack.get(key, {}).items():
            roles[kind_of(ref).role][ref] = expand(child)
        bare_pods = {ref: child for ref, child in roles[ResourceRole.POD].items() if child.fields}
        return Observed(
            children=roles[ResourceRole.CHILD] | bare_pods,
            revisions=tuple(roles[ResourceRole.REVISION].values()),
            pods=tuple(roles[ResourceRole.POD].values()),
            namespace_uid=self._namespace_uids.get(key.namespace, ""),
            namespace_labels=self.namespace_labels(key.namespace),
            ended={ref: expand(child) for ref, child in self._ended.get(key, {}).items()},
            not_served=frozenset(
                (kind.api_version, kind.kind)
                for kind, namespace in self._not_served
                if namespace in ("", key.namespace)
            ),
            disabled=self._disabled,
            warnings=self._warnings_of(key),
        )

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        """Return the labels of a namespace that its policy depends on."""
        return self._namespace_labels.get(namespace, {})

    def _warnings_of(self, key: Key) -> tuple[WarningEvent, ...]:
        """Return the Warning Events about the objects of an AppStack, the latest first."""
        by_object = self._warnings.get(key.namespace)
        if not by_object:
            return ()
        found = (event for ref in self._by_stack.get(key, ()) for event in by_object.get(ref, ()))
        return tuple(sorted(found, key=lambda event: (event.time, event.message), reverse=True))

    def set_warnings(self, namespace: str, events: Mapping[Ref, tuple[WarningEvent, ...]]) -> None:
        """Replace the Warning Events of a namespace."""
        if events:
            self._warnings[namespace] = events
        else:
            self._warnings.pop(namespace, None)

    def has(self, ref: Ref) -> bool:
        """Return whether an object is in the cache."""
        return ref in self._objects

    def is_terminating(self, namespace: str) -> bool:
        """Return whether a namespace is being deleted, with everything in it."""
        return self._namespace_uids.get(namespace) in self._terminating

    def update(self, kind: Kind, manifest: Manifest) -> Keys:
        """Store an object from a list or watch."""
        if kind.role is ResourceRole.NAMESPACE:
            self._update_namespace(manifest["metadata"])
            self._namespaces.update(manifest)
        namespace = manifest["metadata"].get("namespace", "")
        if not namespace or not self._namespaces.selects(namespace):
            return _NONE
        stored = self._objects.get(kind.ref(manifest))
        return self._store(child_of(kind, manifest) if stored is None else refreshed(stored, kind, manifest))

    def _update_namespace(self, metadata: Manifest) -> None:
        name = metadata["name"]
        self._namespace_uids[name] = metadata["uid"]
        if "deletionTimestamp" in metadata:
            self._terminating.add(metadata["uid"])
        labels = metadata.get("labels") or {}
        kept = {key: labels[key] for key in self._label_keys & labels.keys()}
        if kept:
            self._namespace_labels[name] = kept
        else:
            self._namespace_labels.pop(name, None)

    def delete(self, kind: Kind, manifest: Manifest) -> Deleted:
        """Drop an object that was deleted or lost our label."""
        ref, version = kind.ref(manifest), int(manifest["metadata"]["resourceVersion"])
        if kind.role is ResourceRole.NAMESPACE and self._namespace_uids.get(ref.name) == manifest["metadata"]["uid"]:
            self._terminating.discard(self._namespace_uids.pop(ref.name))
            self._namespace_labels.pop(ref.name, None)
            self._namespaces.delete(ref.name)
        stored = self._objects.get(ref)
        return self._drop_deleted([] if stored is None or int(stored.resource_version) > version else [stored])

    def complete_list(self, kind: Kind, refs: Iterable[Ref], version: int, namespace: str = "") -> Deleted:
        """Drop the objects that a complete list lacks, of a namespace or of all: no watch has shown their deletion."""
        listed = set(refs)
        deleted = [
            child
            for ref, child in self._objects.items()
            if kind_of(ref) is kind and ref not in listed and int(child.resource_version) <= version
            if not namespace or ref.namespace == namespace
        ]
        if kind.role is ResourceRole.NAMESPACE:
            for name in self._namespace_uids.keys() - {ref.name for ref in listed}:
                del self._namespace_uids[name]
                self._namespace_labels.pop(name, None)
                self._namespaces.delete(name)
            self._terminating &= set(self._namespace_uids.values())
        self.set_version(kind, version, namespace)
        return self._drop_deleted(deleted)

    def drop_namespace(self, namespace: str) -> None:
        """Drop the objects of a namespace that this operator no longer selects."""
        for child in [child for ref, child in self._objects.items() if ref.namespace == namespace]:
            self._drop(child)
        for key in [key for key in self._ended if key.namespace == namespace]:
            del self._ended[key]

    def mark_not_served(self, kind: Kind, namespace: str = "") -> Keys:
        """Note that an informer, of a namespace or of all, has found that a kind is not served; drop its objects."""
        if (kind, namespace) in self._not_served:
            return _NONE
        self._not_served.add((kind, namespace))
        of_kind = [(ref, child) for ref, child in self._objects.items() if kind_of(ref) is kind]
        dropped = [child for ref, child in of_kind if not namespace or ref.namespace == namespace]
        return frozenset[Key]().union(*(self._drop(child) for child in dropped))

    def mark_served(self, kind: Kind, namespace: str = "") -> None:
        """Note that an informer has found that a kind is served."""
        self._not_served.discard((kind, namespace))

    def not_served(self, manifests: Iterable[Manifest]) -> frozenset[Kind]:
        """Return the kinds of these manifests that the cluster does not serve."""
        if not self._not_served:
            return frozenset()
        found = ((kind_of(ref), ref.namespace) for ref in map(Ref.of, manifests))
        return frozenset(kind for kind, namespace in found if self._not_served & {(kind, ""), (kind, namespace)})

    def record_write(self, kind: Kind, manifest: Manifest) -> Child:
        """Store the answer to a write of our own, unless the watch is ahead of it; return the object."""
        child = child_of(kind, manifest)
        stored = self._objects.get(child.ref)
        if stored is not None and stored.uid == child.uid:  # the answer has metadata only
            child = replace(child, spec=stored.spec, status=stored.status, ended=stored.ended)
        if int(child.resource_version) > self._shown(kind, child.ref.namespace) and child.stack:
            self._store(child)
        return child

    def mark_deleting(self, child: Child) -> None:
        """Note that we have deleted an object, in whichever version; the watch shows when it is gone."""
        stored = self._objects.get(child.ref)
        if stored is not None and stored.uid == child.uid:
            self._store(replace(stored, deleting=True))

    def version(self, ref: Ref) -> int:
        """Return the resourceVersion of a stored object; 0 if it is not stored."""
        stored = self._objects.get(ref)
        return int(stored.resource_version) if stored is not None else 0

    def set_version(self, kind: Kind, version: int, namespace: str = "") -> None:
        """Note that the informer of a kind, in a namespace or in all, has shown everything up to a version."""
        if version <= self._versions.get((kind, namespace), 0):
            return
        self._versions[kind, namespace] = version
        shown = [waiter for waiter in self._waiters if waiter.kind is kind and waiter.version <= version]
        for waiter in [waiter for waiter in shown if namespace in ("", waiter.namespace)]:
            self._waiters.remove(waiter)
            waiter.release()

    def _shown(self, kind: Kind, namespace: str) -> int:
        """Return the version up to which the informer of a kind has shown the objects of a namespace."""
        return self._versions.get((kind, namespace), 0) or self._versions.get((kind, ""), 0)

    async def wait_for(self, kind: Kind, version: int, namespace: str) -> None:
        """Wait until the informer of a kind has shown a version of the objects of a namespace."""
        if version <= self._shown(kind, namespace):
            return
        waiter = _Waiter(kind, version, namespace, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            await waiter.future
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _store(self, child: Child) -> Keys:
        child = compact(child)
        stored = self._objects.get(child.ref)
        if stored is not None and (stored == child or int(stored.resource_version) > int(child.resource_version)):
            return _NONE
        if stored is not None and stored.deleting and stored.uid == child.uid and not child.deleting:
            child = replace(child, deleting=True)  # a deletion is final
        if stored is not None and stored.ended and stored.uid == child.uid and not child.ended:
            child = replace(child, ended=stored.ended)  # a deletion that follows does not undo it
        self._ended.get(Key(child.ref.namespace, child.stack), {}).pop(child.ref, None)
        relabelled = self._drop(stored) if stored is not None and stored.stack != child.stack else _NONE
        key = Key(child.ref.namespace, child.stack)
        self._objects[child.ref] = child
        self._by_stack.setdefault(key, {})[child.ref] = child
        return relabelled | {key}

    def _drop_deleted(self, deleted: Iterable[Child]) -> Deleted:
        """Drop deleted objects; that one had ended by itself is kept, until a reconcile has recorded it."""
        children, dependents = set[Key](), set[Key]()
        for child in deleted:
            if child.ended and (child.fields or child.ref.kind == "Job"):
                ended = self._ended.setdefault(Key(child.ref.namespace, child.stack), {})
                ended[child.ref] = child
                _drop_oldest(ended, limit=_MAX_ENDED_OBJECTS)
                _drop_oldest(self._ended, limit=_MAX_ENDED_STACKS)
            is_child = kind_of(child.ref).role is ResourceRole.CHILD or child.fields  # the latter: a bare Pod
            (children if is_child else dependents).update(self._drop(child))
        return Deleted(frozenset(children), frozenset(dependents))

    def _drop(self, child: Child) -> Keys:
        key = Key(child.ref.namespace, child.stack)
        self._objects.pop(child.ref, None)
        children = self._by_stack.get(key, {})
        children.pop(child.ref, None)
        if not children:
            self._by_stack.pop(key, None)
        return frozenset({key})


def _drop_oldest(entries: dict[Any, Any], *, limit: int) -> None:
    if len(entries) > limit:
        del entries[next(iter(entries))]


@dataclass(eq=False, slots=True)
class _Waiter:
    kind: Kind
    version: int
    namespace: str
    future: asyncio.Future[None]

    def release(self) -> None:
        if not self.future.done():
            self.future.set_result(None)

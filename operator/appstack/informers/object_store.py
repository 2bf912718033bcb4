"""What the watches have shown, and what our own writes have made of it since."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from appstack.client.resource_kinds import Kind, ResourceRole, of
from appstack.informers.compact import compact, expand
from appstack.informers.transform import child_of, refreshed
from appstack.k8s.metadata import API_VERSION, KIND, Manifest, Ref
from appstack.k8s.observed import Child, Observed


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which stack."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """As kubectl prints it."""
        return f"{self.namespace}/{self.name}"

    @property
    def ref(self) -> Ref:
        """The AppStack itself."""
        return Ref(API_VERSION, KIND, self.namespace, self.name)


Keys = frozenset[Key]
_NONE: Final[Keys] = frozenset()
_MOST_ENDED: Final = 10_000  # stacks whose ended Jobs and Pods are kept in mind
_MOST_RUNS: Final = 5


class ObjectStore:
    """Children by the stack whose label they bear. Nothing here waits or talks."""

    def __init__(
        self,
        *,
        accepts: Callable[[str], bool],
        labelled: Callable[[Manifest], None] = lambda _: None,
        vanished: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._accepts = accepts  # whether a namespace is this operator's
        self._labelled = labelled  # takes in a namespace as it is now
        self._vanished = vanished  # takes in that one is gone
        self._held: dict[Ref, Child] = {}
        self._by_stack: dict[Key, dict[Ref, Child]] = {}
        self._namespaces: dict[str, str] = {}
        self._ending: set[str] = set()  # uids of namespaces that are being deleted
        self._shown: dict[Kind, int] = {}
        self._ended: dict[Key, dict[Ref, Child]] = {}  # Jobs and Pods that ended and are gone
        self._missing: set[Kind] = set()  # kinds that the cluster does not know
        self._waiters: list[_Waiter] = []

    def observed(self, key: Key) -> Observed:
        """Return all that is known of a stack at this moment."""
        roles: dict[ResourceRole, dict[Ref, Child]] = {role: {} for role in ResourceRole}
        for ref, child in self._by_stack.get(key, {}).items():
            roles[of(ref).role][ref] = expand(child)
        own = {ref: child for ref, child in roles[ResourceRole.POD].items() if child.fields}
        return Observed(
            children=roles[ResourceRole.CHILD] | own,
            revisions=tuple(roles[ResourceRole.REVISION].values()),
            pods=tuple(roles[ResourceRole.POD].values()),
            namespace_uid=self._namespaces.get(key.namespace, ""),
            ended={ref: expand(child) for ref, child in self._ended.get(key, {}).items()},
            missing=frozenset((kind.api_version, kind.kind) for kind in self._missing),
        )

    def ends(self, namespace: str) -> bool:
        """Tell whether a namespace is being deleted: nothing new may be made in it, and all in it goes."""
        return self._namespaces.get(namespace) in self._ending

    def show(self, kind: Kind, manifest: Manifest) -> Keys:
        """Take in an object from a list or a watch; return the stacks that should look."""
        if kind.role is ResourceRole.NAMESPACE:
            self._namespaces[manifest["metadata"]["name"]] = manifest["metadata"]["uid"]
            if "deletionTimestamp" in manifest["metadata"]:
                self._ending.add(manifest["metadata"]["uid"])
            self._labelled(manifest)
        namespace = manifest["metadata"].get("namespace", "")
        if not namespace or not self._accepts(namespace):
            return _NONE
        held = self._held.get(kind.ref(manifest))
        return self._hold(child_of(kind, manifest) if held is None else refreshed(held, kind, manifest))

    def gone(self, kind: Kind, manifest: Manifest) -> Keys:
        """Take in that an object was deleted, or bears our label no longer."""
        ref, version = kind.ref(manifest), int(manifest["metadata"]["resourceVersion"])
        if kind.role is ResourceRole.NAMESPACE and self._namespaces.get(ref.name) == manifest["metadata"]["uid"]:
            self._ending.discard(self._namespaces.pop(ref.name))
            self._vanished(ref.name)
        held = self._held.get(ref)
        return _NONE if held is None or int(held.resource_version) > version else self._lose(held)

    def listed(self, kind: Kind, refs: Iterable[Ref], version: int) -> Keys:
        """Take in that a list is complete: what it did not hold was deleted while nobody watched."""
        alive = set(refs)
        lost = [
            child
            for ref, child in self._held.items()
            if of(ref) is kind and ref not in alive and int(child.resource_version) <= version
        ]
        if kind.role is ResourceRole.NAMESPACE:
            for name in self._namespaces.keys() - {ref.name for ref in alive}:
                del self._namespaces[name]
                self._vanished(name)
            self._ending &= set(self._namespaces.values())
        self.mark(kind, version)
        return frozenset[Key]().union(*(self._lose(child) for child in lost))

    def leave(self, namespace: str) -> None:
        """Drop what is in a namespace that is another operator's from now on."""
        for child in [child for ref, child in self._held.items() if ref.namespace == namespace]:
            self._drop(child)
        for key in [key for key in self._ended if key.namespace == namespace]:
            del self._ended[key]

    def missing(self, kind: Kind) -> Keys:
        """Take in that the cluster does not know a kind; return the stacks that should look."""
        if kind in self._missing:
            return _NONE
        self._missing.add(kind)
        lost = [child for ref, child in self._held.items() if of(ref) is kind]
        return frozenset[Key]().union(*(self._drop(child) for child in lost))

    def found(self, kind: Kind) -> None:
        """Take in that the cluster knows a kind."""
        self._missing.discard(kind)

    def unknown(self, desired: Iterable[Manifest]) -> frozenset[Kind]:
        """Return the kinds of these manifests that the cluster does not know."""
        if not self._missing:
            return frozenset()
        return frozenset(kind for manifest in desired if (kind := of(Ref.of(manifest))) in self._missing)

    def wrote(self, kind: Kind, manifest: Manifest) -> Child:
        """Take in the answer to a write of our own, unless the watch is ahead of it; return the child."""
        child = child_of(kind, manifest)
        held = self._held.get(child.ref)
        if held is not None and held.uid == child.uid:
            child = replace(child, spec=held.spec, status=held.status, ended=held.ended)  # the answer is metadata alone
        if int(child.resource_version) > self._shown.get(kind, 0) and child.stack:
            self._hold(child)
        return child

    def version(self, ref: Ref) -> int:
        """Return the resourceVersion at which an object is held; 0 when it isn't."""
        held = self._held.get(ref)
        return int(held.resource_version) if held is not None else 0

    def doomed(self, child: Child) -> None:
        """Take in that we have deleted an object, however it has changed since; the watch will tell when it is gone."""
        held = self._held.get(child.ref)
        if held is not None and held.uid == child.uid:
            self._hold(replace(held, deleting=True))

    def mark(self, kind: Kind, version: int) -> None:
        """Take in that the watch of a kind has shown everything up to a version."""
        if version <= self._shown.get(kind, 0):
            return
        self._shown[kind] = version
        for waiter in [waiter for waiter in self._waiters if waiter.kind is kind and waiter.version <= version]:
            self._waiters.remove(waiter)
            waiter.release()

    async def shown(self, kind: Kind, version: int) -> None:
        """Wait until the watch has shown a version."""
        if version <= self._shown.get(kind, 0):
            return
        waiter = _Waiter(kind, version, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            await waiter.future
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _hold(self, child: Child) -> Keys:
        child = compact(child)
        held = self._held.get(child.ref)
        if held is not None and (held == child or int(held.resource_version) > int(child.resource_version)):
            return _NONE
        if held is not None and held.deleting and held.uid == child.uid and not child.deleting:
            child = replace(child, deleting=True)  # nothing comes back from there
        if held is not None and held.ended and held.uid == child.uid and not child.ended:
            child = replace(child, ended=held.ended)  # a deletion afterwards does not undo it
        self._ended.get(Key(child.ref.namespace, child.stack), {}).pop(child.ref, None)
        left = self._drop(held) if held is not None and held.stack != child.stack else _NONE
        key = Key(child.ref.namespace, child.stack)
        self._held[child.ref] = child
        self._by_stack.setdefault(key, {})[child.ref] = child
        return left | {key}

    def _lose(self, child: Child) -> Keys:
        """Drop what is gone; that it had ended by itself is kept, for a look may not have noted it."""
        if child.ended and (child.fields or child.ref.kind == "Job"):
            ended = self._ended.setdefault(Key(child.ref.namespace, child.stack), {})
            ended[child.ref] = child
            _at_most(_MOST_RUNS, ended)
            _at_most(_MOST_ENDED, self._ended)
        return self._drop(child)

    def _drop(self, child: Child) -> Keys:
        key = Key(child.ref.namespace, child.stack)
        self._held.pop(child.ref, None)
        children = self._by_stack.get(key, {})
        children.pop(child.ref, None)
        if not children:
            self._by_stack.pop(key, None)
        return frozenset({key})


def _at_most(number: int, held: dict[Any, Any]) -> None:
    """Drop the oldest entry where there are more."""
    if len(held) > number:
        del held[next(iter(held))]


@dataclass(eq=False, slots=True)
class _Waiter:
    kind: Kind
    version: int
    future: asyncio.Future[None]

    def release(self) -> None:
        if not self.future.done():
            self.future.set_result(None)

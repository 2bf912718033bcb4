"""Dependencies between AppStacks: the graph with its cycles, and the workload that waits for its first creation."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from typing import Final, get_args

from appstack.api.workloads import WorkloadKindName
from appstack.k8s.metadata import Key, Keys, Manifest, Ref
from appstack.k8s.observed import Dependencies, Dependency, Observed, Owner

MAX_SEARCHED_EDGES: Final = 2000
"""Dependencies that a search for a cycle follows, which takes half a millisecond: a tenant may create any number of
AppStacks. A longer cycle is not found; its AppStacks wait for each other."""

_WORKLOAD_KINDS: Final = frozenset(get_args(WorkloadKindName))
_WAITING_KINDS: Final = _WORKLOAD_KINDS | {"HorizontalPodAutoscaler"}  # it reports an error without its workload


class DependencyGraph:
    """The dependencies of AppStacks on others of their namespace, and the reverse."""

    def __init__(self) -> None:
        self._dependencies: dict[Key, tuple[str, ...]] = {}
        self._dependents: dict[Key, set[Key]] = {}

    def set(self, key: Key, names: tuple[str, ...]) -> Keys:
        """Replace the dependencies of an AppStack; return the members of the cycles that this closes or breaks."""
        former = self._dependencies.get(key, ())
        if names == former:
            return frozenset()
        members = self._cycle_members(key)
        for name in former:
            dependents = self._dependents[Key(key.namespace, name)]
            dependents.discard(key)
            if not dependents:
                del self._dependents[Key(key.namespace, name)]
        if names:
            self._dependencies[key] = names
        else:
            del self._dependencies[key]
        for name in names:
            self._dependents.setdefault(Key(key.namespace, name), set()).add(key)
        return members | self._cycle_members(key)

    def drop_namespace(self, namespace: str) -> None:
        """Drop the AppStacks of a namespace."""
        for edges in (self._dependencies, self._dependents):
            for key in [key for key in edges if key.namespace == namespace]:
                del edges[key]

    def dependents(self, key: Key) -> Collection[Key]:
        """Return the AppStacks that list this one."""
        return self._dependents.get(key, ())

    def cycle(self, key: Key) -> tuple[str, ...]:
        """Return the names along the shortest cycle from the AppStack back to itself; empty if none is found."""
        came_from = self._reachable(key)
        if key not in came_from:
            return ()
        path, current = [key.name], came_from[key]
        while current != key:
            path.append(current.name)
            current = came_from[current]
        return (key.name, *reversed(path))

    def _cycle_members(self, key: Key) -> Keys:
        """Return the AppStacks on all cycles through this one: those that it reaches and that reach it."""
        reached = self._reachable(key)
        if key not in reached:
            return frozenset()
        sources: dict[Key, list[Key]] = {}
        for each in reached:
            for name in self._dependencies.get(each, ()):
                sources.setdefault(Key(each.namespace, name), []).append(each)
        members, pending = {key}, [key]
        while pending:
            new = [each for each in sources.get(pending.pop(), ()) if each not in members]
            members.update(new)
            pending += new
        return frozenset(members)

    def _reachable(self, key: Key) -> dict[Key, Key]:
        """Return the AppStacks that this one depends on, also indirectly, each with the one that leads to it first.

        Nothing is returned for an AppStack without dependents, which is in no cycle.
        """
        came_from: dict[Key, Key] = {}
        if key not in self._dependents:
            return came_from
        pending, edges = deque([key]), 0
        while pending and edges < MAX_SEARCHED_EDGES:
            current = pending.popleft()
            for name in self._dependencies.get(current, ()):
                edges += 1
                target = Key(key.namespace, name)
                if target not in came_from:
                    came_from[target] = current
                    pending.append(target)
        return came_from


def awaited_dependencies(
    dependencies: Dependencies, owner: Owner, *, observed: Observed, recorded: Iterable[Ref]
) -> tuple[Dependency, ...]:
    """Return the dependencies for which the first creation of the workload waits; none once it was created."""
    live = (ref for ref, child in observed.children.items() if child.owner_uid == owner.uid)
    if any(ref.name == owner.name and ref.kind in _WORKLOAD_KINDS for each in (live, recorded) for ref in each):
        return ()
    return tuple(each for each in dependencies.listed if not each.is_ready)


def without_workload(manifests: Iterable[Manifest]) -> tuple[Manifest, ...]:
    """Return the manifests that are applied before the dependencies are ready."""
    return tuple(manifest for manifest in manifests if manifest["kind"] not in _WAITING_KINDS)

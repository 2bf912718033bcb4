"""Times of successful writes, from audit records: of children, and of the status that a watch showed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from bench.audit import Record
from bench.system import Child


class Key(NamedTuple):
    """Namespace and name of a stack."""

    namespace: str
    name: str


class Write(NamedTuple):
    """The times of one successful write."""

    received: float
    completed: float


class Timeline:
    """The successful writes of one user, by object."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._writes: dict[tuple[str, str, str], list[Write]] = defaultdict(list)
        for one in records:
            if one.writes and one.succeeded:
                key = (one.resource, one.namespace, one.name)
                self._writes[key].append(Write(one.received, one.completed))
        for writes in self._writes.values():
            writes.sort()

    def first(self, resource: str, namespace: str, name: str, *, since: float = 0.0) -> Write | None:
        """Return the first write of an object that was received at that time or later."""
        writes = self._writes.get((resource, namespace, name), [])
        index = bisect_left(writes, (since, since))
        return writes[index] if index < len(writes) else None

    def last(self, resource: str, namespace: str, name: str, *, until: float) -> Write | None:
        """Return the last write of an object that was received by that time."""
        writes = self._writes.get((resource, namespace, name), [])
        index = bisect_right(writes, (until, float("inf")))
        return writes[index - 1] if index else None

    def child_written(self, child: Child, *, since: float = 0.0) -> float | None:
        """Return when the API server completed the first write of a child, or None."""
        write = self.first(child.resource.plural, child.namespace, child.name, since=since)
        return write.completed if write else None

    def all_written(self, children: Iterable[Child], *, since: float = 0.0) -> float | None:
        """Return when the last of the children was written, or None while one is missing."""
        times = [self.child_written(child, since=since) for child in children]
        return max((time for time in times if time is not None), default=None) if None not in times else None

    def status_written(self, plural: str, key: Key, *, observed: float) -> float:
        """Return when the status was written that a watch delivered at the time `observed`."""
        write = self.last(f"{plural}/status", key.namespace, key.name, until=observed)
        return min(write.completed, observed) if write else observed

    def first_write_of(self, resources: Collection[str]) -> float | None:
        """Return when the first write of any of these resources was received, or None."""
        found = (writes[0].received for (resource, *_), writes in self._writes.items() if resource in resources)
        return min(found, default=None)

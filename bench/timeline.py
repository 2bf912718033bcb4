"""When what happened, out of audit records: when a child was written, when a status became true. PURE."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from bench.audit import Record
from bench.contender import Child


class Key(NamedTuple):
    """Which stack."""

    namespace: str
    name: str


class Write(NamedTuple):
    """One write that succeeded."""

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
        """Return the first write of an object that came in at that time or later."""
        writes = self._writes.get((resource, namespace, name), [])
        index = bisect_left(writes, (since, since))
        return writes[index] if index < len(writes) else None

    def last(self, resource: str, namespace: str, name: str, *, until: float) -> Write | None:
        """Return the last write of an object that came in by that time."""
        writes = self._writes.get((resource, namespace, name), [])
        index = bisect_right(writes, (until, float("inf")))
        return writes[index - 1] if index else None

    def child(self, child: Child, *, since: float = 0.0) -> float | None:
        """Return when a child was written, that is when the API server had answered; None where it was not."""
        write = self.first(child.resource.plural, child.namespace, child.name, since=since)
        return write.completed if write else None

    def complete(self, children: Iterable[Child], *, since: float = 0.0) -> float | None:
        """Return when the last of these children was written; None while one is missing."""
        times = [self.child(child, since=since) for child in children]
        return max((time for time in times if time is not None), default=None) if None not in times else None

    def truth(self, plural: str, key: Key, *, seen: float) -> float:
        """Return when the status was written that a watch showed to be true at that moment."""
        write = self.last(f"{plural}/status", key.namespace, key.name, until=seen)
        return min(write.completed, seen) if write else seen

    def begin(self, resources: Collection[str]) -> float | None:
        """Return when the first write of such resources came in: a controller may note this and that beforehand."""
        found = (writes[0].received for (resource, *_), writes in self._writes.items() if resource in resources)
        return min(found, default=None)

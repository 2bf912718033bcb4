"""A queue that tenants share: they take turns, and a tenant's own keys are ordered by priority."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from enum import IntEnum
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

LOWER_PRIORITY_EVERY: Final = 10
"""One dequeue in ten prefers the lower priority, so that no key waits without bound."""


class Priority(IntEnum):
    """The reason for which a key waits; the lowest number is dequeued first."""

    HIGH = 0  # the spec is new: its children have yet to be applied
    NORMAL = 1  # an event of the AppStack or of a child
    LOW = 2  # listed at start with a status that is current: most of these need nothing


class _Tenant(Generic[K]):
    """The waiting keys of one tenant, by priority, each with the time since which it waits."""

    __slots__ = ("dequeued", "keys")

    def __init__(self) -> None:
        self.keys: dict[Priority, OrderedDict[K, float]] = {priority: OrderedDict() for priority in Priority}
        self.dequeued = 0

    def __bool__(self) -> bool:
        return any(self.keys.values())

    def priority(self, key: K) -> Priority | None:
        return next((priority for priority in Priority if key in self.keys[priority]), None)

    def next_priority(self) -> Priority:
        prefer_normal = (self.dequeued + 1) % LOWER_PRIORITY_EVERY == 0
        order = (Priority.NORMAL, Priority.HIGH, Priority.LOW) if prefer_normal else Priority
        return next(priority for priority in order if self.keys[priority])


class FairQueue(Generic[K]):
    """Waiting keys, each once, at the highest priority at which it was put.

    Tenants take turns. Keys of priority LOW wait behind those of all tenants. Within a tenant, HIGH precedes NORMAL.
    """

    def __init__(self, tenant: Callable[[K], Hashable]) -> None:
        self._tenant = tenant
        self._tenants: dict[Hashable, _Tenant[K]] = {}
        self._rotation: dict[bool, OrderedDict[Hashable, None]] = {False: OrderedDict(), True: OrderedDict()}  # is LOW
        self._length = self._dequeued = 0

    def __len__(self) -> int:
        """Return the number of waiting keys."""
        return self._length

    def __contains__(self, key: K) -> bool:
        """Return whether the key waits."""
        waiting = self._tenants.get(self._tenant(key))
        return waiting is not None and waiting.priority(key) is not None

    def put(self, key: K, since: float, priority: Priority = Priority.NORMAL) -> bool:
        """Queue a key; return whether that changed anything: it is new, or its priority is higher now.

        A key that has waited longer than the first of its tenant goes before it: a key that is taken out and put back
        with its old `since` loses no time.
        """
        tenant = self._tenant(key)
        waiting = self._tenants.setdefault(tenant, _Tenant())
        current = waiting.priority(key)
        if current is not None:
            if current <= priority:
                return False
            since = min(since, waiting.keys[current].pop(key))
            self._length -= 1
        keys = waiting.keys[priority]
        first = next(iter(keys.values()), since)
        keys[key] = since
        if since < first:
            keys.move_to_end(key, last=False)
        self._length += 1
        self._update_rotation(tenant)
        return True

    def pop(self, may_acquire: Callable[[Hashable], bool]) -> tuple[K, Priority] | None:
        """Take out the next key of an admissible tenant and return it with its priority; None if there is none."""
        prefer_low = (self._dequeued + 1) % LOWER_PRIORITY_EVERY == 0
        for is_low in (prefer_low, not prefer_low):
            tenant = next((tenant for tenant in self._rotation[is_low] if may_acquire(tenant)), None)
            if tenant is not None:
                break
        else:
            return None
        waiting = self._tenants[tenant]
        priority = Priority.LOW if is_low else waiting.next_priority()
        key, _ = waiting.keys[priority].popitem(last=False)
        self._rotation[is_low].move_to_end(tenant)
        self._dequeued += 1
        waiting.dequeued += not is_low
        self._removed(tenant)
        return key, priority

    def is_ready(self, may_acquire: Callable[[Hashable], bool]) -> bool:
        """Return whether a key of an admissible tenant waits."""
        return any(may_acquire(tenant) for tenant in self._tenants)

    def has_high(self, may_acquire: Callable[[Hashable], bool]) -> bool:
        """Return whether a key of priority HIGH of an admissible tenant waits."""
        return any(
            self._tenants[tenant].keys[Priority.HIGH] and may_acquire(tenant) for tenant in self._rotation[False]
        )

    def remove(self, key: K) -> None:
        """Take a key out, if it waits."""
        tenant = self._tenant(key)
        waiting = self._tenants.get(tenant)
        priority = waiting.priority(key) if waiting is not None else None
        if waiting is not None and priority is not None:
            del waiting.keys[priority][key]
            self._removed(tenant)

    def oldest(self) -> float | None:
        """Return the time since which the longest waiting key waits."""
        queues = (keys for waiting in self._tenants.values() for keys in waiting.keys.values())
        return min((next(iter(keys.values())) for keys in queues if keys), default=None)

    def _removed(self, tenant: Hashable) -> None:
        self._length -= 1
        self._update_rotation(tenant)
        if not self._tenants[tenant]:
            del self._tenants[tenant]

    def _update_rotation(self, tenant: Hashable) -> None:
        """Keep a tenant in the rotation of each priority at which it has keys."""
        keys = self._tenants[tenant].keys
        for is_low, waits in ((False, keys[Priority.HIGH] or keys[Priority.NORMAL]), (True, keys[Priority.LOW])):
            if waits:
                self._rotation[is_low].setdefault(tenant)
            else:
                self._rotation[is_low].pop(tenant, None)

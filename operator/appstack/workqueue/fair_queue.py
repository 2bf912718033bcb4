"""A queue that tenants share: they take turns, and a tenant's own keys are ordered by priority."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from enum import IntEnum
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

LOW_PRIORITY_EVERY: Final = 10
"""One dequeue of a tenant in ten starts at its lowest priority, so that a busy tenant starves none of its own keys."""


class Priority(IntEnum):
    """The reason for which a key waits; the lowest number is dequeued first."""

    HIGH = 0  # the spec is new: its children have yet to be applied
    NORMAL = 1  # an event of the AppStack or of a child
    LOW = 2  # listed at start with a status that is current: most of these need nothing


class _Tenant(Generic[K]):
    """The waiting keys of one tenant: by priority, each with the time since which it waits."""

    __slots__ = ("dequeued", "keys")

    def __init__(self) -> None:
        self.keys: tuple[OrderedDict[K, float], ...] = tuple(OrderedDict() for _ in Priority)
        self.dequeued = 0

    def priority(self, key: K) -> Priority | None:
        return next((priority for priority in Priority if key in self.keys[priority]), None)

    def pop(self) -> tuple[K, Priority]:
        self.dequeued += 1
        order = reversed(Priority) if self.dequeued % LOW_PRIORITY_EVERY == 0 else Priority
        priority = next(priority for priority in order if self.keys[priority])
        key, _ = self.keys[priority].popitem(last=False)
        return key, priority


class FairQueue(Generic[K]):
    """Waiting keys, each once, at the highest priority at which it was put."""

    def __init__(self, tenant: Callable[[K], Hashable]) -> None:
        self._tenant = tenant
        self._waiting: OrderedDict[Hashable, _Tenant[K]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        """Return the number of waiting keys."""
        return self._length

    def __contains__(self, key: K) -> bool:
        """Return whether the key waits."""
        waiting = self._waiting.get(self._tenant(key))
        return waiting is not None and waiting.priority(key) is not None

    def put(self, key: K, since: float, priority: Priority = Priority.NORMAL) -> bool:
        """Queue a key; return whether that changed anything: it is new, or its priority is higher now.

        A key that has waited longer than the first of its tenant goes before it: a key that is taken out and put back
        with its old `since` loses no time.
        """
        waiting = self._waiting.setdefault(self._tenant(key), _Tenant())
        present = waiting.priority(key)
        if present is not None:
            if present <= priority:
                return False
            since = min(since, waiting.keys[present].pop(key))
            self._length -= 1
        keys = waiting.keys[priority]
        first = next(iter(keys.values()), since)
        keys[key] = since
        if since < first:
            keys.move_to_end(key, last=False)
        self._length += 1
        return True

    def pop(self, may_acquire: Callable[[Hashable], bool]) -> tuple[K, Priority] | None:
        """Take the next key of the next admissible tenant out; return it, or None where no admissible tenant waits."""
        tenant = self._next(may_acquire)
        if tenant is None:
            return None
        waiting = self._waiting[tenant]
        popped = waiting.pop()
        self._waiting.move_to_end(tenant)
        self._removed(tenant)
        return popped

    def is_ready(self, may_acquire: Callable[[Hashable], bool]) -> bool:
        """Return whether a key of an admissible tenant waits."""
        return self._next(may_acquire) is not None

    def has(self, tenant: Hashable, priority: Priority) -> bool:
        """Return whether keys of the tenant wait at this priority."""
        waiting = self._waiting.get(tenant)
        return waiting is not None and bool(waiting.keys[priority])

    def remove(self, key: K) -> None:
        """Take a key out, if it waits."""
        tenant = self._tenant(key)
        waiting = self._waiting.get(tenant)
        priority = waiting.priority(key) if waiting is not None else None
        if waiting is not None and priority is not None:
            del waiting.keys[priority][key]
            self._removed(tenant)

    def oldest(self) -> float | None:
        """Return the time since which the longest waiting key waits."""
        firsts = (next(iter(keys.values())) for waiting in self._waiting.values() for keys in waiting.keys if keys)
        return min(firsts, default=None)

    def _next(self, may_acquire: Callable[[Hashable], bool]) -> Hashable | None:
        return next((tenant for tenant in self._waiting if may_acquire(tenant)), None)

    def _removed(self, tenant: Hashable) -> None:
        self._length -= 1
        if not any(self._waiting[tenant].keys):
            del self._waiting[tenant]

"""Whose turn it is: the order of those who wait, and how often one of them may come."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)


class FairQueue(Generic[K]):
    """Waiting keys, group by group: each group has one turn in each round, its keys in the order in which they came."""

    def __init__(self, group: Callable[[K], Hashable]) -> None:
        self._group = group
        self._waiting: OrderedDict[Hashable, OrderedDict[K, float]] = OrderedDict()
        self._served: dict[Hashable, float] = {}  # when a group that waits last had a turn
        self._count = 0

    def __len__(self) -> int:
        """How many keys wait."""
        return self._count

    def __contains__(self, key: K) -> bool:
        """Tell whether a key waits."""
        return key in self._waiting.get(self._group(key), ())

    def put(self, key: K, since: float) -> None:
        """Let a key wait, that does not wait yet; `since` is when it began to."""
        self._waiting.setdefault(self._group(key), OrderedDict())[key] = since
        self._count += 1

    def take(self, may: Callable[[Hashable], bool], now: float) -> K | None:
        """Return the key whose turn it is, of the groups that may; its group stands last in the next round."""
        group = self._first(may)
        if group is None:
            return None
        key, _ = self._waiting[group].popitem(last=False)
        self._waiting.move_to_end(group)
        self._served[group] = now
        self._left(group)
        return key

    def waits(self, may: Callable[[Hashable], bool]) -> bool:
        """Tell whether a key waits of a group that may."""
        return self._first(may) is not None

    def flow(self, since: float) -> bool:
        """Tell whether a group that waits has had a turn since then: others may be waiting for what hangs."""
        return any(served > since for served in self._served.values())

    def remove(self, key: K) -> float | None:
        """Let a key wait no longer; return since when it has, None if it has not."""
        group = self._group(key)
        since = self._waiting.get(group, OrderedDict()).pop(key, None)
        if since is not None:
            self._left(group)
        return since

    def oldest(self) -> float | None:
        """Return since when the key that waits longest has waited."""
        return min((next(iter(keys.values())) for keys in self._waiting.values()), default=None)

    def _first(self, may: Callable[[Hashable], bool]) -> Hashable | None:
        return next((group for group in self._waiting if may(group)), None)

    def _left(self, group: Hashable) -> None:
        self._count -= 1
        if not self._waiting[group]:
            del self._waiting[group]
            self._served.pop(group, None)


class Priority(IntEnum):
    """Why a key waits: the best reason stands first."""

    NORMAL = 0  # something has happened to it
    STATUS = 1  # all is done but to tell of it
    LOW = 2  # nothing is known to have happened to it


_REST: Final = 10  # every tenth turn is first for those that may come later: somebody may have changed their objects
_TELLERS: Final = 1  # workers that tell while there are looks to be done: each word puts a look off
_SILENCE: Final = 32  # turns between two words while looks wait and are done
FLOW: Final = 0.25
"""Seconds after which a group that waits and has had no turn is none that a word would hold up."""
SLOW: Final = 5.0
"""Seconds after which one that tells counts no more: what it writes hangs, and others have something to tell."""


class Item(NamedTuple, Generic[K]):
    """A key that is handed to a worker, and why."""

    key: K
    lane: Priority


class PriorityQueue(Generic[K]):
    """Waiting keys by why they wait, each once: for the best reason."""

    def __init__(self, group: Callable[[K], Hashable]) -> None:
        self._group = group
        self._lanes: dict[Priority, FairQueue[K]] = {lane: FairQueue(group) for lane in Priority}
        self._looked_at: set[K] = set()  # with a worker, because something has happened to them
        self._told_of: dict[K, tuple[Hashable, float]] = {}  # with a worker that tells: their groups, and since when
        self._taken = self._taken_since_told = 0

    def __len__(self) -> int:
        """How many keys wait."""
        return sum(map(len, self._lanes.values()))

    def put(self, key: K, lane: Priority, now: float) -> bool:
        """Let a key wait; tell whether a worker may have been waiting for that: it is new, or has a better reason."""
        former = next((lane for lane, turns in self._lanes.items() if key in turns), None)
        if former is None:
            self._lanes[lane].put(key, now)
        elif lane < former:
            since = self._lanes[former].remove(key)
            self._lanes[lane].put(key, now if since is None else since)
        return former is None or lane < former

    def take(self, may: Callable[[Hashable], bool], now: float) -> Item[K] | None:
        """Return the key whose turn it is, of the groups that may; None where nobody waits who may."""
        for lane in self._order(now):
            key = self._lanes[lane].take(self._may(lane, may), now)
            if key is not None:
                self._taken += 1
                self._taken_since_told = 0 if lane is Priority.STATUS else self._taken_since_told + 1
                if lane is Priority.STATUS:
                    self._told_of[key] = self._group(key), now
                elif lane is Priority.NORMAL:
                    self._looked_at.add(key)
                return Item(key, lane)
        return None

    def done(self, key: K) -> None:
        """Take in that a key is with no worker any more."""
        self._told_of.pop(key, None)
        self._looked_at.discard(key)

    def waits(self, may: Callable[[Hashable], bool], now: float) -> bool:
        """Tell whether it is the turn of any key, of the groups that may."""
        return any(self._lanes[lane].waits(self._may(lane, may)) for lane in self._order(now))

    def _order(self, now: float) -> tuple[Priority, ...]:
        looks = (Priority.NORMAL, Priority.LOW)
        flow = self._lanes[Priority.NORMAL].flow(now - FLOW) and self._taken_since_told < _SILENCE
        silent = flow or (self._busy() and self._tellers(now) >= _TELLERS)
        lanes = looks if silent else (Priority.STATUS, *looks)
        return (Priority.LOW, *lanes) if (self._taken + 1) % _REST == 0 else lanes

    def _may(self, lane: Priority, may: Callable[[Hashable], bool]) -> Callable[[Hashable], bool]:
        if lane is not Priority.STATUS or not self._busy():
            return may
        telling = {group for group, _ in self._told_of.values()}
        return lambda group: group not in telling and may(group)

    def _tellers(self, now: float) -> int:
        return sum(now - since < SLOW for _, since in self._told_of.values())

    def _busy(self) -> bool:
        """Tell whether there is work that words would hold up."""
        return bool(self._lanes[Priority.NORMAL] or self._looked_at)

    def oldest(self) -> float | None:
        """Return since when the key that waits longest has waited."""
        return min((since for turns in self._lanes.values() if (since := turns.oldest()) is not None), default=None)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How often a key may have its turn: `burst` times at once, then every `spacing` seconds."""

    burst: int = 10
    spacing: float = 0.5


DEFAULT_RATE_LIMIT: Final = RateLimit()


class RateLimiter(Generic[K]):
    """Keeps a key that never comes to rest from being looked at all the time. A key at rest is not remembered."""

    def __init__(self, rate: RateLimit) -> None:
        self._rate = rate
        self._used: OrderedDict[K, float] = OrderedDict()  # when all its turns so far are made up for

    def wait(self, key: K, now: float) -> float:
        """Return the seconds until the key may have its turn; none or less: now."""
        return self._used.get(key, now) - now - (self._rate.burst - 1) * self._rate.spacing

    def took(self, key: K, now: float) -> None:
        """Take in that a key has its turn."""
        self._used[key] = max(self._used.get(key, now), now) + self._rate.spacing
        self._used.move_to_end(key)
        while self._used and (first := next(iter(self._used.items())))[1] <= now:
            del self._used[first[0]]

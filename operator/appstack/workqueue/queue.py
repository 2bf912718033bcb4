"""A level-triggered work queue: what matters is that a key needs a look, not how often that was said."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from appstack.workqueue.fair_queue import (
    DEFAULT_RATE_LIMIT,
    FLOW,
    SLOW,
    Item,
    Priority,
    PriorityQueue,
    RateLimit,
    RateLimiter,
)
from appstack.workqueue.fair_share import FairShare

K = TypeVar("K", bound=Hashable)


class Timer(Protocol):
    """What a clock returns for a call to come."""

    def cancel(self) -> None:
        """Forget the call."""

    def when(self) -> float:
        """When it comes."""


class Clock(Protocol):
    """The part of an event loop that the queue needs."""

    def time(self) -> float:
        """Return the time in seconds."""

    def call_at(self, when: float, callback: Callable[[], None], /) -> Timer:
        """Call back at that time."""


@dataclass(frozen=True, slots=True)
class Result:
    """When a key wants its next look, besides when something happens to it."""

    after: float | None = None  # seconds; never, when None
    failed: bool = False  # with back-off, at the earliest after `after`
    untried: bool = False  # nothing was tried, or not all of it: what is remembered of failures stays
    tell: bool = False  # what was done is to be told, as soon as nobody waits for a look


DONE: Final = Result()


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a key that fails waits: twice as long each time, a little more or less."""

    first: float = 0.5
    longest: float = 120.0
    jitter: float = 0.2

    def delay(self, failures: int, chance: float) -> float:
        """Return the seconds before the next try; `chance` lies between 0 and 1."""
        plain: float = min(self.longest, self.first * 2.0 ** min(failures, 30))
        return plain * (1 + self.jitter * (2 * chance - 1))


class WorkQueue(Generic[K]):
    """Every key is with one worker at most; what happens to it meanwhile folds into one more look.

    Groups of keys take turns, so that nobody waits because another has much to do; and each has its share of the
    workers, so that nobody waits because another's looks hang. Looks come before what is only to be told: work before
    words.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        group: Callable[[K], Hashable],
        workers: int,
        backoff: Backoff = Backoff(),
        rate: RateLimit = DEFAULT_RATE_LIMIT,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._backoff = backoff
        self._chance = chance
        self._group = group
        self._shares = FairShare(workers)
        self._waiting: PriorityQueue[K] = PriorityQueue(group)
        self._allowance: RateLimiter[K] = RateLimiter(rate)
        self._again: set[K] = set()  # to be looked at again once its worker is done
        self._processing: set[K] = set()
        self._timers: dict[K, Timer] = {}
        self._failures: dict[K, int] = {}
        self._wakers: deque[asyncio.Future[None]] = deque()
        self._closed = False

    def __len__(self) -> int:
        """How many keys wait for a worker."""
        return len(self._waiting)

    def age(self) -> float:
        """Return the seconds for which the key that waits longest has waited for a worker."""
        since = self._waiting.oldest()
        return 0.0 if since is None else self._clock.time() - since

    def add(self, key: K, *, later: bool = False) -> None:
        """Have a look at the key as soon as it is its turn; `later`: behind all those that something happened to."""
        if self._closed:
            return
        if key in self._processing:
            self._again.add(key)
            return
        wait = self._allowance.wait(key, self._clock.time())
        if wait > 0:
            self.add_after(key, wait)
        else:
            self._put(key, Priority.LOW if later else Priority.NORMAL)

    def add_after(self, key: K, delay: float) -> None:
        """Have a look at the key in `delay` seconds; the earliest of several such wishes counts."""
        when = self._clock.time() + delay
        timer = self._timers.get(key)
        if self._closed or (timer is not None and timer.when() <= when):
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = self._clock.call_at(when, lambda: self._due(key))

    async def get(self) -> Item[K] | None:
        """Wait for a key and take it, with the lane that it comes from; None when the queue is closed."""
        while not self._closed:
            turn = self._take()
            if turn is not None:
                self._wake_where_it_helps()  # a key that was done may have let two groups go on
                return turn
            waker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._wakers.append(waker)
            await waker
        return None

    def done(self, key: K, again: Result = DONE) -> None:
        """Give a key back, with what its worker wishes."""
        self._processing.discard(key)
        self._waiting.done(key)
        self._shares.give_back(self._group(key))
        if again.failed:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
            self.add_after(key, max(again.after or 0.0, self._backoff.delay(failures, self._chance())))
        else:
            if not (again.untried or again.tell):
                self._failures.pop(key, None)
            if again.after is not None:
                self.add_after(key, again.after)
        if key in self._again:
            self._again.discard(key)
            self.add(key)
        if again.tell and not self._closed:
            self._put(
                key, Priority.STATUS
            )  # where it waits for a look already, that look finds anew what there is to tell

    def caught_up(self, key: K) -> None:
        """Take in from a key's worker that it has seen all that happened to the key until now."""
        self._again.discard(key)

    def forget(self, key: K) -> None:
        """Drop what is remembered of a key that is gone."""
        self._failures.pop(key, None)
        self._cancel(key)

    def close(self) -> None:
        """Hand out nothing more: whoever waits gets None."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        while self._wakers:
            self._wake()

    def _take(self) -> Item[K] | None:
        now = self._clock.time()
        turn = self._waiting.take(self._shares.may, now)
        if turn is None:
            return None
        self._processing.add(turn.key)
        self._shares.take(self._group(turn.key))
        self._clock.call_at(now + (SLOW if turn.lane is Priority.STATUS else FLOW), self._wake_where_it_helps)
        if turn.lane is not Priority.STATUS:
            self._allowance.took(turn.key, now)
            self._cancel(turn.key)  # this look is the one that was wished for
        return turn

    def _put(self, key: K, lane: Priority) -> None:
        if self._waiting.put(key, lane, self._clock.time()):
            self._wake()

    def _cancel(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _wake_where_it_helps(self) -> None:
        if self._wakers and self._waiting.waits(self._shares.may, self._clock.time()):
            self._wake()

    def _wake(self) -> None:
        while self._wakers:
            waker = self._wakers.popleft()
            if not waker.done():
                waker.set_result(None)
                return

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

"""A level-triggered work queue: what matters is that a key needs a look, not how often that was said."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from appstack.turns import RATE, Allowance, Rate, Turns

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
class Again:
    """When a key wants its next look, besides when something happens to it."""

    after: float | None = None  # seconds; never, when None
    failed: bool = False  # with back-off, at the earliest after `after`
    untried: bool = False  # it was too early: what is remembered of failures stays


DONE: Final = Again()

_SHARE: Final = 10  # every tenth turn is for those that may come later: somebody may have changed their objects, too


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

    Groups of keys take turns, so that nobody waits because another has much to do.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        group: Callable[[K], Hashable],
        backoff: Backoff = Backoff(),
        rate: Rate = RATE,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._backoff = backoff
        self._chance = chance
        self._live: Turns[K] = Turns(group)
        self._later: Turns[K] = Turns(group)
        self._taken = 0
        self._allowance: Allowance[K] = Allowance(rate)
        self._again: set[K] = set()  # to be looked at again once its worker is done
        self._processing: set[K] = set()
        self._timers: dict[K, Timer] = {}
        self._failures: dict[K, int] = {}
        self._wakers: deque[asyncio.Future[None]] = deque()
        self._closed = False

    def __len__(self) -> int:
        """How many keys wait for a worker."""
        return len(self._live) + len(self._later)

    def age(self) -> float:
        """Return the seconds for which the key that waits longest has waited for a worker."""
        now = self._clock.time()
        since = (lane.oldest() for lane in (self._live, self._later))
        return max(0.0 if began is None else now - began for began in since)

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
            self._put(key, self._later if later else self._live)

    def add_after(self, key: K, delay: float) -> None:
        """Have a look at the key in `delay` seconds; the earliest of several such wishes counts."""
        when = self._clock.time() + delay
        timer = self._timers.get(key)
        if self._closed or (timer is not None and timer.when() <= when):
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = self._clock.call_at(when, lambda: self._due(key))

    async def get(self) -> K | None:
        """Wait for a key and take it; None when the queue is closed."""
        while not len(self) and not self._closed:
            waker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._wakers.append(waker)
            await waker
        return None if self._closed else self._take()

    def done(self, key: K, again: Again = DONE) -> None:
        """Give a key back, with what its worker wishes."""
        self._processing.discard(key)
        if again.failed:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
            self.add_after(key, max(again.after or 0.0, self._backoff.delay(failures, self._chance())))
        else:
            if not again.untried:
                self._failures.pop(key, None)
            if again.after is not None:
                self.add_after(key, again.after)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

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

    def _take(self) -> K:
        self._taken += 1
        rest = self._taken % _SHARE == 0
        key = (self._later if len(self._later) and (rest or not len(self._live)) else self._live).take()
        self._processing.add(key)
        self._allowance.took(key, self._clock.time())
        self._cancel(key)  # this look is the one that was wished for
        return key

    def _put(self, key: K, lane: Turns[K]) -> None:
        """Let a key wait, once: in the lane for which there is more reason."""
        if key in self._live or (lane is self._later and key in self._later):
            return
        since = self._later.remove(key)
        lane.put(key, self._clock.time() if since is None else since)
        if since is None:
            self._wake()

    def _cancel(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _wake(self) -> None:
        while self._wakers:
            waker = self._wakers.popleft()
            if not waker.done():
                waker.set_result(None)
                return

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

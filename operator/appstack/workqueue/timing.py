"""Time in the work queue: the clock, back-off after failures, and the rate limit of a key."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)


class Timer(Protocol):
    """A scheduled call, as `asyncio.TimerHandle` is one."""

    def cancel(self) -> None:
        """Cancel the call."""

    def when(self) -> float:
        """Return the time of the call, in seconds of the clock."""


class Clock(Protocol):
    """The part of an event loop that schedules calls."""

    def time(self) -> float:
        """Return the time in seconds."""

    def call_at(self, when: float, callback: Callable[[], None], /) -> Timer:
        """Schedule a call."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with jitter; times are seconds, `jitter` is a fraction of the delay."""

    first: float = 0.5
    longest: float = 120.0
    jitter: float = 0.2

    def delay(self, failures: int, chance: float) -> float:
        """Return the seconds before the next attempt; `chance`, from 0 to 1, places it within the jitter."""
        plain: float = min(self.longest, self.first * 2.0 ** min(failures, 30))
        return plain * (1 + self.jitter * (2 * chance - 1))


DEFAULT_BACKOFF: Final = Backoff()


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket: `burst` dequeues of a key at once, then one every `interval` seconds."""

    burst: int = 10
    interval: float = 0.5


DEFAULT_RATE_LIMIT: Final = RateLimit()


class RateLimiter(Generic[K]):
    """Limits how often each key is dequeued. A key whose bucket is full again takes no memory."""

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._full_at: OrderedDict[K, float] = OrderedDict()

    def delay(self, key: K, now: float) -> float:
        """Return the seconds until the key may be dequeued; zero or less means now."""
        return self._full_at.get(key, now) - now - (self._limit.burst - 1) * self._limit.interval

    def record(self, key: K, now: float) -> None:
        """Count a dequeue of the key."""
        self._full_at[key] = max(self._full_at.get(key, now), now) + self._limit.interval
        self._full_at.move_to_end(key)
        while self._full_at and (oldest := next(iter(self._full_at.items())))[1] <= now:
            del self._full_at[oldest[0]]

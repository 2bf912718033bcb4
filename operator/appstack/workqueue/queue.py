"""The work queue: level-triggered, fair between tenants, with back-off and a rate limit for each key."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from appstack.workqueue.fair_queue import FairQueue, Priority
from appstack.workqueue.fair_share import FairShare
from appstack.workqueue.timing import DEFAULT_BACKOFF, DEFAULT_RATE_LIMIT, Backoff, Clock, RateLimit, RateLimiter, Timer

K = TypeVar("K", bound=Hashable)

BACKLOG_SECONDS: Final = 1.0
"""A backlog lasts while new specs wait and one is dequeued at least this often; hanging reconciles are no backlog."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a reconcile: when to reconcile the key again, apart from events."""

    requeue_after: float | None = None  # seconds; None: not before the next event
    failed: bool = False  # requeue with back-off, not before `requeue_after`
    keep_backoff: bool = False  # do not reset the back-off: nothing was attempted, or only a part


DONE: Final = Result()


class WorkQueue(Generic[K]):
    """Keys to reconcile. A key is with one worker at most; events meanwhile fold into one more reconcile.

    Tenants take turns, and each may hold its fair share of the workers. The queue accepts keys from `open` to `close`:
    a standby enqueues nothing.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        tenant: Callable[[K], Hashable],
        workers: int,
        backoff: Backoff = DEFAULT_BACKOFF,
        rate_limit: RateLimit = DEFAULT_RATE_LIMIT,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._tenant = tenant
        self._backoff = backoff
        self._chance = chance
        self._share = FairShare(workers)
        self._waiting: FairQueue[K] = FairQueue(tenant)
        self._rate_limiter: RateLimiter[K] = RateLimiter(rate_limit)
        self._processing: set[K] = set()
        self._dirty: dict[K, Priority] = {}  # keys with events since a worker took them
        self._timers: dict[K, tuple[Timer, Priority]] = {}
        self._failures: dict[K, int] = {}
        self._idle_workers: deque[asyncio.Future[None]] = deque()
        self._backlog_seen = float("-inf")
        self._open = False
        self._closed = False

    def __len__(self) -> int:
        """Return the number of keys that wait for a worker."""
        return len(self._waiting)

    def __contains__(self, key: K) -> bool:
        """Return whether the key is queued, or dirty while a worker has it."""
        return key in self._waiting or key in self._dirty

    def longest_wait(self) -> float:
        """Return the seconds for which the longest waiting key has waited for a worker."""
        since = self._waiting.oldest()
        return 0.0 if since is None else self._clock.time() - since

    def is_backlogged(self) -> bool:
        """Return whether new specs wait and workers are getting through them."""
        return self._clock.time() - self._backlog_seen < BACKLOG_SECONDS

    def add(self, key: K, priority: Priority = Priority.NORMAL) -> None:
        """Reconcile the key as soon as a worker is free and its rate limit allows."""
        if not self._open:
            return
        if key in self._processing:
            self._dirty[key] = min(priority, self._dirty.get(key, priority))
            return
        delay = self._rate_limiter.delay(key, self._clock.time())
        if delay > 0:
            self.add_after(key, delay, priority)
        elif self._waiting.put(key, self._clock.time(), priority):
            self._notify()

    def add_after(self, key: K, delay: float, priority: Priority = Priority.NORMAL) -> None:
        """Reconcile the key in `delay` seconds; of several requests, the earliest time and highest priority count."""
        if not self._open:
            return
        when = self._clock.time() + delay
        if key in self._timers:
            timer, other = self._timers[key]
            when, priority = min(when, timer.when()), min(priority, other)
            timer.cancel()
        self._timers[key] = self._clock.call_at(when, lambda: self._on_timer(key, priority)), priority

    async def get(self) -> K | None:
        """Wait for a key and take it; return None when the queue is closed."""
        while not self._closed:
            key = self._pop()
            if key is not None:
                self._notify()  # the release of a slot may have made two tenants admissible
                return key
            idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle_workers.append(idle)
            await idle
        return None

    def done(self, key: K, result: Result = DONE) -> None:
        """Return a key that `get` gave out, with the result of its reconcile."""
        self._processing.discard(key)
        self._share.release(self._tenant(key))
        if result.failed:
            self.retry(key, after=result.requeue_after)
        else:
            if not result.keep_backoff:
                self.reset_backoff(key)
            if result.requeue_after is not None:
                self.add_after(key, result.requeue_after)
        priority = self._dirty.pop(key, None)
        if priority is not None:
            self.add(key, priority)

    def retry(self, key: K, *, after: float | None = None) -> None:
        """Count a failure of the key and reconcile it again with back-off, in `after` seconds at the earliest."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, max(after or 0.0, self._backoff.delay(failures, self._chance())))

    def reset_backoff(self, key: K) -> None:
        """Reset the back-off of a key."""
        self._failures.pop(key, None)

    def clear_dirty(self, key: K) -> None:
        """Drop the events of a key since a worker took it, because its reconcile has observed them."""
        self._dirty.pop(key, None)

    def forget(self, key: K) -> None:
        """Drop the back-off and the timer of a key that is gone."""
        self.reset_backoff(key)
        self._cancel_timer(key)

    def open(self) -> None:
        """Accept keys from now on."""
        self._open = not self._closed

    def close(self) -> None:
        """Give out nothing more; each waiting `get` returns None."""
        self._open, self._closed = False, True
        for timer, _ in self._timers.values():
            timer.cancel()
        self._timers.clear()
        while self._idle_workers:
            self._wake_one()

    def _pop(self) -> K | None:
        popped = self._waiting.pop(self._share.may_acquire)
        if popped is None:
            return None
        key, priority = popped
        tenant, now = self._tenant(key), self._clock.time()
        if priority is Priority.HIGH and self._waiting.has_high(
            lambda other: other == tenant or self._share.may_acquire(other)
        ):
            self._backlog_seen = now
        self._processing.add(key)
        self._share.acquire(tenant)
        self._rate_limiter.record(key, now)
        self._cancel_timer(key)  # this reconcile is the one that was scheduled
        return key

    def _cancel_timer(self, key: K) -> None:
        if key in self._timers:
            timer, _ = self._timers.pop(key)
            timer.cancel()

    def _notify(self) -> None:
        """Wake a worker, if one is idle and there is a key that it may have."""
        if self._idle_workers and self._waiting.is_ready(self._share.may_acquire):
            self._wake_one()

    def _wake_one(self) -> None:
        while self._idle_workers:
            idle = self._idle_workers.popleft()
            if not idle.done():
                idle.set_result(None)
                return

    def _on_timer(self, key: K, priority: Priority) -> None:
        del self._timers[key]
        self.add(key, priority)

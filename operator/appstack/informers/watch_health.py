"""The health of a watch, and the pace at which it reconnects."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from typing import Final

logger = logging.getLogger(__name__)

STALE_SECONDS: Final = 150.0
"""Seconds without a list, event or bookmark until a watch is stale, or stuck if it also sends no request."""

STABLE_SECONDS: Final = 15.0
"""Time without a failure after which a watch counts as stable: a relist that a failure made necessary is over."""

FORBIDDEN_STATUS: Final = 403
FORBIDDEN_RETRY_SECONDS: Final = 30.0
"""Seconds between the attempts to watch a namespace without permission. Its own users may have removed the RoleBinding,
or have deleted the namespace with it."""

_REPORTED_FAILURES: Final = 2  # in a row: a single broken connection is no news
_LASTING_SECONDS: Final = 10.0  # a watch that lasted this long reconnects at once
_MAX_RETRY_AFTER_SECONDS: Final = 60.0


class WatchHealth:
    """Heartbeats, attempts and failures of one watch, for /livez, /readyz and metrics."""

    def __init__(self, resource: str, namespace: str = "", *, now: Callable[[], float] = time.monotonic) -> None:
        self.resource = resource
        self.namespace = namespace  # empty: a watch of all namespaces
        self.is_forbidden = False  # since the last heartbeat; only of a watch of one namespace
        self._now = now
        self._last_heartbeat = float("-inf")
        self._last_attempt = float("inf")  # a watch that has yet to begin is not stuck
        self._failures = 0  # in a row
        self._last_failure = float("-inf")

    def __str__(self) -> str:
        """Return the resource, and the namespace if it is a watch of one."""
        return f"{self.resource} in {self.namespace}" if self.namespace else self.resource

    @property
    def age(self) -> float:
        """Seconds since the last sign of life."""
        return self._now() - self._last_heartbeat

    @property
    def is_fresh(self) -> bool:
        """Whether the cache that this watch fills is up to date."""
        return self.age < STALE_SECONDS

    @property
    def is_alive(self) -> bool:
        """Whether the watch still tries, even without success: the API server may be down."""
        return self._now() - self._last_attempt < STALE_SECONDS

    @property
    def is_stable(self) -> bool:
        """Whether the watch has not failed for a while, so that no event is late."""
        return self._now() - self._last_failure >= STABLE_SECONDS

    def attempt(self) -> None:
        """Record a request to list or watch."""
        self._last_attempt = self._now()

    def synced(self) -> None:
        """Record a complete list. The watch that follows may still fail, so failures still count."""
        self._last_heartbeat = self._last_attempt = self._now()
        self.is_forbidden = False

    def heartbeat(self) -> None:
        """Record a sign of life of a watch, and log the recovery from reported failures."""
        self.synced()
        if self._failures >= _REPORTED_FAILURES:
            logger.info("Watch of %s re-established", self)
        self._failures = 0

    def failure(self, cause: str, *, status: int = 0) -> None:
        """Record a failure with the status code of the response, if there was one, and log it once where it lasts."""
        self.is_forbidden = status == FORBIDDEN_STATUS and bool(self.namespace)
        self._failures += 1
        self._last_failure = self._now()
        level = logging.WARNING if self._failures == _REPORTED_FAILURES else logging.DEBUG
        logger.log(level, "Watch of %s failed: %s", self, cause)


class ReconnectBackoff:
    """Delays between attempts: none after an attempt that lasted, growing ones after attempts that achieved nothing."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._started = float("-inf")
        self._delays = _growing_delays()
        self._progressed = False

    def progress(self) -> None:
        """Note that the present attempt has achieved something."""
        self._progressed = True

    def next_delay(self, *, at_least: float = 0.0) -> float:
        """Return the seconds to wait before the next attempt, which counts as started then."""
        lasted = self._now() - self._started >= _LASTING_SECONDS
        if lasted or self._progressed:
            self._delays = _growing_delays()
        delay = max(0.0 if lasted else next(self._delays), min(at_least, _MAX_RETRY_AFTER_SECONDS))
        self._started, self._progressed = self._now() + delay, False
        return delay


def _growing_delays() -> Iterator[float]:
    """Yield delays that double up to five seconds, jittered so that clients do not synchronise."""
    delay = 0.5
    while True:
        yield delay * random.uniform(0.5, 1.5)
        delay = min(delay * 2, 5.0)

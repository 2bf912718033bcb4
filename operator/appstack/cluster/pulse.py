"""The signs of life of one watch, and how soon it may be begun again."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from typing import Final

from appstack import metrics

logger = logging.getLogger(__name__)

SILENCE: Final = 90.0
"""Seconds after which a stream that brings nothing is given up: a healthy one brings a bookmark each minute."""

STALE: Final = 150.0
"""Seconds after which what a watch has shown no longer counts as what is."""

_HELD: Final = 10.0  # seconds; a watch that lasted so long is begun again at once
_LONGEST: Final = 60.0  # seconds; how long the server may send us away


class Pulse:
    """What is known of one watch: when it last showed what is, and whether it still tries."""

    def __init__(self, resource: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self.resource = resource
        self._now = now
        self._beat = float("-inf")
        self._turn = now()
        self._troubled = False
        metrics.WATCH_AGE.labels(resource).set_function(lambda: self.age)

    @property
    def age(self) -> float:
        """Return the seconds since the server last showed that the watch is alive."""
        return self._now() - self._beat

    @property
    def fresh(self) -> bool:
        """Whether what the watch has shown is of now."""
        return self.age < STALE

    @property
    def alive(self) -> bool:
        """Whether it still tries, be it in vain: the server may be down."""
        return self._now() - self._turn < STALE

    def turn(self) -> None:
        """Take in that it tries."""
        self._turn = self._now()

    def beat(self) -> None:
        """Take in a sign from the server; say so where there was trouble."""
        self._beat = self._turn = self._now()
        if self._troubled:
            self._troubled = False
            logger.info("Watch of %s: well again", self.resource)

    def trouble(self, why: str) -> None:
        """Take in that it failed; say so once, until it is well again."""
        logger.log(logging.DEBUG if self._troubled else logging.WARNING, "Watch of %s: %s", self.resource, why)
        self._troubled = True


class Pace:
    """Lets rounds follow each other at once where they last, and more and more slowly where they don't."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = float("-inf")
        self._delays = _delays()

    def pause(self, *, at_least: float = 0.0) -> float:
        """Return the seconds to wait before the next round, which begins then."""
        delay = 0.0
        if self._now() - self._began < _HELD:
            delay = next(self._delays)
        else:
            self._delays = _delays()
        delay = max(delay, min(at_least, _LONGEST))
        self._began = self._now() + delay
        return delay


def _delays() -> Iterator[float]:
    """Yield delays that grow to some seconds, never in step with others."""
    delay = 0.5
    while True:
        yield delay * random.uniform(0.5, 1.5)
        delay = min(delay * 2, 5.0)

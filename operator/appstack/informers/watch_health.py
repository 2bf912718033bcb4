"""The signs of life of one watch, and how soon it may be begun again."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from typing import Final

from appstack.telemetry import metrics

logger = logging.getLogger(__name__)

STALE: Final = 150.0
"""Seconds after which what a watch has shown no longer counts as what is."""

_TOLD: Final = 2  # failures in a row: a connection that is cut and made again is not worth a word
_STEADY: Final = 15.0  # seconds; by then a list that became necessary is over
_HELD: Final = 10.0  # seconds; a watch that lasted so long is begun again at once
_LONGEST: Final = 60.0  # seconds; how long the server may send us away


class WatchHealth:
    """What is known of one watch: when it last showed what is, and whether it still tries."""

    def __init__(self, resource: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self.resource = resource
        self._now = now
        self._beat = float("-inf")
        self._turn = float("inf")  # it has not begun: what it waits for has a pulse of its own
        self._troubles = 0  # in a row
        self._failed = float("-inf")
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
        """Whether it has yet to begin or still tries, be it in vain: the server may be down."""
        return self._now() - self._turn < STALE

    @property
    def steady(self) -> bool:
        """Whether it has not failed for a while: nothing that it should have shown is still under way."""
        return self._now() - self._failed >= _STEADY

    def turn(self) -> None:
        """Take in that it tries."""
        self._turn = self._now()

    def filled(self) -> None:
        """Take in that all there is was shown; whether the watch holds is yet to be seen."""
        self._beat = self._turn = self._now()

    def beat(self) -> None:
        """Take in a sign of life of a watch; say so where trouble was told."""
        self.filled()
        if self._troubles >= _TOLD:
            logger.info("Watch of %s: well again", self.resource)
        self._troubles = 0

    def trouble(self, why: str) -> None:
        """Take in that it failed; say so once, where it was not got over at once, until it is well again."""
        self._troubles += 1
        self._failed = self._now()
        level = logging.WARNING if self._troubles == _TOLD else logging.DEBUG
        logger.log(level, "Watch of %s: %s", self.resource, why)


class ReconnectBackoff:
    """Lets rounds follow each other at once where they last, and more and more slowly where they come to nothing."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = float("-inf")
        self._delays = _delays()
        self._progress = False

    def progress(self) -> None:
        """Take in that this round has brought something."""
        self._progress = True

    def pause(self, *, at_least: float = 0.0) -> float:
        """Return the seconds to wait before the next round, which begins then."""
        held = self._now() - self._began >= _HELD
        if held or self._progress:
            self._delays = _delays()
        delay = max(0.0 if held else next(self._delays), min(at_least, _LONGEST))
        self._began, self._progress = self._now() + delay, False
        return delay


def _delays() -> Iterator[float]:
    """Yield delays that grow to some seconds, never in step with others."""
    delay = 0.5
    while True:
        yield delay * random.uniform(0.5, 1.5)
        delay = min(delay * 2, 5.0)

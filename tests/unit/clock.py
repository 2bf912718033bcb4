"""A clock for unit tests: time passes only when the test advances it."""

from __future__ import annotations

from collections.abc import Callable


class ManualTimer:
    """A scheduled call. Implements Timer."""

    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.is_cancelled = False
        self._due = due

    def cancel(self) -> None:
        """Cancel the call."""
        self.is_cancelled = True

    def when(self) -> float:
        """Return the time of the call."""
        return self._due


class ManualClock:
    """Seconds since the start of the test. Implements Clock; `time` is also a clock for the health of watches."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[ManualTimer] = []

    def time(self) -> float:
        """Return the time in seconds."""
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> ManualTimer:
        """Schedule a call for `advance` to make."""
        timer = ManualTimer(when, callback)
        self._timers.append(timer)
        return timer

    def next_timer(self) -> float | None:
        """Return the time of the earliest scheduled call, or None."""
        return min((timer.when() for timer in self._timers if not timer.is_cancelled), default=None)

    def advance(self, seconds: float) -> None:
        """Let time pass, and make each call at its time."""
        self.advance_to(self.now + seconds)

    def advance_to(self, end: float) -> None:
        """Let time pass up to `end`, and make each call at its time; calls of one time in the order of scheduling."""
        while (due := self.next_timer()) is not None and due <= end:
            timer = next(one for one in self._timers if one.when() == due and not one.is_cancelled)
            self._timers.remove(timer)
            self.now = max(self.now, due)
            timer.callback()
        self.now = max(self.now, end)

"""Tracks the lists of kopf: detects AppStacks missing from a relist, and defers work until a list is delivered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from appstack.informers.informer import StaleHandler
from appstack.k8s.metadata import Key
from appstack.workqueue.timing import Clock, Timer

LIST_QUIET_SECONDS: Final = 10.0
"""Seconds without a listed AppStack after the last page until the list counts as delivered."""

DEFERRAL_QUIET_SECONDS: Final = 0.5
"""Seconds without a listed AppStack until deferred keys are enqueued; a value that is too short only costs time."""

MAX_DEFERRAL_SECONDS: Final = 30.0
"""Longest deferral in seconds: lists may follow each other without an end."""

_RESUMED_AT_ONCE: Final = 500  # deferred AppStacks that are resumed before other tasks run


class RelistTracker:
    """Knows whether kopf is listing, and which AppStacks its list has brought so far."""

    def __init__(
        self, clock: Clock, *, known: Callable[[], Iterable[Key]], handler: StaleHandler, resume: Callable[[Key], None]
    ) -> None:
        self._clock = clock
        self._known = known  # returns the stored AppStacks
        self._handler = handler
        self._resume = resume
        self._deferred: dict[Key, None] = {}
        self._deferred_until = float("-inf")
        self._listed: set[Key] | None = None  # since the start of the present list
        self._quiet_timer: Timer | None = None
        self._last_delivery = float("-inf")
        self._has_finished_list = False

    def __len__(self) -> int:
        """Return the number of deferred AppStacks."""
        return len(self._deferred)

    @property
    def is_delivering(self) -> bool:
        """Whether kopf is delivering its first list, which it does after it has opened the watch."""
        return not self._has_finished_list and self._clock.time() - self._last_delivery < DEFERRAL_QUIET_SECONDS

    def list_started(self) -> None:
        """Note that kopf requests the first page of a list."""
        self._cancel_quiet_timer()
        self._listed = set()

    def list_completed(self) -> None:
        """Note that kopf requests the watch that follows a list.

        Any time may pass between two pages: kopf requests each page until it has it.
        """
        if self._listed is not None and self._quiet_timer is None:
            self._start_quiet_timer()

    def on_event(self, key: Key, *, listed: bool) -> None:
        """Note an AppStack that kopf has delivered."""
        if listed:
            self._last_delivery = self._clock.time()
        if self._listed is None:
            return
        self._listed.add(key)
        if listed and self._quiet_timer is not None:
            self._start_quiet_timer()

    def defer(self, key: Key) -> None:
        """Resume with an AppStack once no list is under way: it needs nothing, and would delay those that do."""
        if not self._deferred:
            now = self._clock.time()
            self._deferred_until = now + MAX_DEFERRAL_SECONDS
            self._clock.call_at(now + DEFERRAL_QUIET_SECONDS, self._resume_deferred)
        self._deferred[key] = None

    def _resume_deferred(self) -> None:
        now, is_listing = self._clock.time(), self._listed is not None and self._quiet_timer is None
        is_quiet = not is_listing and now - self._last_delivery >= DEFERRAL_QUIET_SECONDS
        if may_resume := now >= self._deferred_until or is_quiet:
            for key in tuple(islice(self._deferred, _RESUMED_AT_ONCE)):
                del self._deferred[key]
                self._resume(key)
        if self._deferred:
            next_check = max(self._last_delivery, now - DEFERRAL_QUIET_SECONDS / 2) + DEFERRAL_QUIET_SECONDS
            self._clock.call_at(now if may_resume else next_check, self._resume_deferred)

    def _start_quiet_timer(self) -> None:
        self._cancel_quiet_timer()
        self._quiet_timer = self._clock.call_at(self._clock.time() + LIST_QUIET_SECONDS, self._finish_list)

    def _cancel_quiet_timer(self) -> None:
        if self._quiet_timer is not None:
            self._quiet_timer.cancel()
            self._quiet_timer = None

    def _finish_list(self) -> None:
        missing = frozenset(self._known()).difference(self._listed or ())
        self._listed = self._quiet_timer = None
        self._has_finished_list = True
        if missing:
            self._handler.mark_stale(missing)

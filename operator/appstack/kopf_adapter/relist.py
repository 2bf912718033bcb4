"""Tracks the lists of kopf: finds AppStacks that a list lacks, and defers work until a list has been handed out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final, Protocol

from appstack.informers.object_store import Key, Keys
from appstack.workqueue.timing import Clock, Timer

SETTLED_SECONDS: Final = 10.0
"""Time without a listed AppStack after the last page: kopf has handed out all of them."""

PAUSE_SECONDS: Final = 0.5
"""The same for /readyz and for deferred work. A wrong guess only costs time."""

MAX_DEFERRAL_SECONDS: Final = 30.0
"""Longest deferral: lists may follow each other without an end."""

_RESUMED_AT_ONCE: Final = 500  # deferred AppStacks that are resumed before other tasks run


class StaleHandler(Protocol):
    """Handles AppStacks that may be deleted."""

    def mark_stale(self, keys: Keys) -> None:
        """Reconcile these AppStacks, after reading each of them from the API server."""


class RelistTracker:
    """Knows whether kopf is listing, and which AppStacks its list has brought so far."""

    def __init__(
        self, clock: Clock, *, known: Iterable[Key], handler: StaleHandler, resume: Callable[[Key], None]
    ) -> None:
        self._clock = clock
        self._known = known  # the AppStacks that are stored at the time of the iteration
        self._handler = handler
        self._resume = resume
        self._deferred: dict[Key, None] = {}
        self._deferred_until = float("-inf")
        self._listed: set[Key] | None = None  # since the start of the present list
        self._settling: Timer | None = None
        self._last_handed_out = float("-inf")
        self._has_settled = False

    def __len__(self) -> int:
        """Return the number of deferred AppStacks."""
        return len(self._deferred)

    @property
    def is_handing_out(self) -> bool:
        """Whether kopf is handing out its first list, which it does after it has opened the watch."""
        return not self._has_settled and self._clock.time() - self._last_handed_out < PAUSE_SECONDS

    def list_started(self) -> None:
        """Note that kopf requests the first page of a list."""
        self._cancel_settling()
        self._listed = set()

    def list_completed(self) -> None:
        """Note that kopf requests the watch that follows a list.

        Any time may pass between two pages: kopf requests each page until it has it.
        """
        if self._listed is not None and self._settling is None:
            self._start_settling()

    def on_event(self, key: Key, *, listed: bool) -> None:
        """Note an AppStack that kopf has handed out."""
        if listed:
            self._last_handed_out = self._clock.time()
        if self._listed is None:
            return
        self._listed.add(key)
        if listed and self._settling is not None:
            self._start_settling()

    def defer(self, key: Key) -> None:
        """Resume with an AppStack once no list is under way: it needs nothing, and would delay those that do."""
        if not self._deferred:
            now = self._clock.time()
            self._deferred_until = now + MAX_DEFERRAL_SECONDS
            self._clock.call_at(now + PAUSE_SECONDS, self._resume_deferred)
        self._deferred[key] = None

    def _resume_deferred(self) -> None:
        now, is_listing = self._clock.time(), self._listed is not None and self._settling is None
        is_quiet = not is_listing and now - self._last_handed_out >= PAUSE_SECONDS
        if may_resume := now >= self._deferred_until or is_quiet:
            for key in tuple(islice(self._deferred, _RESUMED_AT_ONCE)):
                del self._deferred[key]
                self._resume(key)
        if self._deferred:
            next_check = max(self._last_handed_out, now - PAUSE_SECONDS / 2) + PAUSE_SECONDS
            self._clock.call_at(now if may_resume else next_check, self._resume_deferred)

    def _start_settling(self) -> None:
        self._cancel_settling()
        self._settling = self._clock.call_at(self._clock.time() + SETTLED_SECONDS, self._settled)

    def _cancel_settling(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None

    def _settled(self) -> None:
        missing = frozenset(self._known).difference(self._listed or ())
        self._listed = self._settling = None
        self._has_settled = True
        if missing:
            self._handler.mark_stale(missing)

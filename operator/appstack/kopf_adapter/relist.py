"""Follows kopf's lists: finds what they no longer bring, for kopf does not say it, and waits until they are over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from appstack.client.resource_kinds import STACK
from appstack.informers.object_store import Key
from appstack.workqueue.queue import Clock, Timer

QUIET: Final = 10.0  # seconds without a listed object after the last page: kopf has handed out all of them
BREATH: Final = 0.5  # the same for /readyz and for looks that can wait: a wrong guess puts nothing in doubt
LONGEST: Final = 30.0  # seconds for which anything is put off: lists may follow each other for ever
_AT_ONCE: Final = 500  # with which it goes on before others have their turn


class RelistTracker:
    """Notes what a list brings; what it did not bring is in doubt.

    What can wait is put off until kopf has handed out the whole list: it would hold up the rest, and /readyz.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        known: Callable[[], Iterable[Key]],
        doubt: Callable[[frozenset[Key]], None],
        resume: Callable[[Key], None],
    ) -> None:
        self._clock = clock
        self._known = known
        self._doubt = doubt
        self._resume = resume
        self._put_off: dict[Key, None] = {}
        self._until = float("-inf")  # when they are put off no longer
        self._met: set[Key] | None = None  # since a list began that is not over
        self._timer: Timer | None = None
        self._handed = float("-inf")  # when a listed object was last handed out
        self._swept = False

    @property
    def handing_out(self) -> bool:
        """Whether kopf still hands out what its first list has brought: it does so after it has begun to watch."""
        return not self._swept and self._clock.time() - self._handed < BREATH

    def __len__(self) -> int:
        """How many AppStacks are put off."""
        return len(self._put_off)

    def put_off(self, key: Key) -> None:
        """Resume with an AppStack when no list is under way any more and no listed one has come for a while."""
        if not self._put_off:
            now = self._clock.time()
            self._until = now + LONGEST
            self._clock.call_at(now + BREATH, self._go_on)
        self._put_off[key] = None

    async def watch(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Let a request of kopf's pass, and note where a list begins and, by the watch that follows it, ends.

        Between its pages any time may pass: kopf asks for each until it has it, however long the server is down.
        """
        if request.url.path == STACK.path():
            if "watch" in request.url.query:
                self._listed()
            elif "continue" not in request.url.query:
                self._begin()
        return await handler(request)

    def saw(self, key: Key, *, listing: bool) -> None:
        """Take in that an AppStack was seen, in a list or otherwise."""
        if listing:
            self._handed = self._clock.time()
        if self._met is None:
            return
        self._met.add(key)
        if listing and self._timer is not None:
            self._wait()

    def _go_on(self) -> None:
        now, listing = self._clock.time(), self._met is not None and self._timer is None
        calm = now >= self._until or not (listing or now - self._handed < BREATH)
        if calm:
            for key in tuple(islice(self._put_off, _AT_ONCE)):
                del self._put_off[key]
                self._resume(key)
        if self._put_off:
            self._clock.call_at(now if calm else max(self._handed, now - BREATH / 2) + BREATH, self._go_on)

    def _begin(self) -> None:
        self._cancel()
        self._met = set()

    def _listed(self) -> None:
        if self._met is not None and self._timer is None:
            self._wait()

    def _wait(self) -> None:
        self._cancel()
        self._timer = self._clock.call_at(self._clock.time() + QUIET, self._over)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _over(self) -> None:
        missing = frozenset(self._known()).difference(self._met or ())
        self._met = self._timer = None
        self._swept = True
        if missing:
            self._doubt(missing)

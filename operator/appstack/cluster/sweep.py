"""Finds the AppStacks whose deletion kopf has missed: after a relist it does not say what is no longer there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from appstack.cluster.cache import Key
from appstack.cluster.kinds import STACK
from appstack.queue import Clock, Timer

QUIET: Final = 10.0  # seconds without a page or a listed object: the list is over


class Sweep:
    """Notes what a list brings; what it did not bring is in doubt."""

    def __init__(
        self, clock: Clock, *, known: Callable[[], Iterable[Key]], doubt: Callable[[frozenset[Key]], None]
    ) -> None:
        self._clock = clock
        self._known = known
        self._doubt = doubt
        self._met: set[Key] = set()
        self._timer: Timer | None = None

    async def watch(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Let a request of kopf's pass, and note when it is a page of a list: an empty one brings no event."""
        response = await handler(request)
        if request.url.path == STACK.path() and "watch" not in request.url.query and response.ok:
            self._listing()
        return response

    def saw(self, key: Key, *, listing: bool) -> None:
        """Take in that an AppStack was seen, in a list or otherwise."""
        if listing:
            self._listing()
        if self._timer is not None:
            self._met.add(key)

    def _listing(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_at(self._clock.time() + QUIET, self._over)

    def _over(self) -> None:
        missing = frozenset(self._known()) - self._met
        self._met = set()
        self._timer = None
        if missing:
            self._doubt(missing)

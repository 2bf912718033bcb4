"""List, then watch, for ever: one kind in the whole cluster."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from appstack.cluster import requests
from appstack.cluster.cache import Cache, Keys
from appstack.cluster.client import Client
from appstack.cluster.kinds import Kind
from appstack.errors import AppStackError, MissingKind, Refused, Unavailable
from appstack.meta import Manifest, Ref

logger = logging.getLogger(__name__)

_GONE: Final = 410  # what the server answers to a version that is too old
_ANEW: Final = 50.0  # seconds until a kind that the cluster does not know is asked for again
_STALE: Final = 150.0  # seconds without any sign: a healthy watch brings one each minute


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a watch."""

    type: str  # ADDED, MODIFIED, DELETED, BOOKMARK, ERROR
    object: Manifest


def decode(line: bytes) -> Event:
    """Return the event of a line; raise Unavailable for a line that was cut off."""
    try:
        value: dict[str, Any] = json.loads(line)
        return Event(value["type"], value["object"])
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"a watch brought no event: {line[:100]!r}") from error


def delays() -> Iterator[float]:
    """Yield how long to wait before each further try: for ever, some seconds at most, never in step with others."""
    delay = 0.5
    while True:
        yield delay * random.uniform(0.5, 1.5)
        delay = min(delay * 2, 5.0)


class Watch:
    """Keeps the cache true for one kind."""

    def __init__(
        self,
        kind: Kind,
        *,
        client: Client,
        cache: Cache,
        touched: Callable[[Keys], None],
        lost: Callable[[Keys], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kind = kind
        self._client = client
        self._cache = cache
        self._touched = touched
        self._lost = lost
        self._now = now
        self._version = ""  # from where to go on; empty: from a list
        self._sign = float("-inf")  # when the server last showed that the watch is alive
        self._turn = now()  # when the loop last did anything
        self._waits = delays()
        self._troubled = False

    @property
    def fresh(self) -> bool:
        """Whether what the cache holds is of now."""
        return self._now() - self._sign < _STALE

    @property
    def alive(self) -> bool:
        """Whether the loop turns, be it in vain: the server may be down."""
        return self._now() - self._turn < _STALE

    async def run(self) -> None:
        """Follow the kind until cancelled."""
        while True:
            try:
                if not self._version:
                    await self.list()
                await self._follow()
            except MissingKind as error:
                self._miss(error)
                await asyncio.sleep(_ANEW * random.uniform(0.8, 1.0))
            except Refused as error:
                if error.status == _GONE:
                    self._version, self._waits = "", delays()
                await self._pause(error.message)
            except Unavailable as error:
                await self._pause(str(error))

    async def _pause(self, why: str) -> None:
        """Wait a little after a failure; say so once, until there is a sign of life again."""
        logger.log(logging.DEBUG if self._troubled else logging.WARNING, "Watch of %s: %s", self.kind.plural, why)
        self._troubled = True
        await asyncio.sleep(next(self._waits))
        self._turn = self._now()

    async def fill(self) -> None:
        """List for the first time; that the cluster does not know the kind is no failure."""
        try:
            await self.list()
        except MissingKind as error:
            self._miss(error)

    def _miss(self, error: MissingKind) -> None:
        """Take in that the cluster does not know the kind: nothing is there, and that is the truth."""
        lost = self._cache.missing(self.kind)
        logger.debug("Watch of %s: %s", self.kind.plural, error.message)
        self._version = ""
        self._sign = self._turn = self._now()
        self._touched(lost)

    async def list(self) -> None:
        """Take in every object of the kind, and forget those that are gone."""
        refs: list[Ref] = []
        after = ""
        while True:
            page = await self._client.send(requests.page(self.kind, after=after))
            for item in page["items"] or ():  # Kubernetes says null for an empty list of metadata
                refs.append(self.kind.ref(item))
                self._touched(self._cache.show(self.kind, item))
            after = page["metadata"].get("continue", "")
            if not after:
                break
        version = page["metadata"]["resourceVersion"]
        self._lost(self._cache.listed(self.kind, refs, int(version)))
        self._touched(self._cache.found(self.kind))
        self._alive(version)

    async def _follow(self) -> None:
        seconds = random.randint(240, 480)
        request = requests.watch(self.kind, version=self._version, seconds=seconds)
        async with aclosing(self._client.lines(request)) as lines:
            async for line in lines:
                self._take(decode(line))

    def _take(self, event: Event) -> None:
        if event.type == "ERROR":
            raise self._failure(event.object)
        version = event.object["metadata"]["resourceVersion"]
        if event.type == "DELETED":
            self._lost(self._cache.gone(self.kind, event.object))
        elif event.type != "BOOKMARK":
            self._touched(self._cache.show(self.kind, event.object))
        self._cache.mark(self.kind, int(version))
        self._alive(version)

    def _alive(self, version: str) -> None:
        self._version = version
        self._sign = self._turn = self._now()
        if self._troubled:
            logger.info("Watch of %s: well again", self.kind.plural)
            self._waits, self._troubled = delays(), False

    def _failure(self, status: Manifest) -> AppStackError:
        """Return what an ERROR event means: its object is a `Status`."""
        if status.get("code") == _GONE:
            ref = Ref(self.kind.api_version, self.kind.kind, "", "")
            return Refused(ref, status=_GONE, reason="Expired", message=str(status.get("message")))
        return Unavailable(f"the watch ended: {status.get('message') or status}")

"""List, then watch, for ever: one kind in the whole cluster."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Final

from appstack.client import requests
from appstack.client.client import Client
from appstack.client.resource_kinds import Kind, ResourceRole
from appstack.client.responses import Event, decode
from appstack.errors import ApiRejected, ApiUnavailable, KindNotServed
from appstack.informers.appstack_store import AppStackStore
from appstack.informers.object_store import Keys, ObjectStore
from appstack.informers.watch_health import ReconnectBackoff, WatchHealth
from appstack.k8s.metadata import Manifest, Ref
from appstack.telemetry import metrics
from appstack.workqueue.queue import Backoff

logger = logging.getLogger(__name__)

_GONE: Final = 410  # what the server answers to a version that is too old
_ANEW: Final = Backoff(first=1.0, longest=45.0)  # between questions for a kind that is missing and that a stack wants
_LATELY: Final = 5.0  # seconds for which the answer to such a question is good enough
_PATIENCE: Final = 2.0  # seconds that anybody waits for it
_AT_ONCE: Final = 50  # objects of a page that are taken in before others have their turn
_VOUCHED: Final = (  # the API server knows their types, and nobody makes them up
    *("name", "namespace", "uid", "resourceVersion", "generation", "labels", "ownerReferences"),
    *("creationTimestamp", "deletionTimestamp"),
)


def _bare(manifest: Manifest) -> Manifest:
    """Return as much of an object's metadata as says whose it is, in types that the API server vouches for."""
    return {"metadata": {key: manifest["metadata"][key] for key in _VOUCHED if key in manifest["metadata"]}}


class Informer:
    """Keeps the cache true for one kind."""

    def __init__(
        self,
        kind: Kind,
        *,
        client: Client,
        cache: ObjectStore,
        stacks: AppStackStore,
        touched: Callable[[Keys], None],
        lost: Callable[[Keys], None],
    ) -> None:
        self.kind = kind
        self.health = WatchHealth(kind.plural)
        self._client = client
        self._cache = cache
        self._stacks = stacks
        self._touched = touched
        self._lost = lost
        self._version = ""  # from where to go on; empty: from a list
        self._follows: asyncio.Timeout | None = None
        self._wanted = self._listed = 0  # lists
        self._missing = False
        self._left = False  # what was ours was still there when the kind went: it may come back with it
        self._call, self._answer = asyncio.Event(), asyncio.Event()
        self._answered = float("-inf")
        self._tries = 0  # since somebody called
        self._reconnect_backoff = ReconnectBackoff()
        self._events = metrics.WATCH_EVENTS.labels(kind.plural)

    async def run(self) -> None:
        """Follow the kind until cancelled."""
        wanted = 0.0
        while True:
            if self._missing:
                await self._called(at_least=wanted)
            else:
                await asyncio.sleep(self._reconnect_backoff.pause(at_least=wanted))
            self.health.turn()
            wanted = await self._round()

    async def _called(self, *, at_least: float) -> None:
        """Wait until it matters whether the cluster knows the kind by now: nobody is asked for what nobody wants."""
        await asyncio.sleep(at_least)
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._call.wait(), _ANEW.delay(self._tries, random.random()))
            if self._call.is_set():
                self._tries = 0
                return
            self._tries += 1
            if self._left or self._stacks.lacking(self.kind) or not self.listed(self._wanted):
                return
            self.health.beat()

    async def _round(self) -> float:
        """Follow until the watch ends; return the seconds for which the server wants to be left alone."""
        try:
            if not self._version or not self.health.fresh:  # what can't be resumed for so long is listed
                await self.list()
            while not self.listed(self._wanted):
                await self.list()
            await self._follow()
        except KindNotServed as error:
            self._miss(error)
        except ApiRejected as error:
            if error.status == _GONE:
                self._version = ""
            self.health.trouble(error.message)
        except ApiUnavailable as error:
            self.health.trouble(str(error))
            return error.retry_after or 0.0
        return 0.0

    def anew(self) -> int:
        """List again, for objects were passed over that are ours by now; return the number of that list."""
        self._wanted += 1
        if self._missing:
            self._call.set()
        if self._follows is not None and not self._follows.expired():
            self._follows.reschedule(asyncio.get_running_loop().time())
        return self._wanted

    def listed(self, number: int) -> bool:
        """Tell whether that list or a later one has come, or the answer that there is nothing to list."""
        return self._listed >= number

    async def ask(self) -> None:
        """Find out whether the cluster knows the kind by now, unless it does or was asked just now; wait a little."""
        if not self._missing or time.monotonic() - self._answered < _LATELY:
            return
        self._call.set()
        self._answer.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._answer.wait(), _PATIENCE)

    async def fill(self) -> None:
        """List for the first time; that the cluster does not know the kind, or only just does, is no failure."""
        self.health.turn()
        try:
            await self.list()
        except KindNotServed as error:
            self._miss(error)
        except ApiUnavailable as error:
            if not self.kind.optional:
                raise
            self.health.trouble(str(error))  # run() goes on, and /readyz waits for it

    def _miss(self, error: KindNotServed) -> None:
        """Take in that the cluster does not know the kind: nothing is there, and that is the truth."""
        lost = self._cache.missing(self.kind)
        logger.debug("Watch of %s: %s", self.kind.plural, error.message)
        self._version, self._missing, self._listed = "", True, self._wanted
        self._left = self._left or bool(lost)
        self.health.beat()
        self._touched(lost)

    async def list(self) -> None:
        """Take in every object of the kind, and forget those that are gone."""
        try:
            await self._list()
            self._answered = time.monotonic()
        except KindNotServed:
            self._answered = time.monotonic()
            raise
        finally:  # also where nobody answered: who asked is not kept waiting, but the next one asks again
            self._call.clear()
            self._answer.set()

    async def _list(self) -> None:
        refs: list[Ref] = []
        after, wanted = "", self._wanted
        while True:
            page = await self._client.send(requests.list_page(self.kind, after=after))
            self.health.turn()
            for item in page["items"] or ():  # Kubernetes says null for an empty list of metadata
                if not len(refs) % _AT_ONCE:
                    await asyncio.sleep(0)
                refs.append(self.kind.ref(item))
                self._touched(self._show(item))
            after = page["metadata"].get("continue", "")
            if not after:
                break
        self._version, self._listed = page["metadata"]["resourceVersion"], wanted
        self._lost(self._cache.listed(self.kind, refs, int(self._version)))
        if self._missing:
            self._missing = self._left = False
            self._tries = 0
            self._cache.found(self.kind)
            self._touched(self._stacks.lacking(self.kind))
        self.health.filled()

    def _show(self, manifest: Manifest) -> Keys:
        """Take in an object, and of one that nobody thought of whose it is: the watch is everybody's."""
        try:
            return self._cache.show(self.kind, manifest)
        except Exception:
            if self.kind.role is ResourceRole.NAMESPACE:
                raise  # it says whose all the others are
            logger.exception("%s is not understood; this is a defect of AppStack", self.kind.ref(manifest))
            return self._cache.show(self.kind, _bare(manifest))

    async def _follow(self) -> None:
        seconds = random.randint(240, 480)
        request = requests.watch(self.kind, version=self._version, seconds=seconds)
        try:
            async with asyncio.timeout(None) as self._follows, aclosing(self._client.lines(request)) as lines:
                async for line in lines:
                    self._take(decode(line))
        except TimeoutError:
            logger.debug("Watch of %s: begun anew", self.kind.plural)
        finally:
            self._follows = None

    def _take(self, event: Event) -> None:
        self._events.inc()
        if event.type == "ERROR":
            self._version = ""  # whatever it is, a list sets it right
            raise ApiUnavailable(f"the watch ended: {event.object.get('message') or event.object}")
        if event.type == "DELETED":
            self._lost(self._cache.gone(self.kind, event.object))
        elif event.type != "BOOKMARK":
            self._touched(self._show(event.object))
        self._cache.mark(self.kind, int(event.version))
        self._version = event.version
        self._reconnect_backoff.progress()
        self.health.beat()

"""AppStacks as they come, through kopf: listened to, kept from asking without a pause, begun anew when it ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

import aiohttp
import kopf
from aiohttp import ClientHandlerType, ClientMiddlewareType, ClientRequest, ClientResponse, StreamReader

from appstack.client.client import Client, said
from appstack.client.resource_kinds import STACK
from appstack.client.responses import retry_after
from appstack.informers.watch_health import ReconnectBackoff, WatchHealth
from appstack.k8s.lenient_json import readable
from appstack.kopf_adapter import settings as handlers
from appstack.telemetry import metrics

logger = logging.getLogger(__name__)

_ERROR: Final = b'{"type":"ERROR"'


class KopfSource:
    """kopf's watch of AppStacks, which ends with every fault that it does not know: then it is begun anew."""

    def __init__(
        self,
        client: Client,
        *,
        seen: handlers.OnEvent,
        served: Callable[[], Coroutine[Any, Any, None]],
        beside: ClientMiddlewareType,
    ) -> None:
        self.health = WatchHealth(STACK.plural)
        self._client = client
        self._session = partial(client.session, self._listen, beside)
        self._seen = seen
        self._served = served  # raises where the cluster does not know AppStacks
        self._paces = {"kopf": ReconnectBackoff(), "list": ReconnectBackoff(), "watch": ReconnectBackoff()}
        self._alone = float("-inf")  # until when the server wants to be left alone
        self._events = metrics.WATCH_EVENTS.labels(STACK.plural)

    async def run(self, stop: asyncio.Event, *, started: Callable[[], None]) -> None:
        """Follow until told to stop; call `started` each time that kopf has taken over the signals."""
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._paces["kopf"].pause())
                return
            self.health.turn()
            try:
                await self._served()
                await self._follow(stop, started)
            except Exception as error:
                if stop.is_set():
                    logger.debug("kopf, while it was stopped: %s", error)  # it closes what its own tasks still use
                else:
                    self.health.trouble(f"kopf gave up, and is begun anew: {said(error)}")

    async def _follow(self, stop: asyncio.Event, started: Callable[[], None]) -> None:
        """Let kopf watch until it fails or is told to stop; of all tasks only its own are ended."""
        tasks = await kopf.spawn_tasks(
            registry=handlers.registry(self._seen, self._session, server=self._client.server),
            settings=handlers.settings(),
            clusterwide=True,
            standalone=True,
            stop_flag=stop,
        )
        started()
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()

    async def _listen(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Send a request of kopf's on, not too soon, and see what becomes of it."""
        verb = _verb(request)
        wait = self._alone - time.monotonic()
        if verb in self._paces and "continue" not in request.url.query:
            wait = self._paces[verb].pause(at_least=wait)
        await asyncio.sleep(wait)  # this is of the request's own time: where it runs out, kopf asks again
        self.health.turn()
        code, began = "none", time.monotonic()
        try:
            response = await handler(request)
            code = str(response.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.health.trouble(f"{self._client.server}: {said(error)}")
            raise
        finally:
            metrics.requested(verb, STACK.plural, code=code, seconds=time.monotonic() - began)
        if response.status >= 400:
            self.health.trouble(f"{self._client.server}: {code} {response.reason}")
            if response.status in (429, 503):
                self._alone = time.monotonic() + (retry_after(response.headers) or 0.0)
            if response.status == 429:  # kopf would sleep for as long as the server says
                response.release()
                raise aiohttp.ClientConnectionError("the API server is too busy")
        elif verb == "list":
            self._paces["list"].progress()
            self._paces["kopf"].progress()
            response.content = cast(StreamReader, _Heard(response.content))
        elif verb == "watch":
            self.health.filled()
            response.content = cast(StreamReader, _Heard(response.content, self._hear))
        return response

    def _hear(self, chunk: bytes) -> None:
        self._events.inc(chunk.count(b"\n"))
        if chunk.startswith(_ERROR):
            self.health.trouble(f"the watch ended: {chunk[:300]!r}")
        elif chunk.startswith(b"{"):  # else it is the rest of an event, or nothing that the API server says
            self._paces["watch"].progress()
            self.health.beat()


class _Heard:
    """A stream that kopf can read whatever it brings, and somebody who hears it: kopf keeps bookmarks to itself."""

    def __init__(self, content: StreamReader, hear: Callable[[bytes], None] = lambda _: None) -> None:
        self._content = content
        self._hear = hear

    async def read(self) -> bytes:
        page = readable(await self._content.read())
        await asyncio.sleep(0)  # kopf reads it once more, and hands out all that is in it, in one go
        return page

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        rest = b""
        async for chunk in self._content.iter_chunked(size):
            self._hear(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            yield b"".join(readable(line) + b"\n" for line in lines)
        if rest:
            yield readable(rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)


def _verb(request: ClientRequest) -> str:
    if not request.url.path.endswith(f"/{STACK.plural}"):
        return "get"  # what the cluster serves
    return "watch" if "watch" in request.url.query else "list"


async def end_others(*, within: float) -> None:
    """End what kopf leaves behind: it would go on over connections that are closed."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=within)

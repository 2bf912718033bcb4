"""kopf as the source of AppStack events: observed, rate-limited, and restarted when it ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

import aiohttp
import kopf
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, StreamReader

from appstack.client import requests
from appstack.client.bodies import read_body
from appstack.client.client import Client, NamespaceFilter, describe
from appstack.client.list_page import ListPage, PageLimit
from appstack.client.resource_kinds import APPSTACKS
from appstack.client.responses import retry_after
from appstack.errors import ApiRejected, OperatorError
from appstack.informers.watch_health import FORBIDDEN_RETRY_SECONDS, ReconnectBackoff, WatchHealth
from appstack.k8s.lenient_json import sanitize
from appstack.k8s.metadata import API_VERSION, GROUP, PLURAL, VERSION, Manifest
from appstack.kopf_adapter import settings
from appstack.kopf_adapter.relist import RelistTracker
from appstack.telemetry import metrics

logger = logging.getLogger(__name__)

OnEvent = Callable[[str | None, Manifest], None]
"""Handles an AppStack and the type of its event, which is None for an AppStack from a list."""

_ERROR: Final = b'{"type":"ERROR"'


class KopfSource:
    """Runs kopf's watch of AppStacks in one namespace or, if the health has none, in all.

    kopf exits on any unhandled error, so it is restarted. Each namespace has a kopf of its own: an error in one,
    such as a missing permission, does not interrupt the others.
    """

    def __init__(
        self,
        client: Client,
        *,
        health: WatchHealth,
        namespaces: NamespaceFilter,
        on_event: OnEvent,
        relist: RelistTracker,
    ) -> None:
        self._client = client
        self._health = health
        self._session = partial(client.session, self._middleware)
        self._namespaces = namespaces
        self._on_event = on_event
        self._relist = relist
        self._page_limit = PageLimit()
        self._backoffs = {"kopf": ReconnectBackoff(), "list": ReconnectBackoff(), "watch": ReconnectBackoff()}
        self._retry_after = float("-inf")  # the server has asked for no request before this time
        self._last_status = 0  # of a response to kopf
        self._events = metrics.WATCH_EVENTS.labels(APPSTACKS.plural)

    async def run(self, stop: asyncio.Event, *, on_start: Callable[[], None]) -> None:
        """Watch until `stop` is set; call `on_start` each time that kopf has replaced the signal handlers."""
        while not stop.is_set():
            with suppress(TimeoutError):
                pause = FORBIDDEN_RETRY_SECONDS if self._health.is_forbidden else 0.0
                await asyncio.wait_for(stop.wait(), self._backoffs["kopf"].next_delay(at_least=pause))
                return
            self._health.attempt()
            try:
                await check_appstacks_served(self._client)
                await check_appstacks_permitted(self._client, self._health.namespace)
                await self._run_kopf(stop, on_start)
            except Exception as error:
                if stop.is_set():
                    logger.debug("Error in kopf during shutdown: %s", error)  # its own tasks use what it closes
                else:
                    status = error.status if isinstance(error, ApiRejected) else self._last_status
                    self._health.failure(f"kopf exited and is restarted: {describe(error)}", status=status)

    async def _run_kopf(self, stop: asyncio.Event, on_start: Callable[[], None]) -> None:
        """Run kopf until it fails or is stopped, and cancel its root tasks then."""
        tasks = await kopf.spawn_tasks(
            registry=_registry(self._on_event, self._session, server=self._client.server),
            settings=settings.settings(),
            clusterwide=not self._health.namespace,
            namespaces=[self._health.namespace] if self._health.namespace else [],
            standalone=True,
            stop_flag=stop,
        )
        on_start()
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()

    async def _middleware(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Delay a request of kopf as its back-off demands, send it, and record the outcome."""
        verb = _verb(request)
        first_page = "continue" not in request.url.query
        delay = self._retry_after - time.monotonic()
        if verb in self._backoffs and first_page:
            delay = self._backoffs[verb].next_delay(at_least=delay)
        await asyncio.sleep(delay)  # counts towards the request's own time-out, after which kopf retries
        if verb == "list" and first_page:
            self._relist.list_started()
        elif verb == "watch":
            self._relist.list_completed()
        response = await self._send(verb, request, handler)
        if response.status < 400 and verb == "list":
            response = await self._read_page(response, request, handler)
        if response.status >= 400:
            self._handle_error(response)
        elif verb == "list":
            self._backoffs["list"].progress()
            self._backoffs["kopf"].progress()
        elif verb == "watch":
            self._health.synced()
            response.content = cast(StreamReader, _LenientStream(response.content, self._on_chunk, self._is_selected))
        return response

    async def _send(self, verb: str, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        if verb == "list":
            request.url = request.url.update_query(limit=self._page_limit.objects)
        self._health.attempt()
        code, started = "none", time.monotonic()
        try:
            response = await handler(request)
            code, self._last_status = str(response.status), response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._health.failure(f"{self._client.server}: {describe(error)}")
            raise
        finally:
            metrics.record_request(verb, APPSTACKS.plural, code=code, seconds=time.monotonic() - started)
        return response

    async def _read_page(
        self, response: ClientResponse, request: ClientRequest, handler: ClientHandlerType
    ) -> ClientResponse:
        """Read a page of a list, or request a smaller one; kopf's call of `json` decodes it."""
        while (body := await read_body(response, max_bytes=self._page_limit.max_bytes)) is None:
            self._page_limit.reduce()
            response = await self._send("list", request, handler)
            if response.status >= 400:
                return response
        self._page_limit.record(len(body))
        response.json = partial(self._decode_page, body)  # type: ignore[method-assign]
        return response

    async def _decode_page(self, body: bytes) -> Manifest:
        """Return a page with the AppStacks of this operator, without the metadata that nothing reads."""
        page = ListPage(body)
        items = [manifest async for manifest in page if self._is_selected(manifest)]
        for manifest in items:
            manifest["metadata"].pop("managedFields", None)
        return page.envelope | {"items": items}

    def _is_selected(self, manifest: Manifest) -> bool:
        """Return whether to deliver an AppStack to kopf, which remembers each; bookmarks and errors are as well."""
        namespace = (manifest.get("metadata") or {}).get("namespace", "")
        return not namespace or self._namespaces.selects(namespace)

    def _handle_error(self, response: ClientResponse) -> None:
        self._health.failure(f"{self._client.server}: {response.status} {response.reason}", status=response.status)
        if response.status in (429, 503):
            self._retry_after = time.monotonic() + (retry_after(response.headers) or 0.0)
        if response.status == 429:  # kopf would sleep for as long as the server says
            response.release()
            raise aiohttp.ClientConnectionError("the API server is too busy")

    def _on_chunk(self, chunk: bytes) -> None:
        self._events.inc(chunk.count(b"\n"))
        if chunk.startswith(_ERROR):
            self._health.failure(f"the watch ended: {chunk[:300]!r}")
        elif chunk.startswith(b"{"):  # else it continues an event, or is not from the API server
            self._backoffs["watch"].progress()
            self._health.heartbeat()


class _LenientStream:
    """The body of a watch, which kopf can parse whatever it contains. `on_chunk` sees the bytes, bookmarks included."""

    def __init__(
        self, content: StreamReader, on_chunk: Callable[[bytes], None], is_selected: Callable[[Manifest], bool]
    ) -> None:
        self._content = content
        self._on_chunk = on_chunk
        self._is_selected = is_selected

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        rest = b""
        async for chunk in self._content.iter_chunked(size):
            self._on_chunk(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            if selected := b"".join(self._selected(line) for line in lines):
                yield selected
        if rest:
            yield self._selected(rest)

    def _selected(self, line: bytes) -> bytes:
        """Return the line of an event that kopf can parse; nothing for an AppStack of another operator."""
        event, text = sanitize(line)
        manifest = event.get("object") if isinstance(event, dict) else None
        return b"" if isinstance(manifest, dict) and not self._is_selected(manifest) else text + b"\n"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)


def _registry(on_event: OnEvent, session: Callable[[], aiohttp.ClientSession], *, server: str) -> kopf.OperatorRegistry:
    """Return the handlers. kopf closes each session that it is given."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(server=server, aiohttp_session=session())

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=handlers)
    async def appstack(event: kopf.RawEvent, **_: Any) -> None:
        on_event(event["type"], event["object"])  # type: ignore[arg-type]

    return handlers


async def check_appstacks_served(client: Client) -> None:
    """Raise OperatorError if the cluster does not serve AppStacks."""
    try:
        served = await client.send(requests.discover())
    except ApiRejected as error:
        if error.status != 404:
            raise
        served = {"resources": []}
    if not any(resource["name"] == APPSTACKS.plural for resource in served["resources"]):
        raise OperatorError(
            f"The cluster at {client.server} does not serve AppStacks ({API_VERSION})",
            "Run `appstack crd | kubectl apply --server-side -f -`, or install the Helm chart",
        )


async def check_appstacks_permitted(client: Client, namespace: str) -> None:
    """Raise ApiRejected if this user may not list the AppStacks of a namespace or, if it is empty, of all."""
    await client.send(requests.list_page(APPSTACKS, namespace, limit=1))


def _verb(request: ClientRequest) -> str:
    if not request.url.path.endswith(f"/{APPSTACKS.plural}"):
        return "get"  # discovery
    return "watch" if "watch" in request.url.query else "list"

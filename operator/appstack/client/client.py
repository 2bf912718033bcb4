"""HTTP client of the API server."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, Protocol

import aiohttp
from aiohttp import AddrInfoType, ClientHandlerType, ClientMiddlewareType, ClientRequest, ClientResponse
from yarl import URL

from appstack import __version__
from appstack.client.bodies import CHUNK_BYTES, read_body, read_error, request_body
from appstack.client.credentials import Credentials
from appstack.client.fair_semaphore import FairSemaphore
from appstack.client.fencing import Fence, FencedSocket
from appstack.client.list_page import ListPage, ListRequest, PageLimit
from appstack.client.requests import WATCH_SILENCE_SECONDS, Request
from appstack.client.responses import to_error
from appstack.errors import ApiUnavailable
from appstack.k8s.lenient_json import loads
from appstack.k8s.metadata import Manifest
from appstack.telemetry import metrics

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, sock_connect=5)
_URGENT_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
_WATCH_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=WATCH_SILENCE_SECONDS)


class NamespaceFilter(Protocol):
    """The namespaces that this operator reconciles."""

    def selects(self, namespace: str) -> bool:
        """Return whether this operator reconciles the namespace now."""


class Client:
    """Sends requests over one connection pool with fenced sockets and a fair limit on requests in flight."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        in_flight: int,
        fence: Fence | None = None,
        namespaces: NamespaceFilter | None = None,
    ) -> None:
        self._cluster = credentials.cluster
        self.server = self._cluster.server
        self._fence = fence or Fence()
        self._namespaces = namespaces  # the only namespaces to write to; None: all
        self._credentials = credentials
        self._semaphore = FairSemaphore(in_flight)
        self._draining = False
        self._connector = aiohttp.TCPConnector(limit=0, ssl=self._cluster.tls or True, socket_factory=self._open_socket)
        self._session = self.session()

    def session(self, *middlewares: ClientMiddlewareType) -> aiohttp.ClientSession:
        """Return a new session over the shared connection pool. Closing it leaves the pool open."""
        return aiohttp.ClientSession(
            connector=self._connector,
            connector_owner=False,
            middlewares=(*middlewares, self._authorize),
            proxy=self._cluster.proxy,
            headers={"User-Agent": f"appstack/{__version__}", "Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        """Close every connection without a TLS shutdown, which the server does not answer during a watch."""
        await self._session.close()
        await self._connector.close(abort_ssl=True)

    async def send(self, request: Request) -> Manifest:
        """Send a request and return the object of the response. Raise ApiRejected or ApiUnavailable."""
        if request.urgent:
            return await self._send(request, _URGENT_TIMEOUT)
        async with self._admit(request):
            return await self._send(request, _TIMEOUT)

    @asynccontextmanager
    async def _admit(self, request: Request) -> AsyncIterator[None]:
        """Hold a slot for the request. Raise ApiUnavailable if it must not be sent."""
        async with self._semaphore.acquire(request.ref.namespace):
            if self._draining:
                raise ApiUnavailable(f"{request.ref}: not sent: the operator is shutting down")
            if request.writes and not self._may_write(request.ref.namespace):
                raise ApiUnavailable(f"{request.ref}: not written: another operator reconciles the namespace now")
            yield

    def _may_write(self, namespace: str) -> bool:
        return self._namespaces is None or self._namespaces.selects(namespace)

    async def drain(self, *, within: float) -> bool:
        """Refuse new requests except urgent ones. Return whether those in flight ended within this many seconds."""
        self._draining = True
        try:
            async with asyncio.timeout(within):
                await self._semaphore.wait_idle()
        except TimeoutError:
            return False
        return True

    async def objects(self, request: ListRequest) -> AsyncGenerator[Manifest, None]:
        """Yield the objects of a list. Raise ApiRejected or ApiUnavailable; after an error, it starts again."""
        limit, continue_token = PageLimit(), ""
        while True:
            page = await self.list_page(request, limit, continue_token)
            async for manifest in page:
                yield manifest
            continue_token = page.continue_token
            if not continue_token:
                return

    async def list_page(self, request: ListRequest, limit: PageLimit, continue_token: str = "") -> ListPage:
        """Return a page of a list with as many objects as the limit permits. Raise ApiRejected or ApiUnavailable.

        A page that is too large is not read to its end, but requested again with fewer objects.
        """
        while True:
            page = request(limit=limit.objects, continue_token=continue_token)
            async with self._admit(page), self._open(page, _TIMEOUT) as response:
                body = await read_body(response, max_bytes=limit.max_bytes)
            if body is not None:
                limit.record(len(body))
                try:
                    return ListPage(body)
                except ValueError as error:
                    raise ApiUnavailable(f"{self.server}: the response is not a list: {body[:100]!r}") from error
            limit.reduce()

    async def _send(self, request: Request, timeouts: aiohttp.ClientTimeout) -> Manifest:
        async with self._open(request, timeouts) as response:
            body = await response.read()
        try:
            answer: Manifest = loads(body)
        except ValueError as error:  # a proxy has answered instead of the API server
            raise ApiUnavailable(f"{self.server}: the response is not JSON: {body[:100]!r}") from error
        if not isinstance(answer, dict) or "kind" not in answer:
            raise ApiUnavailable(f"{self.server}: the response is not a Kubernetes object: {body[:100]!r}")
        return answer

    async def lines(self, request: Request) -> AsyncGenerator[bytes, None]:
        """Yield the lines of a watch until the server ends it. Raise ApiUnavailable when it is silent for too long."""
        async with self._open(request, _WATCH_TIMEOUT) as response:
            rest = b""
            try:
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield line
            finally:
                _abort(response)  # only has an effect where the caller ends the watch

    @asynccontextmanager
    async def _open(self, request: Request, timeouts: aiohttp.ClientTimeout) -> AsyncIterator[ClientResponse]:
        """Send a request and yield the response, whose status is below 400. Count the request when the block ends."""
        if not self._fence.may_send():  # the sockets are fenced as well; this error states the cause
            raise ApiUnavailable(f"{request.ref}: not sent: the operator's Lease was not renewed in time")
        code, started_at = "none", time.monotonic()
        try:
            async with self._session.request(
                request.method,
                URL(self.server + request.target, encoded=True),
                data=request_body(request),
                headers=_headers(request),
                timeout=timeouts,
                server_hostname=self._cluster.server_name,
            ) as response:
                code = str(response.status)
                if response.status >= 400:
                    body = await read_error(response)
                    raise to_error(request, status=response.status, headers=response.headers, body=body)
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnavailable(f"{self.server}: {describe(error)}") from error
        finally:
            seconds = time.monotonic() - started_at
            metrics.record_request(request.verb, request.resource, code=code, seconds=seconds)

    def _open_socket(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        return FencedSocket(family, kind, protocol, fence=self._fence)

    async def _authorize(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Add the Authorization header. Retry once with fresh credentials after a 401."""
        header = await self._credentials.header()
        response = await handler(_with_authorization(request, header))
        if response.status != 401:
            return response
        self._credentials.expire(header)
        fresh = await self._credentials.header()
        if fresh == header:
            return response
        response.release()
        return await handler(_with_authorization(request, fresh))


def describe(error: Exception) -> str:
    """Return the cause of a failed connection in one line."""
    if isinstance(error, TimeoutError):
        return "timed out waiting for a response"
    return " ".join(str(error).split()) or type(error).__name__


def _abort(response: ClientResponse) -> None:
    """Close the connection of an unfinished response without a TLS shutdown, which the server would not answer."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()


def _with_authorization(request: ClientRequest, header: str | None) -> ClientRequest:
    if header is not None:
        request.headers["Authorization"] = header
    return request


def _headers(request: Request) -> Mapping[str, str]:
    accept = {"Accept": request.accept}
    return accept if request.body is None else accept | {"Content-Type": request.content_type}

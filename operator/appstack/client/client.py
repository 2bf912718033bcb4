"""Sends requests, and turns answers into values or into our errors."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from aiohttp import AddrInfoType, ClientHandlerType, ClientMiddlewareType, ClientRequest, ClientResponse
from pydantic_core import to_json
from yarl import URL

from appstack import __version__
from appstack.client.credentials import Credentials
from appstack.client.fair_semaphore import FairSemaphore
from appstack.client.fencing import FencedSocket
from appstack.client.requests import SILENCE, Request
from appstack.client.responses import to_error
from appstack.errors import ApiUnavailable
from appstack.k8s.lenient_json import read
from appstack.k8s.metadata import Manifest
from appstack.telemetry import metrics

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, sock_connect=5)
_URGENT_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
_WATCH_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=SILENCE)
_CHUNK: Final = 1 << 16


class Client:
    """One connection pool behind a fence, and a bounded number of requests in flight, which namespaces share."""

    def __init__(self, credentials: Credentials, *, in_flight: int) -> None:
        login = credentials.login
        self.server = login.server
        self.fence: Callable[[], bool] = lambda: True  # whether anything may be sent at this moment
        self.owns: Callable[[str], bool] = lambda _: True  # whether a namespace is ours at this moment
        self._credentials = credentials
        self._login = login
        self._slots = FairSemaphore(in_flight)
        self._halted = False
        self._connector = aiohttp.TCPConnector(limit=0, ssl=login.tls or True, socket_factory=self._socket)
        self._session = self.session()

    def session(self, *before: ClientMiddlewareType) -> aiohttp.ClientSession:
        """Return a session of its own over the same connections: kopf closes the one that it is given."""
        return aiohttp.ClientSession(
            connector=self._connector,
            connector_owner=False,
            middlewares=(*before, self._authorized),
            proxy=self._login.proxy,
            headers={"User-Agent": f"appstack/{__version__}", "Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        """Close every connection: an open watch would not answer to a farewell."""
        await self._session.close()
        await self._connector.close(abort_ssl=True)

    async def send(self, request: Request) -> Manifest:
        """Send a request and return the answer's object; raise Refused or Unavailable."""
        if request.urgent:
            return await self._send(request, _URGENT_TIMEOUT)
        async with self._slots.one(request.ref.namespace):
            if self._halted:
                raise ApiUnavailable(f"{request.ref}: not sent, for the operator stops")
            if request.writes and not self.owns(request.ref.namespace):
                raise ApiUnavailable(f"{request.ref}: not written, for its namespace is another operator's now")
            return await self._send(request, _TIMEOUT)

    async def halt(self, *, within: float) -> bool:
        """Send nothing more but what is urgent; tell whether all that was in flight has been answered in time."""
        self._halted = True
        try:
            async with asyncio.timeout(within):
                await self._slots.unused()
        except TimeoutError:
            return False
        return True

    async def _send(self, request: Request, limits: aiohttp.ClientTimeout) -> Manifest:
        async with self._answered(request, limits) as response:
            body = await response.read()
        try:
            answer: Manifest = read(body)
        except ValueError as error:  # something on the way has answered in the server's place
            raise ApiUnavailable(f"{self.server}: an answer that is no JSON: {body[:100]!r}") from error
        if not isinstance(answer, dict) or "kind" not in answer:
            raise ApiUnavailable(f"{self.server}: an answer that is no object: {body[:100]!r}")
        return answer

    async def lines(self, request: Request) -> AsyncGenerator[bytes, None]:
        """Yield the lines of a watch until the server ends it; raise Unavailable when it falls silent."""
        async with self._answered(request, _WATCH_TIMEOUT) as response:
            rest = b""
            try:
                async for chunk in response.content.iter_chunked(_CHUNK):
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield line
            finally:
                _abort(response)  # where we end it, and not the server

    @asynccontextmanager
    async def _answered(self, request: Request, limits: aiohttp.ClientTimeout) -> AsyncIterator[ClientResponse]:
        """Give the response to a request that succeeded."""
        if not self._passes():  # its sockets would refuse: this says why
            raise ApiUnavailable(f"{request.ref}: not sent, for the operator's Lease is not renewed")
        code, began = "none", time.monotonic()
        try:
            async with self._session.request(
                request.method,
                URL(self.server + request.target, encoded=True),
                data=None if request.body is None else to_json(request.body),
                headers=_headers(request),
                timeout=limits,
                server_hostname=self._login.server_name,
            ) as response:
                code = str(response.status)
                if response.status >= 400:
                    body = await response.read()
                    raise to_error(request, status=response.status, headers=response.headers, body=body)
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnavailable(f"{self.server}: {said(error)}") from error
        finally:
            seconds = time.monotonic() - began
            metrics.requested(request.verb, request.resource, code=code, seconds=seconds)

    def _socket(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        return FencedSocket(family, kind, protocol, passes=self._passes)

    def _passes(self) -> bool:
        return self.fence()

    async def _authorized(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Put the token in, as it is now; once more when the API server no longer takes it."""
        header = await self._credentials.header()
        response = await handler(_with(request, header))
        if response.status != 401:
            return response
        self._credentials.expire(header)
        fresh = await self._credentials.header()
        if fresh == header:
            return response
        response.release()
        return await handler(_with(request, fresh))


def _abort(response: ClientResponse) -> None:
    """End a connection that is still in use without a farewell: the server would not answer it in time."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()


def _with(request: ClientRequest, header: str | None) -> ClientRequest:
    if header is not None:
        request.headers["Authorization"] = header
    return request


def _headers(request: Request) -> Mapping[str, str]:
    accept = {"Accept": request.accept}
    return accept if request.body is None else accept | {"Content-Type": request.content_type}


def said(error: Exception) -> str:
    """Return what a failed connection comes to, in one line."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return " ".join(str(error).split()) or type(error).__name__

"""Fault injection: an HTTP proxy between an operator and the API server that counts requests and breaks on demand."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import aiohttp
import yaml
from aiohttp import web

from tests.api.cluster import Cluster, eventually
from tests.api.operator_process import free_port

FORWARDED_HEADERS = ("Authorization", "Accept", "Content-Type", "Retry-After")
WATCHES = frozenset({"watch"})
READS = frozenset({"list", "watch"})
ALL_VERBS = frozenset({"list", "watch", "write", "get"})
LATE_RESPONSE_SECONDS = 1.0


@dataclass(frozen=True)
class ProxiedRequest:
    """Verb and resource of a request to the proxy, and when it was received, on the monotonic clock."""

    verb: str
    resource: str
    received_at: float = field(default_factory=time.monotonic)

    @classmethod
    def parse(cls, request: web.BaseRequest) -> ProxiedRequest:
        """Return the verb and the resource of an HTTP request."""
        parts = request.path.strip("/").split("/")[2 if request.path.startswith("/api/") else 3 :]
        if parts[:1] == ["namespaces"] and len(parts) > 2:
            parts = parts[2:]
        verb = "watch" if "watch" in request.query else "get" if len(parts) != 1 else "list"
        return cls(verb if request.method == "GET" else "write", parts[0] if parts else "")


@dataclass(eq=False)
class OpenWatch:
    """A watch that the proxy forwards; a frozen one stays open and delivers no event."""

    request: web.Request
    frozen: bool = False


Responder = Callable[["FaultProxy", web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Fault:
    """A response that replaces the API server's for the requests that match."""

    name: str
    respond: Responder
    verbs: frozenset[str] = WATCHES
    resources: frozenset[str] = frozenset()  # empty: every resource
    min_hits: int = 2  # requests with the fault, for each resource, before a test removes it

    def matches(self, request: ProxiedRequest) -> bool:
        """Return whether the fault applies to a request."""
        return request.verb in self.verbs and (not self.resources or request.resource in self.resources)


def respond_with(status: int, body: object = None, **headers: str) -> Responder:
    """Return a responder that sends a status code, with a Kubernetes Status unless a body is given."""
    payload = body or {"kind": "Status", "apiVersion": "v1", "code": status, "message": f"injected fault: {status}"}
    response_headers = {name.replace("_", "-"): value for name, value in headers.items()}

    async def respond(_: FaultProxy, __: web.Request) -> web.StreamResponse:
        return web.json_response(payload, status=status, headers=response_headers)

    return respond


def stream_lines(*lines: bytes) -> Responder:
    """Return a responder that starts a watch, sends these lines and ends it."""

    async def respond(_: FaultProxy, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        return response

    return respond


def error_event(code: int) -> bytes:
    """Return the ERROR event with which an API server ends a watch."""
    message = f"injected fault: {code}"
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}
    return json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"


async def close_connection(_: FaultProxy, request: web.Request) -> web.StreamResponse:
    """Close the connection without a response."""
    return _abort(request)


async def truncate_event(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    """Forward half of the first event and close the connection."""
    return await proxy.forward(request, truncate=True)


async def respond_late(proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
    """Forward the response after a delay."""
    await asyncio.sleep(LATE_RESPONSE_SECONDS)
    return await proxy.forward(request)


@dataclass
class HeldRequests:
    """Holds the requests for some paths until the fault is removed, and forwards all others."""

    holds: Callable[[str], bool]
    paths: list[str] = field(default_factory=list)

    async def respond(self, proxy: FaultProxy, request: web.Request) -> web.StreamResponse:
        """Forward a request, at once or after the fault was removed."""
        if self.holds(request.path):
            self.paths.append(request.path)
            await proxy.fault_removed.wait()
        return await proxy.forward(request)


class FaultProxy:
    """HTTP proxy to the API server, on a thread of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self.port = free_port()
        self.requests: list[ProxiedRequest] = []
        self.hits = Counter[tuple[str, str]]()
        self.fault_removed = asyncio.Event()
        self._server = cluster.server
        self._ca = cluster.ca
        self._fault: Fault | None = None
        self._open_watches = set[OpenWatch]()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def kubeconfig(self, original: Path, folder: Path) -> Path:
        """Write a copy of a kubeconfig whose server is the proxy and return its path."""
        content = yaml.safe_load(original.read_text())
        content["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{self.port}"}
        file = folder / "proxied.yaml"
        file.write_text(yaml.safe_dump(content))
        return file

    @contextmanager
    def inject(self, fault: Fault, *, cut_watches: bool = True) -> Iterator[None]:
        """Apply a fault to the requests of the block; with `cut_watches`, cut the open watches at its start."""
        self.hits.clear()
        self.fault_removed.clear()
        self._fault = fault
        if cut_watches:
            self._run(self._cut_watches())
        try:
            yield
        finally:
            self._fault = None
            self._loop.call_soon_threadsafe(self.fault_removed.set)

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Refuse every connection during the block."""
        self._run(self._site.stop())
        self._run(self._abort_connections())
        try:
            yield
        finally:
            self._run(self._listen())

    def freeze_watches(self) -> int:
        """Forward nothing more through the open watches, like a half-open connection; return their number."""
        return self._run(self._freeze_watches())

    def wait_for_hits(self, *resources: str, min_hits: int) -> None:
        """Wait until each resource has `min_hits` lists and watches, taken together, with the fault."""
        eventually(lambda: all(self._read_hits(resource) >= min_hits for resource in resources))

    def max_reads_per_second(self, since: float) -> int:
        """Return the highest number of lists, or watches, of one resource within a second."""
        times: dict[tuple[str, str], list[float]] = {}
        for request in self.requests:
            if request.received_at >= since and request.verb in READS:
                times.setdefault((request.verb, request.resource), []).append(request.received_at)
        return max(sum(0 <= other - start < 1 for other in group) for group in times.values() for start in group)

    async def forward(
        self, request: web.Request, *, truncate: bool = False, watch: OpenWatch | None = None, **query: str
    ) -> web.StreamResponse:
        """Send a request to the API server, with query parameters replaced, and stream its response."""
        headers = {name: request.headers[name] for name in FORWARDED_HEADERS if name in request.headers}
        url = f"{self._server}{request.rel_url.update_query(query) if query else request.rel_url}"
        body = await request.read()
        async with self._session.request(request.method, url, headers=headers, data=body or None) as upstream:
            upstream_headers = {name: upstream.headers[name] for name in FORWARDED_HEADERS if name in upstream.headers}
            response = web.StreamResponse(status=upstream.status, headers=upstream_headers)
            await response.prepare(request)
            async for chunk in upstream.content.iter_any():
                if truncate:
                    await response.write(chunk[: len(chunk) // 2])
                    return _abort(request)
                if watch and watch.frozen:
                    await asyncio.Event().wait()
                await response.write(chunk)
            return response

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        parsed = ProxiedRequest.parse(request)
        self.requests.append(parsed)
        if self._fault and self._fault.matches(parsed):
            self.hits[parsed.verb, parsed.resource] += 1
            return await self._fault.respond(self, request)
        if parsed.verb != "watch":
            return await self.forward(request)
        watch = OpenWatch(request)
        self._open_watches.add(watch)
        try:
            return await self.forward(request, watch=watch)
        except aiohttp.ClientConnectionResetError:
            return web.Response()  # the operator has closed its connection
        finally:
            self._open_watches.remove(watch)

    def _read_hits(self, resource: str) -> int:
        return sum(self.hits[verb, resource] for verb in READS)

    async def _start(self) -> None:
        tls = ssl.create_default_context(cafile=self._ca)
        timeout = aiohttp.ClientTimeout(total=None)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=tls), timeout=timeout)
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
        await self._runner.setup()
        await self._listen()

    async def _listen(self) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await self._site.start()

    async def _stop(self) -> None:
        await self._cut_watches()
        await self._runner.cleanup()
        await self._session.close()

    async def _cut_watches(self) -> None:
        for watch in self._open_watches:
            _abort(watch.request)

    async def _abort_connections(self) -> None:
        for connection in self._runner.server.connections if self._runner.server else ():
            if connection.transport is not None:
                connection.transport.abort()

    async def _freeze_watches(self) -> int:
        for watch in self._open_watches:
            watch.frozen = True
        return len(self._open_watches)

    def _run(self, awaitable: Awaitable[int] | Awaitable[None]) -> int:
        async def run() -> int | None:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(30) or 0


def _abort(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()

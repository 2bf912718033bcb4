"""A way to the API server that breaks as a test wants it: an HTTP proxy that counts what it is asked."""

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

from tests.api.harness import Cluster, eventually, free_port

KEPT = ("Authorization", "Accept", "Content-Type", "Retry-After")
WATCHES = frozenset({"watch"})
READS = frozenset({"list", "watch"})
ALL = frozenset({"list", "watch", "write", "get"})


@dataclass(frozen=True)
class Asked:
    """One request, as it came."""

    verb: str
    resource: str
    at: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, request: web.BaseRequest) -> Asked:
        """Return what a request asks for."""
        parts = request.path.strip("/").split("/")[2 if request.path.startswith("/api/") else 3 :]
        if parts[:1] == ["namespaces"] and len(parts) > 2:
            parts = parts[2:]
        verb = "watch" if "watch" in request.query else "get" if len(parts) != 1 else "list"
        return cls(verb if request.method == "GET" else "write", parts[0] if parts else "")


@dataclass(eq=False)
class Stream:
    """A watch that is open."""

    request: web.Request
    frozen: bool = False


Answer = Callable[["Proxy", web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class ValidationIssue:
    """What becomes of some requests instead of an answer of the API server."""

    name: str
    answer: Answer
    verbs: frozenset[str] = WATCHES
    resources: frozenset[str] = frozenset()  # empty: every one
    times: int = 2  # how often it must have befallen a resource to have been seen

    def means(self, asked: Asked) -> bool:
        """Tell whether it befalls this request."""
        return asked.verb in self.verbs and (not self.resources or asked.resource in self.resources)


def says(status: int, body: object = None, **headers: str) -> Answer:
    """Answer with a status."""
    told = body or {"kind": "Status", "apiVersion": "v1", "code": status, "message": f"a test says {status}"}
    known = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(_: Proxy, __: web.Request) -> web.StreamResponse:
        return web.json_response(told, status=status, headers=known)

    return answer


def streams(*lines: bytes) -> Answer:
    """Begin to answer a watch, say this, and end."""

    async def answer(_: Proxy, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        return response

    return answer


def error_event(code: int) -> bytes:
    """Return the line in which a server ends a watch."""
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": f"a test: {code}"}
    return json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"


async def hangs_up(_: Proxy, request: web.Request) -> web.StreamResponse:
    """End the connection without an answer."""
    return _hung_up(request)


async def cuts_lines(proxy: Proxy, request: web.Request) -> web.StreamResponse:
    """Bring the first event, but half of it, and end the connection."""
    return await proxy.forward(request, half=True)


async def answers_late(proxy: Proxy, request: web.Request) -> web.StreamResponse:
    """Bring every answer a second late."""
    await asyncio.sleep(1)
    return await proxy.forward(request)


@dataclass
class Hanging:
    """Keeps what is asked of some paths waiting for as long as the fault lasts, and lets everything else pass."""

    keeps: Callable[[str], bool]
    kept: list[str] = field(default_factory=list)

    async def answer(self, proxy: Proxy, request: web.Request) -> web.StreamResponse:
        """Answer in time, or not."""
        if self.keeps(request.path):
            self.kept.append(request.path)
            await proxy.mended.wait()
        return await proxy.forward(request)


class Proxy:
    """Between an operator and the API server, in a thread of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self.port = free_port()
        self.asked: list[Asked] = []
        self.hits = Counter[tuple[str, str]]()
        self.mended = asyncio.Event()  # when a fault is over
        self._server = cluster.server
        self._ca = cluster.ca
        self._fault: ValidationIssue | None = None
        self._open = set[Stream]()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def kubeconfig(self, real: Path, folder: Path) -> Path:
        """Write a kubeconfig that leads here, with the user of another."""
        content = yaml.safe_load(real.read_text())
        content["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{self.port}"}
        file = folder / "proxied.yaml"
        file.write_text(yaml.safe_dump(content))
        return file

    @contextmanager
    def broken(self, fault: ValidationIssue, *, cut: bool = True) -> Iterator[None]:
        """Let a fault befall what is asked in the block; open watches are cut when it begins."""
        self.hits.clear()
        self.mended.clear()
        self._fault = fault
        if cut:
            self._do(self._cut())
        try:
            yield
        finally:
            self._fault = None
            self._loop.call_soon_threadsafe(self.mended.set)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Refuse every connection in the block."""
        self._do(self._site.stop())
        self._do(self._hang_up())
        try:
            yield
        finally:
            self._do(self._listen())

    def freeze(self) -> int:
        """Bring nothing more through the watches that are open, as if the way had forgotten them; say how many."""
        return self._do(self._freeze())

    def befallen(self, *resources: str, times: int) -> None:
        """Wait until the fault has befallen the watches or lists of these so often."""
        eventually(lambda: all(self._times(resource) >= times for resource in resources))

    def busiest(self, since: float) -> int:
        """Return the most lists or watches of one resource that were asked for within a second."""
        times: dict[tuple[str, str], list[float]] = {}
        for asked in self.asked:
            if asked.at >= since and asked.verb in READS:
                times.setdefault((asked.verb, asked.resource), []).append(asked.at)
        return max(sum(0 <= other - one < 1 for other in at) for at in times.values() for one in at)

    async def forward(
        self, request: web.Request, *, half: bool = False, stream: Stream | None = None, **query: str
    ) -> web.StreamResponse:
        """Ask the API server, with another query in part, and bring what it says as it comes."""
        headers = {name: request.headers[name] for name in KEPT if name in request.headers}
        url = f"{self._server}{request.rel_url.update_query(query) if query else request.rel_url}"
        body = await request.read()
        async with self._session.request(request.method, url, headers=headers, data=body or None) as answer:
            known = {name: answer.headers[name] for name in KEPT if name in answer.headers}
            response = web.StreamResponse(status=answer.status, headers=known)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                if half:
                    await response.write(chunk[: len(chunk) // 2])
                    return _hung_up(request)
                if stream and stream.frozen:
                    await asyncio.Event().wait()
                await response.write(chunk)
            return response

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        asked = Asked.of(request)
        self.asked.append(asked)
        if self._fault and self._fault.means(asked):
            self.hits[asked.verb, asked.resource] += 1
            return await self._fault.answer(self, request)
        if asked.verb != "watch":
            return await self.forward(request)
        stream = Stream(request)
        self._open.add(stream)
        try:
            return await self.forward(request, stream=stream)
        except aiohttp.ClientConnectionResetError:
            return web.Response()  # whoever asked has gone
        finally:
            self._open.remove(stream)

    def _times(self, resource: str) -> int:
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
        await self._cut()
        await self._runner.cleanup()
        await self._session.close()

    async def _cut(self) -> None:
        for stream in self._open:
            _hung_up(stream.request)

    async def _hang_up(self) -> None:
        for connection in self._runner.server.connections if self._runner.server else ():
            if connection.transport is not None:
                connection.transport.abort()

    async def _freeze(self) -> int:
        for stream in self._open:
            stream.frozen = True
        return len(self._open)

    def _do(self, what: Awaitable[int] | Awaitable[None]) -> int:
        async def do() -> int | None:
            return await what

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result(30) or 0


def _hung_up(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()

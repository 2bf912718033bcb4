"""The client that creates, edits, deletes and watches stacks, under a ServiceAccount of its own."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import yaml

from bench.control_plane import ApiRejected, ControlPlane
from bench.system import Manifest, Resource

ACCOUNT: Final = "client"
MAX_IN_FLIGHT: Final = 16
MERGE_PATCH: Final = "application/merge-patch+json"
_RETRYABLE: Final = frozenset({429, 503})
_MAX_RETRIES: Final = 60
_RETRY_SECONDS: Final = 1.0
_CHUNK_BYTES: Final = 1 << 18

Call = Callable[[], Awaitable[object]]


class Client:
    """A client of the API server, connected while its context is open."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._server = control_plane.server
        self._tls = ssl.create_default_context(cafile=control_plane.ca)
        self._token = _token(control_plane.kubeconfig(ACCOUNT))
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls),
            headers={"Authorization": f"Bearer {self._token}", "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120),
        )
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self._session.close()

    async def send(self, method: str, path: str, body: object = None, *, content_type: str = "application/json") -> Any:
        """Return the decoded JSON response to a request; retry 429 and 503; raise ApiRejected for other errors."""
        for _ in range(_MAX_RETRIES):
            try:
                return await self._send(method, path, body, content_type=content_type)
            except ApiRejected as error:
                if error.status not in _RETRYABLE:
                    raise
            await asyncio.sleep(_RETRY_SECONDS)
        return await self._send(method, path, body, content_type=content_type)

    async def _send(self, method: str, path: str, body: object, *, content_type: str) -> Any:
        data = None if body is None else json.dumps(body).encode()
        async with self._session.request(
            method, self._server + path, data=data, headers={"Content-Type": content_type}
        ) as response:
            text = await response.read()
            if response.status >= 400:
                raise ApiRejected(response.status, text.decode())
            return json.loads(text)

    async def create(self, stacks: Resource, manifest: Manifest) -> Manifest:
        """Create a stack."""
        created: Manifest = await self.send("POST", stacks.path(manifest["metadata"]["namespace"]), manifest)
        return created

    async def edit(self, stacks: Resource, manifest: Manifest) -> Manifest:
        """Patch a stack to this spec."""
        metadata = manifest["metadata"]
        path = stacks.path(metadata["namespace"], metadata["name"])
        changed: Manifest = await self.send("PATCH", path, {"spec": manifest["spec"]}, content_type=MERGE_PATCH)
        return changed

    async def run_all(self, calls: Iterable[Call], *, in_flight: int = MAX_IN_FLIGHT) -> None:
        """Await every call, at most `in_flight` at a time."""
        remaining = iter(calls)

        async def work() -> None:
            for call in remaining:
                await call()

        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(work())

    async def run_at_rate(self, calls: Iterable[Call], *, per_second: float) -> None:
        """Start calls at a constant rate, whether earlier ones have completed or not, and await them all."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number, call in enumerate(calls):
                await asyncio.sleep(begun + number / per_second - time.monotonic())
                group.create_task(_run(call))

    async def run_sequentially(self, calls: Iterable[Call], *, per_second: float, seconds: float) -> int:
        """Await calls one after the other, at no more than this rate; return their number."""
        begun, count = time.monotonic(), 0
        for call in calls:
            if time.monotonic() - begun > seconds:
                break
            await call()
            count += 1
            await asyncio.sleep(begun + count / per_second - time.monotonic())
        return count

    async def events(self, resource: Resource, version: str) -> AsyncGenerator[Manifest, None]:
        """Yield the events of a watch until the API server ends it."""
        query = f"?watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds=7200"
        async with self._session.get(self._server + resource.path() + query) as response:
            rest = b""
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield json.loads(line)


async def _run(call: Call) -> None:
    await call()


def _token(kubeconfig: Path) -> str:
    token: str = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"]
    return token

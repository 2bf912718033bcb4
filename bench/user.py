"""The user: who writes stacks, edits and deletes them, and watches what becomes of them; a ServiceAccount, too."""

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

from bench.contender import Manifest, Resource
from bench.plane import ApiRejected, Plane

ACCOUNT: Final = "user"
IN_FLIGHT: Final = 16
MERGE: Final = "application/merge-patch+json"
_BUSY: Final = frozenset({429, 503})  # what any client tries again
_TRIES: Final = 60
_PAUSE: Final = 1.0
_CHUNK: Final = 1 << 18

Call = Callable[[], Awaitable[object]]


class User:
    """A client of the API server, for as long as the block lasts."""

    def __init__(self, plane: Plane) -> None:
        self._server = plane.server
        self._tls = ssl.create_default_context(cafile=plane.ca)
        self._token = _token(plane.kubeconfig(ACCOUNT))
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

    async def send(self, method: str, path: str, body: object = None, *, kind: str = "application/json") -> Any:
        """Send a request and return the answer's JSON; once more while the server is too busy; raise Refused."""
        for _ in range(_TRIES):
            try:
                return await self._send(method, path, body, kind=kind)
            except ApiRejected as error:
                if error.status not in _BUSY:
                    raise
            await asyncio.sleep(_PAUSE)
        return await self._send(method, path, body, kind=kind)

    async def _send(self, method: str, path: str, body: object, *, kind: str) -> Any:
        data = None if body is None else json.dumps(body).encode()
        async with self._session.request(
            method, self._server + path, data=data, headers={"Content-Type": kind}
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
        """Change a stack to this spec."""
        meta = manifest["metadata"]
        path = stacks.path(meta["namespace"], meta["name"])
        changed: Manifest = await self.send("PATCH", path, {"spec": manifest["spec"]}, kind=MERGE)
        return changed

    async def all(self, calls: Iterable[Call], *, in_flight: int = IN_FLIGHT) -> None:
        """Make every call, so many at once."""
        waiting = iter(calls)

        async def work() -> None:
            for call in waiting:
                await call()

        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(work())

    async def paced(self, calls: Iterable[Call], *, per_second: float) -> None:
        """Make a call at each beat, whether the one before has come back or not."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number, call in enumerate(calls):
                await asyncio.sleep(begun + number / per_second - time.monotonic())
                group.create_task(_made(call))

    async def in_turn(self, calls: Iterable[Call], *, per_second: float, seconds: float) -> int:
        """Make calls one after the other, at most so many a second; return how many there were."""
        begun, made = time.monotonic(), 0
        for call in calls:
            if time.monotonic() - begun > seconds:
                break
            await call()
            made += 1
            await asyncio.sleep(begun + made / per_second - time.monotonic())
        return made

    async def events(self, resource: Resource, version: str) -> AsyncGenerator[Manifest, None]:
        """Yield the events of a watch until the server ends it."""
        query = f"?watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds=7200"
        async with self._session.get(self._server + resource.path() + query) as response:
            rest = b""
            async for chunk in response.content.iter_chunked(_CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield json.loads(line)


async def _made(call: Call) -> None:
    await call()


def _token(kubeconfig: Path) -> str:
    token: str = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"]
    return token

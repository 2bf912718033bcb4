"""The caches are filled, some kinds long before others: what /livez says meanwhile."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from appstack.client.client import Client
from appstack.client.credentials import ClusterConfig, Credentials
from appstack.client.resource_kinds import STACK, WATCHED
from appstack.informers import watch_health as health
from appstack.operator import Operator
from appstack.settings import Settings
from tests.api.harness import free_port

STALE = 1.0  # seconds
TICK = 0.1
METADATA = {"resourceVersion": "5"}


class Server:
    """An API server that has nothing, but takes its time to say so of some kinds."""

    def __init__(self) -> None:
        self.slow = ""  # a kind of which there are ever more pages
        self.hangs = ""  # one of which nothing is answered
        self.watched = set[str]()
        self.url = f"http://127.0.0.1:{free_port()}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """List, or bring bookmarks for ever."""
        kind = request.path.rsplit("/", 1)[-1]
        if kind == self.hangs:
            await asyncio.sleep(60)
        if "watch" in request.query:
            self.watched.add(kind)
            return await self._bookmarks(request)
        if kind == self.slow:
            await asyncio.sleep(TICK)
        more = {"continue": "more"} if kind == self.slow else {}
        return web.json_response({"kind": "List", "metadata": METADATA | more, "items": []})

    async def _bookmarks(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            event = {"type": "BOOKMARK", "object": {"metadata": METADATA}}
            await response.write(json.dumps(event).encode() + b"\n")
            await asyncio.sleep(TICK)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Give a server that listens."""
    made, app = Server(), web.Application()
    app.router.add_get(STACK.path().rpartition("/")[0], _discovery)
    app.router.add_get("/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(made.url.rpartition(":")[2])).start()
    yield made
    await runner.cleanup()


async def _discovery(_: web.Request) -> web.Response:
    return web.json_response({"kind": "APIResourceList", "resources": [{"name": STACK.plural}]})


@asynccontextmanager
async def started(server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Operator]:
    """Give an operator that has just been started."""
    monkeypatch.setattr(health, "STALE", STALE)
    client = Client(Credentials(ClusterConfig(server.url, None, None, None, lambda: None)), in_flight=32)
    operator = Operator(Settings(), client)
    task = asyncio.create_task(operator.run())
    try:
        yield operator
    finally:
        operator._stop.set()
        await asyncio.wait((task,))
        await client.close()
    task.result()


async def said(operator: Operator) -> set[str]:
    """Return everything that /livez would say within the time in which a watch grows stale, and twice that."""
    words = set()
    for _ in range(int(3 * STALE / TICK)):
        began = time.monotonic()
        await asyncio.sleep(TICK)
        if time.monotonic() - began < STALE / 2:  # else the machine has stalled, and the server with it
            words.add(operator.dead())
    return words


@pytest.mark.parametrize("slow", ["namespaces", "services"])
async def test_who_waits_for_the_slowest_is_not_stuck(
    server: Server, slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.slow = slow
    async with started(server, monkeypatch) as operator:
        assert {""} == await said(operator)

    listed_by_then = set() if slow == "namespaces" else {kind.plural for kind in WATCHED} - {slow}
    assert listed_by_then == server.watched


@pytest.mark.parametrize("hangs", ["namespaces", "services"])
async def test_a_list_that_hangs_is_noticed_and_it_alone(
    server: Server, hangs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.hangs = hangs
    async with started(server, monkeypatch) as operator:
        assert {"", f"the watch of {hangs} is stuck"} == await said(operator)


async def test_it_is_not_ready_while_kopf_hands_out_its_first_list() -> None:
    client = Client(Credentials(ClusterConfig("http://127.0.0.1:1", None, None, None, lambda: None)), in_flight=1)
    operator = Operator(Settings(), client)
    for one in operator._watch_healths():
        one.filled()
    assert "" == operator.unready()

    operator._seen(None, {"metadata": METADATA | {"name": "shop", "namespace": "team", "uid": "u", "generation": 1}})

    assert "the cache of appstacks is not up to date" == operator.unready()
    await client.close()

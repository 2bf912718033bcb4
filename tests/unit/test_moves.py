"""A namespace that becomes ours while we run is found, whatever else moves and however often the server fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from appstack.client.client import Client
from appstack.client.credentials import ClusterConfig, Credentials
from appstack.client.resource_kinds import STACK, WATCHED
from appstack.controller.shard_handover import ShardHandover
from appstack.informers.appstack_store import AppStackStore
from appstack.informers.informer import Informer
from appstack.informers.object_store import Key, ObjectStore
from appstack.k8s.metadata import API_VERSION, Manifest
from tests.api.harness import free_port

KIND = next(kind for kind in WATCHED if kind.plural == "services")


def stack(name: str) -> Manifest:
    """Return an AppStack of team."""
    metadata = {"name": name, "namespace": "team", "uid": name, "resourceVersion": "5", "generation": 1}
    return {"apiVersion": API_VERSION, "kind": "AppStack", "metadata": metadata, "spec": {}}


class Server:
    """An API server without Services, and with two pages of AppStacks in team."""

    def __init__(self) -> None:
        self.failing = 0  # so many lists of AppStacks
        self.followed = asyncio.Event()

    async def services(self, request: web.Request) -> web.StreamResponse:
        """List, or watch in silence."""
        if "watch" not in request.query:
            return web.json_response({"kind": "List", "metadata": {"resourceVersion": "5"}, "items": []})
        response = web.StreamResponse()
        await response.prepare(request)
        self.followed.set()
        await asyncio.sleep(60)
        return response

    async def appstacks(self, request: web.Request) -> web.Response:
        """List a page."""
        self.failing -= 1
        if self.failing >= 0:
            return web.json_response({}, status=500)
        first = "continue" not in request.query
        metadata = {"resourceVersion": "5", **({"continue": "more"} if first else {})}
        found = [stack("one" if first else "two")]
        return web.json_response({"kind": "AppStackList", "metadata": metadata, "items": found})


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, Client]]:
    """Give an API server and a client of it."""
    made, app, port = Server(), web.Application(), free_port()
    app.router.add_get(KIND.path(), made.services)
    app.router.add_get(STACK.path("team"), made.appstacks)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    client = Client(Credentials(ClusterConfig(f"http://127.0.0.1:{port}", None, None, None, lambda: None)), in_flight=4)
    yield made, client
    await client.close()
    await runner.cleanup()


def nothing(_: object) -> None:
    """Take in what does not matter here."""


async def test_lists_that_are_asked_for_at_nearly_the_same_time_all_come(server: tuple[Server, Client]) -> None:
    api, client = server
    cache = ObjectStore(accepts=lambda _: True)
    watch = Informer(KIND, client=client, cache=cache, stacks=AppStackStore(), touched=nothing, lost=nothing)
    task = asyncio.create_task(watch.run())
    await asyncio.wait_for(api.followed.wait(), 10)

    numbers = []
    for _ in range(5):
        numbers.append(watch.anew())
        await asyncio.sleep(0)

    async with asyncio.timeout(10):
        while not watch.listed(numbers[-1]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert [1, 2, 3, 4, 5] == numbers
    assert not watch.listed(6)
    task.cancel()
    await asyncio.wait((task,))


async def test_every_page_is_found_though_the_server_fails_at_first(
    server: tuple[Server, Client], caplog: pytest.LogCaptureFixture
) -> None:
    api, client = server
    api.failing = 2
    found: set[Key] = set()
    both = asyncio.Event()

    def doubt(keys: frozenset[Key]) -> None:
        found.update(keys)
        if len(found) == 2:
            both.set()

    moves = ShardHandover(
        client, watches=[], cache=ObjectStore(accepts=lambda _: True), stacks=AppStackStore(), doubt=doubt
    )
    moves.entered("team")
    await asyncio.wait_for(both.wait(), 10)

    assert {Key("team", "one"), Key("team", "two")} == found
    assert 1 == [
        record.levelname for record in caplog.records if record.name == "appstack.controller.shard_handover"
    ].count("WARNING"), "told once"

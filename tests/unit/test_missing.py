"""A kind that the cluster does not know: asked for while a stack wants it, and left alone while none does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from appstack.client.client import Client
from appstack.client.credentials import ClusterConfig, Credentials
from appstack.client.resource_kinds import WATCHED
from appstack.informers import informer as watches
from appstack.informers import watch_health as health
from appstack.informers.appstack_store import AppStackStore
from appstack.informers.informer import Informer
from appstack.informers.object_store import Key, Keys, ObjectStore
from appstack.k8s.metadata import API_VERSION, Manifest
from appstack.workqueue.queue import Backoff
from tests.api.harness import free_port

ROUTE = next(kind for kind in WATCHED if kind.kind == "HTTPRoute")
SHOP = Key("team", "shop")
WHILE = 0.4  # seconds: a kind that is wanted is asked for several times in it, unless the machine stalls


class Server:
    """An API server that may know HTTPRoutes."""

    def __init__(self) -> None:
        self.status = 404  # of every answer about HTTPRoutes; 200: it knows them
        self.items: list[Manifest] = []
        self.asked = 0
        self.watching = asyncio.Event()
        self.ended = asyncio.Event()

    async def routes(self, request: web.Request) -> web.StreamResponse:
        """List, or watch in silence until the test ends it."""
        if self.status != 200:
            self.asked += 1
            return web.Response(status=self.status, text="404 page not found")
        if "watch" not in request.query:
            return web.json_response({"kind": "List", "metadata": {"resourceVersion": "5"}, "items": self.items})
        response = web.StreamResponse()
        await response.prepare(request)
        self.watching.set()
        await self.ended.wait()
        return response


class Watched:
    """A watch of HTTPRoutes, and what it has led to."""

    def __init__(self, server: Server, client: Client) -> None:
        self.server = server
        self.stacks = AppStackStore()
        self.cache = ObjectStore(accepts=lambda _: True)
        self.touched = set[Key]()
        self.watch = Informer(
            ROUTE, client=client, cache=self.cache, stacks=self.stacks, touched=self._touch, lost=self._touch
        )

    def _touch(self, keys: Keys) -> None:
        self.touched |= keys

    def want(self, *, name: str = "shop", wants: bool = True) -> None:
        """Let a stack be looked at that wants an HTTPRoute, or no longer does."""
        metadata = {"name": name, "namespace": "team", "uid": name, "resourceVersion": "5", "generation": 1}
        self.stacks.show({"apiVersion": API_VERSION, "kind": "AppStack", "metadata": metadata, "spec": {}})
        self.stacks.lacks(Key("team", name), uid=name, kinds=frozenset({ROUTE} if wants else ()))

    async def asked_in_a_while(self) -> int:
        """Return how many requests come in a while."""
        before = self.server.asked
        await asyncio.sleep(WHILE)
        return self.server.asked - before

    async def asks_on(self) -> None:
        """Wait until some more requests have come: how soon is the machine's affair."""
        enough = self.server.asked + 4
        await until(lambda: self.server.asked >= enough)


@pytest.fixture
async def watched(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    """Give a watch at work, of a kind that the cluster did not know at the start."""
    monkeypatch.setattr(watches, "_ANEW", Backoff(first=0.02, longest=0.05))
    monkeypatch.setattr(watches, "_LATELY", 0.1)
    server, app, port = Server(), web.Application(), free_port()
    app.router.add_get(ROUTE.path(), server.routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    client = Client(Credentials(ClusterConfig(f"http://127.0.0.1:{port}", None, None, None, lambda: None)), in_flight=4)
    made = Watched(server, client)
    await made.watch.fill()
    assert 1 == server.asked
    task = asyncio.create_task(made.watch.run())
    yield made
    server.ended.set()
    task.cancel()
    await asyncio.wait((task,))
    await client.close()
    await runner.cleanup()


async def until(what: Callable[[], Any]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_nobody_wants_costs_no_request_and_is_no_trouble(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "STALE", WHILE / 2)
    watched.want(wants=False)

    assert 0 == await watched.asked_in_a_while()

    await until(lambda: watched.watch.health.fresh and watched.watch.health.alive)  # at once, unless the machine stalls


async def test_whoever_wants_to_know_is_answered_at_once_and_others_soon_after_by_the_same(watched: Watched) -> None:
    await asyncio.sleep(0.1)  # till the answer at the start is old
    watched.server.status = 200

    await asyncio.gather(*(watched.watch.ask() for _ in range(3)))

    assert frozenset() == watched.cache.observed(SHOP).missing
    assert 1 == watched.server.asked, "the list at the start"


async def test_an_answer_holds_for_a_while(watched: Watched) -> None:
    await asyncio.sleep(0.1)
    await asyncio.gather(*(watched.watch.ask() for _ in range(3)))
    await watched.watch.ask()

    assert 2 == watched.server.asked


async def test_a_kind_that_is_only_just_served_keeps_nobody_from_starting(watched: Watched) -> None:
    watched.server.status = 429  # storage is (re)initializing

    await watched.watch.fill()

    assert watched.watch.health.alive


async def test_a_server_that_fails_keeps_nobody_waiting_and_is_trouble(watched: Watched) -> None:
    await asyncio.sleep(0.1)
    watched.server.status = 500

    async with asyncio.timeout(1):
        await watched.watch.ask()

    assert 2 == watched.server.asked
    assert not watched.watch.health.steady

    watched.server.status = 200
    await watched.watch.ask()
    assert frozenset() == watched.cache.observed(SHOP).missing, "that nobody answered is no answer"


@pytest.mark.parametrize("how", ["edited", "deleted", "gone over to another"])
async def test_it_is_asked_for_as_long_as_a_stack_wants_it(watched: Watched, how: str) -> None:
    watched.want()
    await watched.asks_on()

    match how:
        case "edited":
            watched.want(wants=False)
        case "deleted":
            watched.stacks.forget(SHOP, uid="shop")
        case _:
            watched.stacks.leave("team")

    assert 1 >= await watched.asked_in_a_while(), "one may have been under way"
    assert 0 == await watched.asked_in_a_while()


async def test_when_it_is_known_those_who_want_it_look_again(watched: Watched) -> None:
    watched.want()
    watched.want(name="other", wants=False)
    watched.server.status = 200

    await until(lambda: watched.touched)

    assert {SHOP} == watched.touched
    assert frozenset() == watched.cache.observed(SHOP).missing


async def test_a_namespace_that_becomes_ours_is_a_reason_to_ask(watched: Watched) -> None:
    number = watched.watch.anew()
    assert not watched.watch.listed(number)

    await until(lambda: watched.watch.listed(number))

    assert 2 == watched.server.asked
    assert 0 == await watched.asked_in_a_while()


async def test_a_kind_that_goes_while_ours_is_there_may_come_back_with_it(watched: Watched) -> None:
    labels = {"appstack.dev/stack": "shop"}
    route = {"name": "shop", "namespace": "team", "uid": "r", "resourceVersion": "4", "labels": labels}
    watched.server.items = [{"metadata": route}]
    await _come_and_go(watched)
    assert {SHOP} == watched.touched, "what had an HTTPRoute has none"

    await watched.asks_on()  # though no stack wants it

    watched.touched.clear()
    watched.server.status = 200
    await until(lambda: watched.touched)
    assert {SHOP} == watched.touched, "its HTTPRoute is there again"


async def test_a_kind_that_goes_after_all_that_was_ours_is_left_alone(watched: Watched) -> None:
    await _come_and_go(watched)

    assert 0 == await watched.asked_in_a_while()


async def _come_and_go(watched: Watched) -> None:
    """Let the kind become known, be watched, and be known no longer."""
    watched.server.status = 200
    watched.watch.anew()
    await asyncio.wait_for(watched.server.watching.wait(), 10)
    watched.touched.clear()
    watched.server.status = 404
    watched.server.ended.set()
    await until(lambda: watched.cache.observed(SHOP).missing)

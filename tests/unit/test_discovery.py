"""Discovery of a kind that the cluster does not serve: requested while an AppStack wants it, and otherwise not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from appstack.client.client import Client
from appstack.informers import informer as informers
from appstack.informers.appstack_store import AppStackStore
from appstack.informers.informer import Informer
from appstack.informers.object_store import ObjectStore
from appstack.k8s.metadata import API_VERSION, Key
from appstack.workqueue.timing import Backoff
from tests.unit.api_server import FakeApiServer
from tests.unit.background import DEADLINE_SECONDS, eventually, running
from tests.unit.clock import ManualClock
from tests.unit.handlers import RecordingObjectHandler
from tests.unit.owned_objects import KINDS, SHOP, owned_object

ROUTE = KINDS["HTTPRoute"]


class RouteInformer:
    """An informer of HTTPRoutes, and the AppStacks that want them."""

    def __init__(self, api_server: FakeApiServer, client: Client, objects: ObjectStore, clock: ManualClock) -> None:
        self.api_server = api_server
        self.clock = clock
        self.appstacks = AppStackStore()
        self.objects = objects
        self.handler = RecordingObjectHandler()
        self.informer = Informer(ROUTE, client=client, objects=objects, appstacks=self.appstacks, handler=self.handler)

    def is_served(self) -> bool:
        """Return whether the object store counts the kind as served."""
        return not self.objects.observed(SHOP).not_served

    def want(self, name: str = "shop", *, wants: bool = True) -> None:
        """Store an AppStack that wants an HTTPRoute, or no longer does."""
        metadata = {"name": name, "namespace": "team", "uid": name, "resourceVersion": "5", "generation": 1}
        self.appstacks.update({"apiVersion": API_VERSION, "kind": "AppStack", "metadata": metadata, "spec": {}})
        stored = self.appstacks.get(Key("team", name))
        assert stored is not None
        stored.state.not_served = frozenset({(ROUTE.api_version, ROUTE.kind)} if wants else ())

    def requests(self) -> int:
        """Return the number of lists so far."""
        return len(self.api_server.received("list", "httproutes"))

    async def further_requests(self) -> None:
        """Wait for some more lists."""
        enough = self.requests() + 4
        await eventually(lambda: self.requests() >= enough)

    async def pass_backoffs(self, number: int) -> None:
        """Wait until the informer has decided several times whether to list; each decision is a heartbeat."""
        for _ in range(number):
            self.clock.advance(1)
            await eventually(lambda: self.informer.health.age == 0)


@pytest.fixture
async def routes(
    api_server: FakeApiServer,
    client: Client,
    objects: ObjectStore,
    watch_clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[RouteInformer]:
    """Yield a running informer of a kind that the cluster does not serve; every discovery asks again."""
    monkeypatch.setattr(informers, "DISCOVERY_BACKOFF", Backoff(first=0.02, longest=0.05))
    monkeypatch.setattr(informers, "DISCOVERY_MAX_AGE_SECONDS", 0.0)
    monkeypatch.setattr(informers, "DISCOVERY_WAIT_SECONDS", DEADLINE_SECONDS)
    api_server.not_served.add("httproutes")
    routes = RouteInformer(api_server, client, objects, watch_clock)
    await routes.informer.initial_list()
    assert 1 == routes.requests()
    async with running(routes.informer.run()):
        yield routes


async def serve_for_a_while(routes: RouteInformer) -> None:
    """Serve the kind until the informer watches it, and remove its definition again."""
    routes.api_server.not_served.clear()
    routes.informer.relist()
    await eventually(lambda: routes.api_server.watched() == {"httproutes"})
    routes.handler.updated.clear()
    routes.api_server.not_served.add("httproutes")
    routes.api_server.end_watches("httproutes")
    await eventually(lambda: not routes.is_served())


async def test_kind_that_no_appstack_wants_costs_no_request_and_counts_as_healthy(routes: RouteInformer) -> None:
    routes.want(wants=False)

    await routes.pass_backoffs(5)

    assert 1 == routes.requests()
    assert routes.informer.health.is_fresh
    assert routes.informer.health.is_alive


async def test_one_request_answers_all_that_wait_for_discovery(routes: RouteInformer) -> None:
    routes.api_server.not_served.clear()

    await asyncio.gather(*(routes.informer.discover() for _ in range(3)))

    assert routes.is_served()
    assert 2 == routes.requests(), "the first list, and that of the discovery"


async def test_recent_discovery_is_not_repeated(routes: RouteInformer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(informers, "DISCOVERY_MAX_AGE_SECONDS", 3600.0)

    await routes.informer.discover()

    assert 1 == routes.requests()


async def test_failed_first_list_of_an_optional_kind_does_not_prevent_the_start(routes: RouteInformer) -> None:
    routes.api_server.fail("list", "httproutes", 429, message="storage is (re)initializing")

    await routes.informer.initial_list()

    assert routes.informer.health.is_alive


async def test_discovery_ends_when_the_server_fails_and_the_next_one_asks_again(routes: RouteInformer) -> None:
    routes.api_server.fail("list", "httproutes", 500, times=1)
    await routes.informer.discover()
    assert 2 == routes.requests()
    assert not routes.informer.health.is_stable
    assert not routes.is_served()

    routes.api_server.not_served.clear()
    await routes.informer.discover()

    assert routes.is_served()


@pytest.mark.parametrize("reason", ["it was edited", "it was deleted", "its namespace is no longer selected"])
async def test_kind_is_requested_for_as_long_as_an_appstack_wants_it(routes: RouteInformer, reason: str) -> None:
    routes.want()
    await routes.further_requests()

    match reason:
        case "it was edited":
            routes.want(wants=False)
        case "it was deleted":
            routes.appstacks.delete(SHOP, uid="shop")
        case _:
            routes.appstacks.drop_namespace("team")

    await routes.pass_backoffs(2)  # a request may have been in flight
    requests = routes.requests()
    await routes.pass_backoffs(3)
    assert requests == routes.requests()


async def test_appstacks_that_want_the_kind_are_enqueued_when_it_is_served(routes: RouteInformer) -> None:
    routes.want()
    routes.want("other", wants=False)
    routes.api_server.not_served.clear()

    await eventually(routes.handler.enqueued)

    assert {SHOP} == routes.handler.enqueued()
    assert routes.is_served()


async def test_relist_for_a_new_namespace_requests_the_kind_once(routes: RouteInformer) -> None:
    number = routes.informer.relist()
    assert not routes.informer.has_listed(number)

    await eventually(lambda: routes.informer.has_listed(number))

    assert 2 == routes.requests()
    await routes.pass_backoffs(3)
    assert 2 == routes.requests()


async def test_removed_kind_is_requested_while_its_objects_may_come_back(
    routes: RouteInformer,
) -> None:
    route = owned_object(1, name="shop") | {"apiVersion": ROUTE.api_version, "kind": ROUTE.kind}
    routes.api_server.add(route)
    await serve_for_a_while(routes)
    await eventually(routes.handler.enqueued)
    assert {SHOP} == routes.handler.enqueued(), "its HTTPRoute is gone"

    await routes.further_requests()  # though no AppStack wants the kind

    routes.handler.updated.clear()
    routes.api_server.not_served.clear()
    await eventually(routes.handler.enqueued)
    assert {SHOP} == routes.handler.enqueued(), "its HTTPRoute is back"


async def test_removed_kind_without_objects_is_not_requested(routes: RouteInformer) -> None:
    await serve_for_a_while(routes)
    await routes.pass_backoffs(1)
    requests = routes.requests()

    await routes.pass_backoffs(4)

    assert requests == routes.requests()

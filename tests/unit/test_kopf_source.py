"""The kopf source: kopf's requests are delayed as the API server asks, and its lists are tracked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from appstack.client import list_page
from appstack.client.client import Client
from appstack.client.resource_kinds import APPSTACKS
from appstack.controller.namespace_filter import LabelledNamespaceFilter
from appstack.informers.watch_health import ReconnectBackoff, WatchHealth
from appstack.k8s.metadata import API_VERSION, Key
from appstack.kopf_adapter import source
from appstack.kopf_adapter.relist import LIST_QUIET_SECONDS, RelistTracker
from appstack.kopf_adapter.source import KopfSource
from tests.unit.api_server import FakeApiServer
from tests.unit.background import DEADLINE_SECONDS
from tests.unit.clock import ManualClock
from tests.unit.handlers import RecordingObjectHandler
from tests.unit.owned_objects import EXCLUDED_NAMESPACE

RETRY_AFTER_SECONDS = 1.0
LIST, PAGE, WATCH = "limit=500", "limit=500&continue=0", "watch=true&resourceVersion=1000"
SHOP = Key("team", "shop")


class RecordingBackoff(ReconnectBackoff):
    """A back-off that records the delays that the API server has asked for."""

    requested: list[float]

    def next_delay(self, *, at_least: float = 0.0) -> float:
        """Return the delay, without the growing one that a slow machine would need."""
        self.requested.append(at_least)
        return max(0.0, at_least)


class KopfRequests:
    """Sends requests as kopf does: again, until one has a response."""

    def __init__(self, session: aiohttp.ClientSession, api_server: FakeApiServer) -> None:
        self._session = session
        self._api_server = api_server

    async def send(self, query: str, *, timeout_seconds: float = DEADLINE_SECONDS) -> None:
        """Send a request until it succeeds, each time with a time-out in seconds."""
        url = f"{self._api_server.url}{APPSTACKS.path()}?{query}"
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                with suppress(aiohttp.ClientConnectionError, TimeoutError):
                    response = await self._session.get(url, timeout=aiohttp.ClientTimeout(total=timeout_seconds))
                    async with response:
                        if response.ok:
                            return

    async def json(self, query: str) -> Any:
        """Send a request and return the decoded response."""
        async with self._session.get(f"{self._api_server.url}{APPSTACKS.path()}?{query}") as response:
            return await response.json()

    async def first_events(self, query: str) -> list[Any]:
        """Send a watch request and return the events in the first chunk."""
        async with self._session.get(f"{self._api_server.url}{APPSTACKS.path()}?{query}") as response:
            async for chunk in response.content.iter_chunked(1 << 20):
                return [json.loads(line) for line in chunk.splitlines()]
        return []

    def seconds_before_success(self) -> float:
        """Return the seconds between the request that failed and the one that followed."""
        failed, repeated = self._api_server.requests
        return repeated.at - failed.at


@pytest.fixture
def handler() -> RecordingObjectHandler:
    """Return the handler of stale AppStacks."""
    return RecordingObjectHandler()


@pytest.fixture
async def kopf(
    api_server: FakeApiServer,
    client: Client,
    clock: ManualClock,
    handler: RecordingObjectHandler,
    namespaces: LabelledNamespaceFilter,
) -> AsyncIterator[KopfRequests]:
    """Yield a session as the source gives it to kopf; one AppStack is known."""
    relist = RelistTracker(clock, known=lambda: [SHOP], handler=handler, resume=lambda _: None)
    health = WatchHealth(APPSTACKS.plural, now=clock.time)
    kopf_source = KopfSource(client, health=health, namespaces=namespaces, on_event=lambda *_: None, relist=relist)
    async with kopf_source._session() as session:
        yield KopfRequests(session, api_server)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("query", [LIST, PAGE, WATCH])
async def test_request_is_not_repeated_before_retry_after(
    kopf: KopfRequests, api_server: FakeApiServer, status: int, query: str
) -> None:
    api_server.fail("", "appstacks", status, retry_after=RETRY_AFTER_SECONDS, times=1)

    await kopf.send(query)

    assert RETRY_AFTER_SECONDS <= kopf.seconds_before_success()


async def test_delay_of_a_page_is_not_repeated_for_the_watch(
    api_server: FakeApiServer,
    client: Client,
    clock: ManualClock,
    namespaces: LabelledNamespaceFilter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RecordingBackoff, "requested", [], raising=False)
    monkeypatch.setattr(source, "ReconnectBackoff", RecordingBackoff)
    relist = RelistTracker(clock, known=lambda: [], handler=RecordingObjectHandler(), resume=lambda _: None)
    kopf_source = KopfSource(
        client, health=WatchHealth("appstacks"), namespaces=namespaces, on_event=lambda *_: None, relist=relist
    )
    api_server.fail("list", "appstacks", 429, retry_after=RETRY_AFTER_SECONDS, times=1)

    async with kopf_source._session() as session:
        await KopfRequests(session, api_server).send(PAGE)
        await KopfRequests(session, api_server).send(WATCH)

    (requested,) = RecordingBackoff.requested
    assert requested <= 0


async def test_time_out_during_the_delay_does_not_start_it_again(kopf: KopfRequests, api_server: FakeApiServer) -> None:
    api_server.fail("list", "appstacks", 429, retry_after=2.5, times=1)

    await kopf.send(LIST, timeout_seconds=2.0)  # longer than the back-off of the source itself by then

    assert 2.5 <= kopf.seconds_before_success()


async def test_list_is_complete_when_kopf_opens_the_watch(
    kopf: KopfRequests, clock: ManualClock, handler: RecordingObjectHandler
) -> None:
    await kopf.send(LIST)
    await kopf.send(PAGE)
    clock.advance(2 * LIST_QUIET_SECONDS)
    assert [] == handler.stale

    await kopf.send(WATCH)
    clock.advance(LIST_QUIET_SECONDS)
    assert [{SHOP}] == handler.stale


async def test_kopf_receives_the_appstacks_of_selected_namespaces(
    kopf: KopfRequests, api_server: FakeApiServer
) -> None:
    for namespace in ("team", EXCLUDED_NAMESPACE):
        metadata = {"name": "shop", "namespace": namespace, "managedFields": [{"manager": "a"}]}
        api_server.add({"apiVersion": API_VERSION, "kind": "AppStack", "metadata": metadata, "spec": {}})

    listed = await kopf.json(LIST)
    watched = await kopf.first_events(WATCH.replace("1000", "100"))

    assert ["team"] == [item["metadata"]["namespace"] for item in listed["items"]]
    assert "managedFields" not in listed["items"][0]["metadata"], "it may be larger than the AppStack, and is not read"
    assert ["team"] == [event["object"]["metadata"]["namespace"] for event in watched]


async def test_page_that_is_too_large_is_requested_again_with_fewer_appstacks(
    kopf: KopfRequests, api_server: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_page, "MAX_PAGE_BYTES", 20_000)
    monkeypatch.setattr(list_page, "LARGE_PAGE_BYTES", 10_000)
    for number in range(4):
        metadata = {"name": f"shop-{number}", "namespace": "team"}
        api_server.add(
            {"apiVersion": API_VERSION, "kind": "AppStack", "metadata": metadata, "spec": {"a": "x" * 8_000}}
        )
    api_server.honours_limit = True

    names, query = [], LIST
    while query:
        page = await kopf.json(query)
        names += [item["metadata"]["name"] for item in page["items"]]
        query = f"{LIST}&continue={page['metadata']['continue']}" if "continue" in page["metadata"] else ""

    assert [f"shop-{number}" for number in range(4)] == names
    limits = [request.query["limit"] for request in api_server.received("list", "appstacks")]
    assert ["500", "62", "7"] == limits[:3], "an eighth each time"
    assert "1" in limits

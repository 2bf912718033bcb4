"""The start of the operator: liveness and readiness while the caches are filled, some kinds long before others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from appstack.client.resource_kinds import WATCHED_KINDS, ResourceRole
from appstack.errors import OperatorError
from appstack.informers.watch_health import STALE_SECONDS
from appstack.k8s.metadata import Manifest
from appstack.operator import Operator
from appstack.settings import Settings
from tests.unit.api_server import FakeApiServer
from tests.unit.background import eventually
from tests.unit.clock import ManualClock

PAGES = 6
PLURALS = {kind.plural for kind in WATCHED_KINDS}


def add_pages(api_server: FakeApiServer, plural: str) -> None:
    """Store objects of a kind, each of which is a page of its own."""
    kind = next(kind for kind in WATCHED_KINDS if kind.plural == plural)
    namespace = {} if kind.role is ResourceRole.NAMESPACE else {"namespace": "team"}
    api_server.page_size = 1
    for number in range(PAGES):
        metadata: Manifest = {"name": f"object-{number}", "labels": {"appstack.dev/stack": "shop"}, **namespace}
        api_server.add({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata})


@asynccontextmanager
async def started(api_server: FakeApiServer) -> AsyncIterator[Operator]:
    """Yield an operator that is filling its caches. Raise its error when the block ends, if it has failed."""
    operator = Operator(Settings(), api_server.credentials())
    run = asyncio.create_task(operator.run())
    try:
        yield operator
    finally:
        operator.stop()
        await asyncio.wait((run,))
        await operator.close()
        run.result()


async def heartbeats(api_server: FakeApiServer, operator: Operator, *, plurals: set[str]) -> None:
    """Send bookmarks, and wait until the watches of these kinds have received them."""
    api_server.send_bookmarks()
    watches = [health for health in operator._watches.healths if health.resource in plurals]
    await eventually(lambda: all(health.age == 0 for health in watches))


@pytest.mark.parametrize("slow", ["namespaces", "services"])
async def test_watches_that_wait_for_the_slowest_list_are_not_stuck(
    api_server: FakeApiServer, watch_clock: ManualClock, slow: str
) -> None:
    add_pages(api_server, slow)
    pages = api_server.hold("list", slow)
    listed = set() if slow == "namespaces" else PLURALS - {slow}  # the labels of namespaces decide about other kinds
    async with started(api_server) as operator:
        for page in range(1, PAGES):
            await eventually(lambda page=page: len(api_server.received("list", slow)) == page)  # type: ignore[misc]
            await eventually(lambda: api_server.watched() == listed)
            await heartbeats(api_server, operator, plurals=listed)
            watch_clock.advance(0.75 * STALE_SECONDS)
            assert "" == operator.liveness_error()
            pages.let_pass()

        assert listed == api_server.watched()
        assert operator.readiness_error()


@pytest.mark.parametrize("hanging", ["namespaces", "services"])
async def test_only_the_list_that_hangs_is_stuck(
    api_server: FakeApiServer, watch_clock: ManualClock, hanging: str
) -> None:
    api_server.hold("list", hanging)
    listed = set() if hanging == "namespaces" else PLURALS - {hanging}
    async with started(api_server) as operator:
        await eventually(lambda: api_server.received("list", hanging) and api_server.watched() == listed)
        watch_clock.advance(STALE_SECONDS - 1)
        assert "" == operator.liveness_error()

        await heartbeats(api_server, operator, plurals=listed)
        watch_clock.advance(1)
        assert f"the watch of {hanging} is stuck" == operator.liveness_error()


async def test_operator_is_not_ready_while_kopf_delivers_its_first_list(
    api_server: FakeApiServer, watch_clock: ManualClock
) -> None:
    operator = Operator(Settings(), api_server.credentials())
    for health in operator._watches.healths:
        health.synced()
    assert "" == operator.readiness_error()

    metadata = {"name": "shop", "namespace": "team", "uid": "u", "generation": 1, "resourceVersion": "5"}
    operator._watches.sets[0].appstack_handler.on_event(None, {"metadata": metadata})

    assert "the cache of appstacks is not up to date" == operator.readiness_error()
    await operator.close()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, "The operator may not read the objects that it manages: forbidden by the test"),
        (503, "The API server does not answer: .*forbidden by the test"),
    ],
)
async def test_list_that_fails_at_the_start_ends_the_operator(
    api_server: FakeApiServer, status: int, message: str
) -> None:
    api_server.fail("list", "services", status, message="forbidden by the test")
    operator = Operator(Settings(), api_server.credentials())

    with pytest.raises(OperatorError, match=message):
        await operator.run()

    await operator.close()

"""The Lease while the event loop of the operator is busy or wedged. The API server runs in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from appstack.client.client import Client
from appstack.client.fencing import Fence, elapsed
from appstack.client.requests import get_lease
from appstack.errors import ApiUnavailable, OperatorError
from appstack.leaderelection import lease_thread
from appstack.leaderelection.lease_thread import LeaseThread
from appstack.settings import Settings
from tests.unit.api_server import FakeApiServer
from tests.unit.background import DEADLINE_SECONDS, eventually, running

LEASE_SECONDS = 5
SETTINGS = Settings(identity="one", lease_duration=LEASE_SECONDS)


@pytest.fixture
async def api_server() -> AsyncIterator[FakeApiServer]:
    """Yield a fake API server that responds while the event loop of the test does not."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    started = FakeApiServer.started()
    yield await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(started.__aenter__(), loop))
    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(started.__aexit__(None, None, None), loop))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def fence() -> Fence:
    """Return the fence of the Lease."""
    return Fence()


@pytest.fixture
async def lease(api_server: FakeApiServer, fence: Fence) -> AsyncIterator[LeaseThread]:
    """Yield the Lease, which this process holds."""
    lease = LeaseThread(SETTINGS, api_server.credentials().cluster, fence)
    await lease.acquire()
    yield lease
    await lease.close()


def block_loop(*, until: float) -> None:
    """Occupy the event loop and the interpreter until this time of the `elapsed` clock."""
    while elapsed() < until:
        pass


async def test_busy_loop_does_not_lose_the_lease(api_server: FakeApiServer, lease: LeaseThread, fence: Fence) -> None:
    async with running(lease.hold()) as (hold,):
        await eventually(lambda: api_server.received("update", "leases"))
        begun, before = elapsed(), len(api_server.received("update", "leases"))

        block_loop(until=begun + LEASE_SECONDS + 1)

        renewals = api_server.received("update", "leases")[before:]
        assert len(renewals) >= 2, "it is renewed after each third of its duration"
        assert lease.is_leader()
        assert fence.may_send()
        assert not hold.done()


@pytest.mark.parametrize("is_held", [False, True], ids=["before the first heartbeat", "after it"])
async def test_wedged_loop_loses_the_lease(
    api_server: FakeApiServer,
    lease: LeaseThread,
    fence: Fence,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    is_held: bool,
) -> None:
    monkeypatch.setattr(lease_thread, "MAX_HEARTBEAT_AGE_SECONDS", 0.5)
    hold = asyncio.ensure_future(lease.hold())
    if is_held:
        await asyncio.sleep(0)
    begun = elapsed()

    while fence.may_send() and elapsed() - begun < DEADLINE_SECONDS:
        block_loop(until=elapsed() + 0.01)

    assert not fence.may_send()
    assert not lease.is_leader()
    with pytest.raises(OperatorError, match="was not renewed in time: this operator has stopped writing"):
        await hold
    assert "not renewed, because the event loop does not respond" in caplog.text
    client = Client(api_server.credentials(), in_flight=1, fence=fence)
    with pytest.raises(ApiUnavailable, match="not sent: the operator's Lease was not renewed in time"):
        await client.send(get_lease(lease._lease.ref))
    await client.close()


async def test_released_lease_is_not_renewed(api_server: FakeApiServer, lease: LeaseThread, fence: Fence) -> None:
    async with running(lease.hold()) as (hold,):
        await eventually(lambda: api_server.received("update", "leases"))
        hold.cancel()
        await lease.release()

    assert "" == api_server.received("update", "leases")[-1].body["spec"]["holderIdentity"]
    assert not lease.is_leader()
    assert fence.may_send(), "a standby reads"


async def test_lease_that_was_acquired_while_the_operator_stops_is_released(
    api_server: FakeApiServer, lease: LeaseThread
) -> None:
    await lease.release()

    assert "" == api_server.received("update", "leases")[-1].body["spec"]["holderIdentity"]


async def test_release_by_another_client_ends_the_leadership(api_server: FakeApiServer, lease: LeaseThread) -> None:
    stored = api_server.get(lease._lease.ref)
    assert stored is not None
    api_server.add(stored | {"spec": stored["spec"] | {"holderIdentity": ""}})

    with pytest.raises(OperatorError, match="was released by another client"):
        await lease.hold()

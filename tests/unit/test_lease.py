"""The Lease while the API server responds late, with errors, or has lost the Lease."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web

from appstack.client import fencing, requests
from appstack.client.client import Client
from appstack.client.credentials import ClusterConfig, Credentials
from appstack.client.fencing import Fence, FencedSocket
from appstack.errors import ApiUnavailable, OperatorError
from appstack.k8s.metadata import Manifest
from appstack.leaderelection.lease import Lease
from appstack.settings import Settings
from tests.api.operator_process import free_port

PATH = "/apis/coordination.k8s.io/v1/namespaces/appstack-system/leases"
SETTINGS = Settings(identity="one", lease_duration=3)
NOT_FOUND = {"kind": "Status", "apiVersion": "v1", "code": 404, "message": "not found"}


class FakeApiServer:
    """An API server with one Lease."""

    def __init__(self) -> None:
        self.lease: Manifest | None = None
        self.event: Manifest | None = None  # the only event of every watch; None: the watch is silent
        self.ignored_puts = 0  # the first renewals, which get no response
        self.puts = self.gets = self.watches = 0
        self.first_page: list[Manifest] = []  # Leases of other operators
        self.url = f"http://127.0.0.1:{free_port()}"

    async def collection(self, request: web.Request) -> web.Response:
        """List, watch or create."""
        if request.method == "POST":
            return self._store(await request.json())
        if "watch" not in request.query and self.first_page and "continue" not in request.query:
            page = {"kind": "LeaseList", "metadata": {"continue": "more"}, "items": self.first_page}
            return web.json_response(page)
        if "watch" not in request.query:
            return web.json_response({"kind": "LeaseList", "items": [self.lease] if self.lease else []})
        self.watches += 1
        if self.event is None:
            await asyncio.sleep(60)
        return web.Response(text=json.dumps(self.event) + "\n")

    async def lease_resource(self, request: web.Request) -> web.Response:
        """Get or replace."""
        if request.method == "PUT":
            self.puts += 1
            if self.puts <= self.ignored_puts:
                await asyncio.sleep(60)
            return self._store(await request.json())
        self.gets += 1
        return web.json_response(self.lease or NOT_FOUND, status=200 if self.lease else 404)

    def _store(self, lease: Manifest) -> web.Response:
        lease["metadata"]["resourceVersion"] = "1"
        self.lease = lease
        return web.json_response(lease)


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    """Yield an API server."""
    fake, app = FakeApiServer(), web.Application()
    app.router.add_route("*", "/apis/coordination.k8s.io/v1/leases", fake.collection)
    app.router.add_route("*", PATH, fake.collection)
    app.router.add_route("*", f"{PATH}/one", fake.lease_resource)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(fake.url.rpartition(":")[2])).start()
    yield fake
    await runner.cleanup()


@pytest.fixture
async def client(server: FakeApiServer) -> AsyncIterator[Client]:
    """Yield a client of the API server."""
    client = Client(Credentials(ClusterConfig(server.url, None, None, None, lambda: None)), in_flight=4)
    yield client
    await client.close()


def foreign_lease() -> Manifest:
    """Return the Lease as held by a process on another machine."""
    spec = {"holderIdentity": "elsewhere_boot_1_x", "leaseDurationSeconds": 3, "renewTime": "2026-01-01T00:00:00Z"}
    metadata = {"name": "one", "namespace": "appstack-system", "resourceVersion": "1"}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


async def test_deleted_lease_counts_as_held_until_it_would_have_expired(server: FakeApiServer, client: Client) -> None:
    lease = Lease(SETTINGS, client, Fence())
    server.lease, server.event = foreign_lease(), {"type": "DELETED", "object": foreign_lease()}
    task = asyncio.create_task(lease.acquire())
    while not server.watches:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    server.lease = None

    await asyncio.wait((task,), timeout=1)
    assert server.lease is None
    await asyncio.wait((task,), timeout=10)
    assert str(lease.identity) == (server.lease or foreign_lease())["spec"]["holderIdentity"]


async def test_watch_error_is_followed_by_a_pause(server: FakeApiServer, client: Client) -> None:
    server.lease = foreign_lease()
    server.event = {"type": "ERROR", "object": NOT_FOUND | {"code": 410}}
    lease = Lease(SETTINGS, client, Fence())

    task = asyncio.create_task(lease.acquire())
    await asyncio.wait((task,), timeout=10)

    assert str(lease.identity) == server.lease["spec"]["holderIdentity"]
    assert server.watches <= 3 / (3 / 15) + 1, "one watch per retry interval"


async def test_renewal_that_times_out_is_retried_before_the_send_deadline(
    server: FakeApiServer, client: Client
) -> None:
    lease = Lease(Settings(identity="one", lease_duration=6), client, Fence())
    await lease.acquire()
    server.ignored_puts = 1
    task = asyncio.create_task(lease.renew_forever())

    await asyncio.wait((task,), timeout=5)  # the first send deadline is 4.8 s

    is_leader = lease.is_leader()
    task.cancel()
    await asyncio.wait((task,))
    assert is_leader
    assert 2 == server.puts


async def test_response_that_is_not_an_object_is_an_error(server: FakeApiServer, client: Client) -> None:
    server.lease = {"status": "ok"}

    with pytest.raises(ApiUnavailable, match="not a Kubernetes object"):
        await client.send(requests.get_lease(Lease(SETTINGS, client, Fence()).ref))


async def test_conflicting_operator_is_found_on_any_page(server: FakeApiServer, client: Client) -> None:
    released, conflicting = foreign_lease(), foreign_lease()
    released["metadata"]["name"], released["spec"]["holderIdentity"] = "a", ""
    server.first_page = [released] * 500
    conflicting["metadata"]["name"], conflicting["spec"]["renewTime"] = "other", datetime.now(UTC).isoformat()
    server.lease = conflicting

    with pytest.raises(OperatorError, match="Another operator reconciles all namespaces"):
        await Lease(SETTINGS, client, Fence()).check_conflicts()


async def test_former_leader_sends_no_request(server: FakeApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    fence, config = Fence(), ClusterConfig(server.url, None, None, None, lambda: None)
    client = Client(Credentials(config), in_flight=4, fence=fence)
    lease = Lease(SETTINGS, client, fence)
    await lease.acquire()
    await client.send(requests.get_lease(lease.ref))
    now = fencing.elapsed
    monkeypatch.setattr(fencing, "elapsed", lambda: now() + SETTINGS.lease_duration)

    with pytest.raises(ApiUnavailable, match="Lease was not renewed in time"):
        await client.send(requests.get_lease(lease.ref))
    with (
        FencedSocket(socket.AF_INET, socket.SOCK_STREAM, 0, fence=fence) as fenced,
        pytest.raises(ConnectionAbortedError, match="fenced"),
    ):
        fenced.send(b"GET")
    await client.close()


async def test_release_clears_the_holder_and_the_send_deadline(server: FakeApiServer, client: Client) -> None:
    fence = Fence()
    lease = Lease(SETTINGS, client, fence)
    await lease.acquire()
    assert lease.is_leader()

    await lease.release()

    assert "" == (server.lease or foreign_lease())["spec"]["holderIdentity"]
    assert not lease.is_leader()
    assert fence.may_send()

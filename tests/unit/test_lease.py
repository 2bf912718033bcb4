"""What becomes of the Lease where the API server answers late, with errors, or no longer knows it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web

from appstack.client import requests
from appstack.client.client import Client
from appstack.client.credentials import ClusterConfig, Credentials
from appstack.errors import ApiUnavailable, OperatorError
from appstack.k8s.metadata import Manifest
from appstack.leaderelection.lease import Lease
from appstack.settings import Settings
from tests.api.harness import free_port

PATH = "/apis/coordination.k8s.io/v1/namespaces/appstack-system/leases"
SETTINGS = Settings(identity="one", lease_duration=3)
GONE = {"kind": "Status", "apiVersion": "v1", "code": 404, "message": "not found"}


class Server:
    """An API server that knows one Lease."""

    def __init__(self) -> None:
        self.lease: Manifest | None = None
        self.event: Manifest | None = None  # with which every watch begins, and ends
        self.slow = 0  # so many renewals are never answered
        self.puts = self.gets = self.watches = 0
        self.others: list[Manifest] = []  # on a page before the last one
        self.url = f"http://127.0.0.1:{free_port()}"

    async def collection(self, request: web.Request) -> web.Response:
        """List, watch or create."""
        if request.method == "POST":
            return self._take(await request.json())
        if "watch" not in request.query and self.others and "continue" not in request.query:
            page = {"kind": "LeaseList", "metadata": {"continue": "more"}, "items": self.others}
            return web.json_response(page)
        if "watch" not in request.query:
            return web.json_response({"kind": "LeaseList", "items": [self.lease] if self.lease else []})
        self.watches += 1
        if self.event is None:
            await asyncio.sleep(60)
        return web.Response(text=json.dumps(self.event) + "\n")

    async def one(self, request: web.Request) -> web.Response:
        """Get or replace."""
        if request.method == "PUT":
            self.puts += 1
            if self.puts <= self.slow:
                await asyncio.sleep(60)
            return self._take(await request.json())
        self.gets += 1
        return web.json_response(self.lease or GONE, status=200 if self.lease else 404)

    def _take(self, lease: Manifest) -> web.Response:
        lease["metadata"]["resourceVersion"] = "1"
        self.lease = lease
        return web.json_response(lease)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Give an API server."""
    made, app = Server(), web.Application()
    app.router.add_route("*", "/apis/coordination.k8s.io/v1/leases", made.collection)
    app.router.add_route("*", PATH, made.collection)
    app.router.add_route("*", f"{PATH}/one", made.one)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(made.url.rpartition(":")[2])).start()
    yield made
    await runner.cleanup()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    """Give a client of that server."""
    made = Client(Credentials(ClusterConfig(server.url, None, None, None, lambda: None)), in_flight=4)
    yield made
    await made.close()


def held() -> Manifest:
    """Return the Lease of somebody of whom nothing is known."""
    spec = {"holderIdentity": "elsewhere_boot_1_x", "leaseDurationSeconds": 3, "renewTime": "2026-01-01T00:00:00Z"}
    metadata = {"name": "one", "namespace": "appstack-system", "resourceVersion": "1"}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


async def test_a_lease_that_somebody_deletes_is_its_holders_until_it_would_have_been_over(
    server: Server, client: Client
) -> None:
    lease = Lease(SETTINGS, client)
    server.lease, server.event = held(), {"type": "DELETED", "object": held()}
    task = asyncio.create_task(lease.acquire())
    while not server.watches:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    server.lease = None

    await asyncio.wait((task,), timeout=1)
    assert server.lease is None
    await asyncio.wait((task,), timeout=10)
    assert str(lease.me) == (server.lease or held())["spec"]["holderIdentity"]


async def test_an_error_in_the_watch_is_no_change(server: Server, client: Client) -> None:
    server.lease = held()
    server.event = {"type": "ERROR", "object": GONE | {"code": 410}}
    lease = Lease(SETTINGS, client)

    task = asyncio.create_task(lease.acquire())
    await asyncio.wait((task,), timeout=10)

    assert str(lease.me) == server.lease["spec"]["holderIdentity"]
    assert server.watches <= 3 / (3 / 15) + 1, "one for each pause"


async def test_a_renewal_without_an_answer_leaves_time_for_another(server: Server, client: Client) -> None:
    lease = Lease(Settings(identity="one", lease_duration=6), client)
    await lease.acquire()
    server.slow = 1
    task = asyncio.create_task(lease.keep())

    await asyncio.wait((task,), timeout=5)  # it would be over by now

    still = lease.holds()
    task.cancel()
    await asyncio.wait((task,))
    assert still
    assert 2 == server.puts


async def test_an_answer_that_is_no_object_is_none(server: Server, client: Client) -> None:
    server.lease = {"status": "ok"}

    with pytest.raises(ApiUnavailable, match="no object"):
        await client.send(requests.lease(Lease(SETTINGS, client).ref))


async def test_rivals_are_found_on_every_page(server: Server, client: Client) -> None:
    nobody, rival = held(), held()
    nobody["metadata"]["name"], nobody["spec"]["holderIdentity"] = "a", ""
    server.others = [nobody] * 500
    rival["metadata"]["name"], rival["spec"]["renewTime"] = "rival", datetime.now(UTC).isoformat()
    server.lease = rival

    with pytest.raises(OperatorError, match="Another operator reconciles all namespaces"):
        await Lease(SETTINGS, client).alone()

"""A status writer with its queue and store, for tests of the status writer against the fake API server."""

from __future__ import annotations

from typing import Any, Final

from appstack.client.client import Client
from appstack.client.resource_kinds import APPSTACKS
from appstack.controller.status_writer import StatusWriter
from appstack.informers.appstack_store import AppStackStore, StoredAppStack
from appstack.k8s.metadata import Key, Manifest
from appstack.workqueue.queue import DONE, Result, WorkQueue
from tests.unit.api_server import FakeApiServer
from tests.unit.background import eventually
from tests.unit.clock import ManualClock
from tests.unit.received_request import ReceivedRequest

SHOP: Final = Key("team", "shop")
STATUS_RESOURCE: Final = "appstacks/status"


def status(replicas: int, **members: Any) -> Manifest:
    """Return a status that differs from others by its number of replicas."""
    return {"observedGeneration": 1, "replicas": replicas, **members}


class StatusWriting:
    """A status writer whose time is the test's; the reconciles of its AppStacks are calls of `reconciled`."""

    def __init__(self, clock: ManualClock, api_server: FakeApiServer, client: Client, *, max_in_flight: int) -> None:
        self.clock = clock
        self.api_server = api_server
        self.appstacks = AppStackStore()
        self.queue: WorkQueue[Key] = WorkQueue(clock, tenant=lambda key: key.namespace, workers=64, chance=lambda: 0.5)
        self.queue.open()
        self.writer = StatusWriter(
            clock,
            client=client,
            appstacks=self.appstacks,
            queue=self.queue,
            max_in_flight=max_in_flight,
            instance="test",
        )

    async def stop(self) -> None:
        """Cancel the writes in flight, and start no more."""
        self.writer.close()
        for task in self.writer.tasks():
            task.cancel()
        await self.finish()

    def add(self, key: Key = SHOP, **members: Any) -> StoredAppStack:
        """Create an AppStack, or change it, and show it to the store."""
        metadata = {"namespace": key.namespace, "name": key.name}
        manifest = {"apiVersion": APPSTACKS.api_version, "kind": APPSTACKS.kind, "metadata": metadata, "spec": {}}
        self.appstacks.update(self.api_server.add(manifest | members))
        return self.stored(key)

    def stored(self, key: Key = SHOP) -> StoredAppStack:
        """Return an AppStack, which is present."""
        found = self.appstacks.get(key)
        assert found is not None
        return found

    async def reconciled(self, built: Manifest, result: Result = DONE, *, key: Key = SHOP) -> Result:
        """Submit the status that a reconcile has built, as the reconciler does."""
        await self.writer.drop_pending(key)
        return await self.writer.submit(key, self.stored(key), built, result)

    def seconds_until_retry(self) -> float:
        """Let time pass until the AppStack is enqueued; return the seconds."""
        started = self.clock.now
        while SHOP not in self.queue:
            due = self.clock.next_timer()
            assert due is not None, "no retry is scheduled"
            self.clock.advance_to(due)
        return self.clock.now - started

    async def finish(self) -> None:
        """Wait until no write is in flight."""
        await eventually(lambda: not self.writer.tasks())

    def requests(self, *, namespace: str = "") -> list[ReceivedRequest]:
        """Return the status writes that the API server has received."""
        return self.api_server.received("apply", STATUS_RESOURCE, namespace=namespace)

    def written(self) -> list[int]:
        """Return the replicas of the statuses that the API server has received."""
        return [request.body["status"]["replicas"] for request in self.requests()]

    def names(self) -> list[str]:
        """Return the names of the AppStacks whose status the API server has received."""
        return [request.name for request in self.requests()]

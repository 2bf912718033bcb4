"""The handover of a namespace: a namespace that is added is listed completely, however often the API server fails."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from appstack.client.client import Client
from appstack.client.resource_kinds import APPSTACKS
from appstack.controller.namespace_filter import LabelledNamespaceFilter
from appstack.controller.shard_handover import ShardHandover
from appstack.informers.appstack_store import AppStackStore
from appstack.informers.informer import Informer
from appstack.informers.object_store import ObjectStore
from appstack.k8s.metadata import Key, Manifest
from tests.unit.api_server import FakeApiServer
from tests.unit.background import eventually, running
from tests.unit.handlers import RecordingObjectHandler
from tests.unit.owned_objects import EXCLUDED_NAMESPACE, KINDS, SHOP, owned_object, ref

SERVICE = KINDS["Service"]


def appstack(name: str, namespace: str = "team") -> Manifest:
    """Return an AppStack."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": APPSTACKS.api_version, "kind": APPSTACKS.kind, "metadata": metadata, "spec": {}}


class Handover:
    """A handover with the caches that it fills."""

    def __init__(
        self, client: Client, objects: ObjectStore, namespaces: LabelledNamespaceFilter, informers: list[Informer]
    ) -> None:
        self.appstacks, self.handler = AppStackStore(), RecordingObjectHandler()
        self.handover = ShardHandover(
            client,
            namespaces=namespaces,
            informers=informers,
            objects=objects,
            appstacks=self.appstacks,
            handler=self.handler,
        )


@pytest.fixture
async def informer(api_server: FakeApiServer, client: Client, objects: ObjectStore) -> AsyncIterator[Informer]:
    """Yield an informer of Services that watches."""
    handler = RecordingObjectHandler()
    informer = Informer(SERVICE, client=client, objects=objects, appstacks=AppStackStore(), handler=handler)
    async with running(informer.run()):
        await eventually(lambda: api_server.watched() == {"services"})
        yield informer


async def test_appstacks_of_every_page_are_enqueued_although_the_server_fails_at_first(
    api_server: FakeApiServer,
    client: Client,
    objects: ObjectStore,
    namespaces: LabelledNamespaceFilter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    added = Handover(client, objects, namespaces, [])
    api_server.page_size = 1
    for name in ("one", "two"):
        api_server.add(appstack(name))
    api_server.add(appstack("three", namespace="other"))
    api_server.fail("list", "appstacks", 500, times=2)

    added.handover.namespace_added("team")
    await eventually(lambda: len(added.handler.enqueued()) == 2)

    assert {Key("team", "one"), Key("team", "two")} == added.handler.enqueued() == set(added.appstacks.keys())
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert ["appstack.controller.shard_handover"] == [record.name for record in warnings], "logged once"


async def test_children_are_listed_before_appstacks(
    api_server: FakeApiServer,
    client: Client,
    objects: ObjectStore,
    namespaces: LabelledNamespaceFilter,
    informer: Informer,
) -> None:
    added = Handover(client, objects, namespaces, [informer])
    api_server.add(appstack("shop"))
    api_server.add(owned_object(1) | {"apiVersion": SERVICE.api_version, "kind": SERVICE.kind})
    await eventually(lambda: objects.observed(SHOP).children)
    objects.drop_namespace("team")
    services = api_server.hold("list", "services")

    added.handover.namespace_added("team")
    await eventually(lambda: services.waiting)
    assert [] == api_server.received("list", "appstacks")
    services.open()
    await eventually(added.handler.enqueued)

    assert {ref(SERVICE)} == set(objects.observed(SHOP).children)


async def test_namespace_that_is_released_during_its_handover_is_not_listed(
    api_server: FakeApiServer, client: Client, objects: ObjectStore, namespaces: LabelledNamespaceFilter
) -> None:
    added = Handover(client, objects, namespaces, [])
    api_server.add(appstack("shop", namespace=EXCLUDED_NAMESPACE))

    added.handover.namespace_added(EXCLUDED_NAMESPACE)
    await eventually(lambda: not added.handover._tasks)

    assert [] == api_server.requests
    assert 0 == len(added.appstacks)


async def test_released_namespace_is_dropped_from_the_caches_without_a_request(
    api_server: FakeApiServer, client: Client, objects: ObjectStore, namespaces: LabelledNamespaceFilter
) -> None:
    removed = Handover(client, objects, namespaces, [])
    metadata = {"name": "shop", "namespace": "team", "uid": "u1", "resourceVersion": "5", "generation": 1}
    removed.appstacks.update(appstack("shop") | {"metadata": metadata})
    objects.update(SERVICE, owned_object(1))

    removed.handover.namespace_removed("team")

    assert 0 == len(removed.appstacks)
    assert {} == dict(objects.observed(SHOP).children)
    assert [] == api_server.requests

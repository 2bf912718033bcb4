"""The informer: lists, watches and relists against an API server that fails, and objects that cannot be read."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from appstack.client.client import Client
from appstack.client.resource_kinds import Kind
from appstack.controller.namespace_filter import LabelledNamespaceFilter
from appstack.errors import ApiUnavailable
from appstack.informers.appstack_store import AppStackStore
from appstack.informers.informer import Informer
from appstack.informers.object_store import ObjectStore
from appstack.k8s.metadata import API_VERSION, KIND, Manifest, Ref
from tests.unit.api_server import FakeApiServer
from tests.unit.background import eventually, running
from tests.unit.clock import ManualClock
from tests.unit.handlers import RecordingObjectHandler
from tests.unit.owned_objects import APPLY_ENTRY, KINDS, SHOP, owned_object, ref

CONFIG, SERVICE, POD = KINDS["ConfigMap"], KINDS["Service"], KINDS["Pod"]


def typed(kind: Kind, manifest: Manifest) -> Manifest:
    """Return an object with the kind that the fake API server needs to store it."""
    return manifest | {"apiVersion": kind.api_version, "kind": kind.kind}


class Informed:
    """An informer with its store and its handler."""

    def __init__(self, kind: Kind, client: Client, objects: ObjectStore) -> None:
        self.objects = objects
        self.handler = RecordingObjectHandler()
        self.appstacks = AppStackStore()
        self.informer = Informer(kind, client=client, objects=objects, appstacks=self.appstacks, handler=self.handler)

    def children(self) -> set[Ref]:
        """Return the stored children of the AppStack."""
        return set(self.objects.observed(SHOP).children)


@pytest.fixture
async def services(
    watch_clock: ManualClock, api_server: FakeApiServer, client: Client, objects: ObjectStore
) -> AsyncIterator[Informed]:
    """Yield an informer of Services that watches; the API server has none."""
    informed = Informed(SERVICE, client, objects)
    async with running(informed.informer.run()):
        await eventually(lambda: api_server.watched() == {"services"})
        yield informed


async def test_every_page_of_a_list_is_stored(api_server: FakeApiServer, client: Client, objects: ObjectStore) -> None:
    informed = Informed(SERVICE, client, objects)
    api_server.page_size = 2
    for number in range(5):
        api_server.add(typed(SERVICE, owned_object(1, name=f"service-{number}", uid=f"s{number}")))

    await informed.informer.initial_list()

    assert 3 == len(api_server.received("list", "services"))
    assert {ref(SERVICE, f"service-{number}") for number in range(5)} == informed.children()
    assert informed.informer.health.is_fresh


async def test_watch_follows_the_list(services: Informed, api_server: FakeApiServer) -> None:
    stored = api_server.add(typed(SERVICE, owned_object(1)))
    await eventually(services.children)
    api_server.add(stored | {"spec": {"type": "NodePort"}})
    await eventually(lambda: services.objects.observed(SHOP).children[ref(SERVICE)].spec == {"type": "NodePort"})

    api_server.remove(ref(SERVICE))
    await eventually(lambda: not services.children())

    assert 1 == len(api_server.received("list", "services"))
    assert [{SHOP}, {SHOP}] == services.handler.updated
    assert [{SHOP}] == services.handler.deleted


@pytest.mark.parametrize("kind", [POD, KINDS["ReplicaSet"]])
async def test_deletion_of_a_pod_or_a_revision_is_an_update_of_its_appstack(
    watch_clock: ManualClock, api_server: FakeApiServer, client: Client, objects: ObjectStore, kind: Kind
) -> None:
    informed = Informed(kind, client, objects)
    for number in range(2):
        api_server.add(typed(kind, owned_object(1, name=f"shop-{number}", uid=f"u{number}")))

    async with running(informed.informer.run()):
        await eventually(lambda: len(informed.handler.updated) == 2 and api_server.watched())
        api_server.remove(ref(kind, "shop-0"))
        await eventually(lambda: len(informed.handler.updated) == 3)

    await eventually(lambda: not api_server.watched())
    api_server.remove(ref(kind, "shop-1"))
    await informed.informer.initial_list()

    assert [{SHOP}] * 4 == informed.handler.updated, "the list shows the second deletion"
    assert [] == informed.handler.deleted


async def test_deletion_of_a_bare_pod_is_that_of_a_child(
    watch_clock: ManualClock, api_server: FakeApiServer, client: Client, objects: ObjectStore
) -> None:
    informed = Informed(POD, client, objects)
    api_server.add(typed(POD, owned_object(1, managed_fields=[APPLY_ENTRY])))

    async with running(informed.informer.run()):
        await eventually(lambda: informed.handler.updated and api_server.watched())
        api_server.remove(ref(POD))
        await eventually(lambda: informed.handler.deleted)

    assert [{SHOP}] == informed.handler.updated
    assert [{SHOP}] == informed.handler.deleted


async def test_watch_that_ends_is_resumed_without_a_list(services: Informed, api_server: FakeApiServer) -> None:
    api_server.add(typed(SERVICE, owned_object(1)))
    await eventually(services.children)
    api_server.end_watches("services")

    await eventually(lambda: len(api_server.received("watch", "services")) >= 2)

    assert 1 == len(api_server.received("list", "services"))
    assert str(api_server.version) == api_server.received("watch", "services")[-1].query["resourceVersion"]


async def test_watch_from_an_expired_version_is_followed_by_a_list(
    services: Informed, api_server: FakeApiServer
) -> None:
    api_server.oldest_version = api_server.version + 1
    api_server.end_watches("services")
    await eventually(lambda: len(api_server.received("watch", "services")) >= 2)
    api_server.add(typed(SERVICE, owned_object(1)))
    api_server.oldest_version = 0

    await eventually(services.children)

    assert 2 <= len(api_server.received("list", "services"))


async def test_failed_list_is_retried_and_makes_the_watch_unstable(
    watch_clock: ManualClock, api_server: FakeApiServer, client: Client, objects: ObjectStore
) -> None:
    informed = Informed(SERVICE, client, objects)
    api_server.fail("list", "services", 500, times=2)

    async with running(informed.informer.run()):
        await eventually(lambda: api_server.watched() == {"services"})

    assert 3 == len(api_server.received("list", "services"))
    assert not informed.informer.health.is_stable


async def test_failure_of_the_first_list_of_a_required_kind_is_an_error(
    api_server: FakeApiServer, client: Client, objects: ObjectStore
) -> None:
    api_server.fail("list", "services", 500)

    with pytest.raises(ApiUnavailable, match="failure of the test"):
        await Informed(SERVICE, client, objects).informer.initial_list()


async def test_server_is_not_asked_again_before_retry_after(
    watch_clock: ManualClock, api_server: FakeApiServer, client: Client, objects: ObjectStore
) -> None:
    informed = Informed(SERVICE, client, objects)
    api_server.fail("list", "services", 429, retry_after=1.5, times=1)

    async with running(informed.informer.run()):
        await eventually(lambda: api_server.watched() == {"services"})

    first, second = api_server.received("list", "services")
    assert 1.5 <= second.at - first.at


async def test_every_requested_relist_is_completed(services: Informed) -> None:
    informer, numbers = services.informer, []
    for _ in range(5):
        numbers.append(informer.relist())

    await eventually(lambda: informer.has_listed(numbers[-1]))

    assert [1, 2, 3, 4, 5] == numbers
    assert not informer.has_listed(6)


async def test_relist_that_is_requested_during_a_list_follows_it(services: Informed, api_server: FakeApiServer) -> None:
    gate = api_server.hold("list", "services")
    first = services.informer.relist()
    await eventually(lambda: gate.waiting)
    second = services.informer.relist()

    gate.let_pass()
    await eventually(lambda: services.informer.has_listed(first))
    assert not services.informer.has_listed(second)

    gate.let_pass()
    await eventually(lambda: services.informer.has_listed(second))


@pytest.mark.parametrize("kind", [CONFIG, POD])
async def test_object_that_cannot_be_read_stops_no_watch_and_belongs_to_its_appstack(
    watch_clock: ManualClock,
    api_server: FakeApiServer,
    client: Client,
    objects: ObjectStore,
    kind: Kind,
    caplog: pytest.LogCaptureFixture,
) -> None:
    informed = Informed(kind, client, objects)
    entry = {"manager": "appstack", "operation": "Apply", "fieldsV1": [1]}
    unreadable = owned_object(1, managed_fields=[entry], status={"containerStatuses": [3]})

    async with running(informed.informer.run()):
        await eventually(api_server.watched)
        api_server.add(typed(kind, unreadable))
        await eventually(informed.handler.enqueued)

    assert {SHOP} == informed.handler.enqueued()
    observed = objects.observed(SHOP)
    assert ["c1"] == [child.uid for child in (*observed.children.values(), *observed.pods)]
    assert f"Unhandled error in reading {kind.kind} team/x" in caplog.text


async def test_namespace_concerns_its_appstacks_when_labels_of_its_policy_change(
    watch_clock: ManualClock, api_server: FakeApiServer, client: Client, namespaces: LabelledNamespaceFilter
) -> None:
    informed = Informed(KINDS["Namespace"], client, ObjectStore(namespaces, label_keys={"level"}))
    stack = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "shop", "namespace": "team"}}
    informed.appstacks.update(api_server.add(stack | {"spec": {}}))

    async with running(informed.informer.run()):
        await eventually(lambda: api_server.watched() == {"namespaces"})
        for labels in ({"level": "a"}, {"level": "a", "other": "x"}, {"other": "y", "level": "b"}, {"other": "y"}):
            api_server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team", "labels": labels}})
        await eventually(lambda: len(informed.handler.updated) == 3)

        assert [{SHOP}] * 3 == informed.handler.updated
        assert {} == informed.objects.observed(SHOP).namespace_labels

"""Informer and stale AppStacks against a real API server: changes that a watch did not show are found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from appstack.client.client import Client
from appstack.client.credentials import Credentials, load
from appstack.client.resource_kinds import WATCHED_KINDS
from appstack.controller.reconciler import Reconciler
from appstack.controller.status_writer import StatusWriter
from appstack.informers.appstack_store import AppStackStore
from appstack.informers.informer import Informer
from appstack.informers.object_store import ObjectStore
from appstack.k8s.metadata import Key, Keys
from appstack.settings import Settings
from appstack.workqueue.queue import WorkQueue
from tests.api.cluster import KUBECONFIG, Cluster, Manifest, Namespace, eventually
from tests.api.conftest import RUN_ID, temporary_namespace

CONFIG_MAP = next(kind for kind in WATCHED_KINDS if kind.kind == "ConfigMap")


@pytest.fixture(scope="module")
def namespace(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return a namespace that no operator reconciles."""
    with temporary_namespace(cluster, f"informer-{RUN_ID}") as namespace:
        yield namespace


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """Return the operator's client, with an administrator's credentials."""
    monkeypatch.setenv("KUBECONFIG", str(KUBECONFIG))
    client = Client(Credentials(load()), in_flight=4)
    yield client
    await client.close()


class OneNamespace:
    """A namespace filter that selects one namespace."""

    def __init__(self, name: str) -> None:
        self._name = name

    def selects(self, namespace: str) -> bool:
        """Return whether this is the selected namespace."""
        return namespace == self._name

    def update(self, manifest: Manifest) -> None:
        """Ignore the labels of a namespace."""

    def delete(self, name: str) -> None:
        """Ignore the deletion of a namespace."""


class InformerFixture:
    """An informer of ConfigMaps in one namespace, its store, and the keys of its events."""

    def __init__(self, client: Client, namespace: Namespace) -> None:
        self.key = Key(namespace.name, "shop")
        self.event_keys = list[Key]()
        self.store = ObjectStore(OneNamespace(namespace.name))
        self.informer = Informer(CONFIG_MAP, client=client, objects=self.store, appstacks=AppStackStore(), handler=self)

    def on_update(self, keys: Keys) -> None:
        """Record the keys of added and updated objects."""
        self.event_keys += keys

    def on_delete(self, keys: Keys) -> None:
        """Record the keys of deleted objects."""
        self.event_keys += keys

    def names(self) -> set[str]:
        """Return the names of the children in the store."""
        return {ref.name for ref in self.store.observed(self.key).children}


def config_map(name: str) -> Manifest:
    """Return a ConfigMap with the label of an AppStack's children."""
    labels = {"appstack.dev/stack": "shop"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}


async def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for a condition while the informer runs; raise AssertionError after the deadline."""
    await asyncio.to_thread(eventually, condition)


async def test_relist_finds_an_object_deleted_meanwhile(namespace: Namespace, client: Client) -> None:
    namespace.create(config_map("gap-a"))
    namespace.create(config_map("gap-b"))
    fixture = InformerFixture(client, namespace)
    await fixture.informer.initial_list()
    assert {"gap-a", "gap-b"} <= fixture.names()
    fixture.event_keys.clear()

    namespace.delete("ConfigMap", "gap-a")
    await fixture.informer.initial_list()

    assert "gap-a" not in fixture.names()
    assert [fixture.key] == fixture.event_keys


async def test_expired_resource_version_causes_a_relist(namespace: Namespace, client: Client) -> None:
    fixture = InformerFixture(client, namespace)
    fixture.informer._resource_version = "1"  # as after a long loss of the API server
    namespace.create(config_map("old"))
    task = asyncio.create_task(fixture.informer.run())
    try:
        await wait_for(lambda: "old" in fixture.names())
        namespace.create(config_map("new"))
        await wait_for(lambda: "new" in fixture.names())
        namespace.patch("ConfigMap", "new", {"metadata": {"labels": {"appstack.dev/stack": "cart"}}})
        await wait_for(lambda: "new" not in fixture.names())
        assert fixture.informer.health.is_fresh
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_objects_without_the_label_are_never_received(namespace: Namespace, client: Client) -> None:
    namespace.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "private"}, "data": {"secret": "x"}}
    )
    fixture = InformerFixture(client, namespace)

    await fixture.informer.initial_list()

    assert "private" not in fixture.names()


async def no_discovery(*_: object) -> None:
    """Discover no kind."""


async def test_stale_stack_is_removed_when_the_api_server_has_deleted_it(namespace: Namespace, client: Client) -> None:
    appstacks, clock = AppStackStore(), asyncio.get_running_loop()
    for name in ("deleted", "kept"):
        appstacks.update(namespace.create_stack(name))
    queue = WorkQueue[Key](clock, tenant=lambda key: key.namespace, workers=1)
    reconciler = Reconciler(
        settings=Settings(),
        client=client,
        appstacks=appstacks,
        objects=ObjectStore(OneNamespace(namespace.name)),
        queue=queue,
        status_writer=StatusWriter(
            clock, client=client, appstacks=appstacks, queue=queue, max_in_flight=1, instance="test"
        ),
        discover=no_discovery,
    )
    namespace.delete("AppStack", "deleted")

    for name in ("deleted", "kept"):
        appstacks.mark_stale(Key(namespace.name, name))
        await reconciler.reconcile(Key(namespace.name, name))

    assert [Key(namespace.name, "kept")] == appstacks.keys()
    kept = appstacks.get(Key(namespace.name, "kept"))
    assert kept
    assert not kept.stale

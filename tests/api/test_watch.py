"""List and watch against the real API server: what was missed is found out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from appstack.client.client import Client
from appstack.client.credentials import Credentials, load
from appstack.client.resource_kinds import WATCHED
from appstack.controller.reconciler import Reconciler
from appstack.controller.status_writer import StatusWriter
from appstack.informers.appstack_store import AppStackStore
from appstack.informers.informer import Informer
from appstack.informers.object_store import Key, Keys, ObjectStore
from appstack.settings import Settings
from tests.api.conftest import WORKER, namespace
from tests.api.harness import KUBECONFIG, Cluster, Manifest, Space, eventually, stack

CONFIG = next(kind for kind in WATCHED if kind.kind == "ConfigMap")


@pytest.fixture(scope="module")
def bare(cluster: Cluster, system: Space) -> Iterator[Space]:
    """Give a namespace that no operator owns."""
    with namespace(cluster, f"watch-{WORKER}") as space:
        yield space


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """Give the operator's client, with an administrator's credentials."""
    monkeypatch.setenv("KUBECONFIG", str(KUBECONFIG))
    made = Client(Credentials(load()), in_flight=4)
    yield made
    await made.close()


class Watched:
    """A cache, the watch that feeds it, and what it has led to."""

    def __init__(self, client: Client, space: Space) -> None:
        self.key = Key(space.name, "shop")
        self.touched = list[Key]()
        self.cache = ObjectStore(accepts=lambda name: name == space.name)
        self.watch = Informer(
            CONFIG, client=client, cache=self.cache, stacks=AppStackStore(), touched=self._touch, lost=self._touch
        )

    def _touch(self, keys: Keys) -> None:
        self.touched += keys

    def names(self) -> set[str]:
        return {ref.name for ref in self.cache.observed(self.key).children}


def config(name: str) -> Manifest:
    labels = {"appstack.dev/stack": "shop"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}


async def until(what: Callable[[], bool]) -> None:
    """Wait until it is so, with a deadline, while the watch goes on."""
    await asyncio.to_thread(eventually, what)


async def test_a_list_after_a_gap_finds_what_was_deleted(bare: Space, client: Client) -> None:
    bare.create(config("gap-a"))
    bare.create(config("gap-b"))
    watched = Watched(client, bare)
    await watched.watch.list()
    assert {"gap-a", "gap-b"} <= watched.names()
    watched.touched.clear()

    bare.delete("ConfigMap", "gap-a")
    await watched.watch.list()

    assert "gap-a" not in watched.names()
    assert [watched.key] == watched.touched


async def test_a_version_that_is_too_old_leads_to_a_list(bare: Space, client: Client) -> None:
    watched = Watched(client, bare)
    watched.watch._version = "1"  # as after a long time without the API server
    bare.create(config("old"))
    task = asyncio.create_task(watched.watch.run())
    try:
        await until(lambda: "old" in watched.names())
        bare.create(config("new"))
        await until(lambda: "new" in watched.names())
        bare.patch("ConfigMap", "new", {"metadata": {"labels": {"appstack.dev/stack": "cart"}}})
        await until(lambda: "new" not in watched.names())
        assert watched.watch.health.fresh
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_of_others_objects_nothing_ever_arrives(bare: Space, client: Client) -> None:
    bare.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "private"}, "data": {"secret": "x"}})
    watched = Watched(client, bare)

    await watched.watch.list()

    assert "private" not in watched.names()


async def nobody(_: object) -> None:
    """Ask nobody."""


async def test_a_stack_whose_deletion_nobody_told_is_forgotten(bare: Space, client: Client) -> None:
    gone = bare.create(stack("gone"))
    there = bare.create(stack("there"))
    stacks, cache = AppStackStore(), ObjectStore(accepts=lambda _: True)
    for doc in (gone, there):
        stacks.show(doc)
    reconciler = Reconciler(
        settings=Settings(),
        client=client,
        cache=cache,
        stacks=stacks,
        status_writer=StatusWriter(client=client, stacks=stacks, instance="test"),
        caught_up=lambda _: None,
        ask=nobody,
    )
    bare.delete("AppStack", "gone")

    for name in ("gone", "there"):
        stacks.doubt(Key(bare.name, name))
        await reconciler.look(Key(bare.name, name))

    assert [Key(bare.name, "there")] == list(stacks)
    held = stacks.get(Key(bare.name, "there"))
    assert held
    assert not held.doubtful

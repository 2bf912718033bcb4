"""The event handler of AppStacks: priority of new specs, deferral of settled AppStacks, and deletions."""

from __future__ import annotations

import pytest

from appstack.controller.namespace_filter import LabelledNamespaceFilter
from appstack.informers.appstack_store import AppStackStore
from appstack.k8s.metadata import Key, Manifest
from appstack.kopf_adapter.handler import AppStackEventHandler
from appstack.kopf_adapter.relist import DEFERRAL_QUIET_SECONDS, RelistTracker
from appstack.workqueue.fair_queue import Priority
from appstack.workqueue.queue import WorkQueue
from tests.unit.clock import ManualClock
from tests.unit.handlers import RecordingObjectHandler
from tests.unit.owned_objects import EXCLUDED_NAMESPACE


def appstack(name: str, *, version: int = 5, uid: str = "", namespace: str = "team", observed: int = 0) -> Manifest:
    """Return an AppStack of generation 1 whose status reports on the generation `observed`."""
    metadata = {"name": name, "namespace": namespace, "uid": uid or name, "resourceVersion": str(version)}
    return {"metadata": metadata | {"generation": 1}, "status": {"observedGeneration": observed}}


class Handling:
    """A handler with its queue, its store and the tracker of lists."""

    def __init__(self, clock: ManualClock, namespaces: LabelledNamespaceFilter) -> None:
        self.queue: WorkQueue[Key] = WorkQueue(clock, tenant=lambda key: key.namespace, workers=10)
        self.queue.open()
        self.appstacks = AppStackStore()
        self.relist = RelistTracker(
            clock,
            known=self.appstacks.keys,
            handler=RecordingObjectHandler(),
            resume=lambda key: self.queue.add(key, Priority.LOW),
        )
        self.handler = AppStackEventHandler(
            namespaces=namespaces, appstacks=self.appstacks, queue=self.queue, relist=self.relist
        )

    async def dequeue(self, number: int) -> list[str]:
        """Take keys from the queue; return their names."""
        keys = [await self.queue.get() for _ in range(number)]
        return [key.name for key in keys if key is not None]


@pytest.fixture
def handling(clock: ManualClock, namespaces: LabelledNamespaceFilter) -> Handling:
    """Return a handler before the first event."""
    return Handling(clock, namespaces)


async def test_new_spec_goes_before_events_of_settled_appstacks(handling: Handling) -> None:
    handling.handler.on_event("MODIFIED", appstack("settled", observed=1))
    handling.handler.on_event("ADDED", appstack("new"))

    assert ["new", "settled"] == await handling.dequeue(2)


async def test_settled_appstack_of_a_list_is_deferred(handling: Handling, clock: ManualClock) -> None:
    handling.handler.on_event(None, appstack("settled", observed=1))
    handling.handler.on_event(None, appstack("new"))
    assert (1, 1) == (len(handling.queue), len(handling.relist))

    clock.advance(DEFERRAL_QUIET_SECONDS)

    assert ["new", "settled"] == await handling.dequeue(2)


def test_event_without_news_enqueues_nothing(handling: Handling) -> None:
    handling.appstacks.update(appstack("shop", observed=1))

    handling.handler.on_event("MODIFIED", appstack("shop", observed=1))

    assert 0 == len(handling.queue)


def test_appstack_of_a_namespace_that_is_not_selected_is_ignored(handling: Handling) -> None:
    handling.handler.on_event("ADDED", appstack("shop", namespace=EXCLUDED_NAMESPACE))

    assert (0, 0) == (len(handling.queue), len(handling.appstacks))


def test_deleted_appstack_is_dropped_with_its_retry(handling: Handling, clock: ManualClock) -> None:
    handling.handler.on_event(None, appstack("shop", observed=1))
    clock.advance(DEFERRAL_QUIET_SECONDS)
    handling.queue.retry(Key("team", "other"))
    handling.appstacks.update(appstack("other", observed=1))

    handling.handler.on_event("DELETED", appstack("other", version=9))
    clock.advance(300)

    assert [Key("team", "shop")] == handling.appstacks.keys()
    assert Key("team", "other") not in handling.queue


def test_late_deletion_of_a_former_appstack_keeps_the_retry_of_the_present_one(
    handling: Handling, clock: ManualClock
) -> None:
    handling.appstacks.update(appstack("shop", version=9, uid="later"))
    handling.queue.retry(Key("team", "shop"))

    handling.handler.on_event("DELETED", appstack("shop", version=8, uid="former"))
    clock.advance(300)

    assert Key("team", "shop") in handling.queue


async def test_new_leader_enqueues_every_appstack_and_new_specs_first(handling: Handling, clock: ManualClock) -> None:
    for name, observed in (("settled", 1), ("new", 0)):
        handling.appstacks.update(appstack(name, observed=observed))

    handling.handler.enqueue_all()
    assert ["new"] == await handling.dequeue(1)
    clock.advance(DEFERRAL_QUIET_SECONDS)

    assert ["settled"] == await handling.dequeue(1)

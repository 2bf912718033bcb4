"""The event handler of owned objects: which AppStacks it enqueues, and which it marks as stale."""

from __future__ import annotations

import pytest

from appstack.client.resource_kinds import APPSTACKS
from appstack.controller.object_handler import ObjectEventHandler
from appstack.informers.appstack_store import AppStackStore, StoredAppStack
from appstack.informers.watch_health import STABLE_SECONDS, WatchHealth
from appstack.k8s.metadata import Key
from appstack.planning.reconcile_state import NEVER
from appstack.workqueue.queue import WorkQueue
from tests.unit.clock import ManualClock
from tests.unit.owned_objects import SHOP

UNKNOWN = Key("team", "unknown")


class Handling:
    """A handler with its queue, and one AppStack."""

    def __init__(self, clock: ManualClock) -> None:
        self.queue: WorkQueue[Key] = WorkQueue(clock, tenant=lambda key: key.namespace, workers=1)
        self.queue.open()
        self.appstacks = AppStackStore()
        metadata = {"name": "shop", "namespace": "team", "uid": "u1", "resourceVersion": "5", "generation": 1}
        self.appstacks.update({"metadata": metadata})
        self.appstack_watch = WatchHealth(APPSTACKS.plural, now=clock.time)
        self.handler = ObjectEventHandler(
            queue=self.queue, appstacks=self.appstacks, appstack_watch=self.appstack_watch
        )

    def stored(self) -> StoredAppStack:
        """Return the AppStack."""
        found = self.appstacks.get(SHOP)
        assert found is not None
        return found


@pytest.fixture
def handling(clock: ManualClock) -> Handling:
    """Return a handler whose watch of AppStacks has not failed."""
    return Handling(clock)


def test_update_enqueues_appstacks_that_exist(handling: Handling) -> None:
    handling.handler.on_update(frozenset({SHOP, UNKNOWN}))

    assert SHOP in handling.queue
    assert UNKNOWN not in handling.queue
    assert NEVER == handling.stored().state.last_child_deletion


def test_deletion_starts_the_deletion_grace(handling: Handling) -> None:
    handling.handler.on_delete(frozenset({SHOP, UNKNOWN}))

    assert SHOP in handling.queue
    assert NEVER < handling.stored().state.last_child_deletion
    assert not handling.stored().stale


def test_deletion_marks_the_appstack_as_stale_while_its_own_watch_is_unstable(
    handling: Handling, clock: ManualClock
) -> None:
    handling.appstack_watch.failure("connection reset")
    clock.advance(STABLE_SECONDS - 1)
    handling.handler.on_delete(frozenset({SHOP}))

    assert handling.stored().stale


def test_appstack_that_may_be_deleted_is_marked_as_stale_and_enqueued(handling: Handling) -> None:
    handling.handler.mark_stale(frozenset({SHOP}))

    assert handling.stored().stale
    assert SHOP in handling.queue

"""The status writer: the time of a write, the order of pending statuses, and its restraint during a backlog."""

from __future__ import annotations

import asyncio

import pytest

from appstack.controller.status_writer import (
    OVERDUE_SECONDS,
    STATUS_DEBOUNCE_SECONDS,
    STUCK_SECONDS,
    WRITES_IN_BACKLOG,
)
from appstack.k8s.metadata import Key
from appstack.workqueue.fair_queue import Priority
from appstack.workqueue.queue import BACKLOG_SECONDS, DONE, Result
from tests.unit.background import eventually, run_ready_tasks
from tests.unit.status_writing import SHOP, STATUS_RESOURCE, StatusWriting, status

OTHERS = tuple(Key("team", f"other-{number}") for number in range(3))


async def dequeue_new_spec(writing: StatusWriting) -> None:
    """Let a worker reconcile one of several new specs: the queue is backlogged for a moment."""
    if len(writing.queue) < 2:
        for number in range(100):
            writing.queue.add(Key("new", f"spec-{number}"), Priority.HIGH)
    key = await writing.queue.get()
    assert key is not None
    writing.queue.done(key)
    assert writing.queue.is_backlogged()


async def test_first_status_is_written_at_once(writing: StatusWriting) -> None:
    await writing.reconciled(status(1))
    await writing.finish()

    assert [1] == writing.written()


async def test_statuses_of_a_second_are_one_write_of_the_latest(writing: StatusWriting) -> None:
    await writing.reconciled(status(1))
    await writing.finish()
    for replicas in (2, 3, 4):
        writing.clock.advance(0.2)
        await writing.reconciled(status(replicas))
    writing.clock.advance_to(STATUS_DEBOUNCE_SECONDS - 0.01)
    assert [] == writing.writer.tasks()

    writing.clock.advance_to(STATUS_DEBOUNCE_SECONDS)
    await writing.finish()

    assert [1, 4] == writing.written()


async def test_reconcile_waits_for_the_write_in_flight_and_its_status_for_the_debounce(writing: StatusWriting) -> None:
    gate = writing.api_server.hold("apply", STATUS_RESOURCE)
    await writing.reconciled(status(1))
    await eventually(lambda: gate.waiting)
    reconcile = asyncio.create_task(writing.reconciled(status(2)))
    await run_ready_tasks()
    assert not reconcile.done()

    gate.open()
    await reconcile
    await writing.finish()
    assert [1] == writing.written()
    writing.clock.advance(STATUS_DEBOUNCE_SECONDS)
    await writing.finish()

    assert [1, 2] == writing.written()


async def test_write_in_flight_delays_the_reconciles_of_its_own_appstack_only(writing: StatusWriting) -> None:
    gate = writing.api_server.hold("apply", STATUS_RESOURCE)
    await writing.reconciled(status(1))
    await eventually(lambda: gate.waiting)

    writing.add(OTHERS[0])
    await writing.reconciled(status(1), key=OTHERS[0])

    await eventually(lambda: gate.waiting == 2)


async def test_status_of_a_failed_reconcile_needs_no_debounce(writing: StatusWriting) -> None:
    await writing.reconciled(status(1))
    await writing.finish()
    await writing.reconciled(status(2), Result(failed=True))
    await writing.finish()

    assert [1, 2] == writing.written()


async def test_status_that_the_next_reconcile_builds_again_is_not_written(writing: StatusWriting) -> None:
    writing.clock.advance(5)
    writing.queue.add(SHOP)

    await writing.reconciled(status(1))

    assert [] == writing.writer.tasks()
    writing.clock.advance(10)
    assert [] == writing.requests()


async def test_status_that_a_reconcile_takes_over_is_not_written(writing: StatusWriting) -> None:
    await writing.writer.drop_pending(SHOP)
    writing.stored().state.last_status_write = writing.clock.now
    await writing.reconciled(status(1))

    await writing.writer.drop_pending(SHOP)
    assert writing.stored().state.pending_status is None
    writing.clock.advance(10)

    assert [] == writing.writer.tasks()


@pytest.mark.parametrize("result", [DONE, Result(failed=True)])
async def test_overdue_status_is_written_although_events_come_without_end(
    writing: StatusWriting, result: Result
) -> None:
    writing.queue.add(SHOP)
    replicas = 0
    while writing.clock.now <= OVERDUE_SECONDS:
        assert [] == writing.written(), "an event has enqueued the AppStack"
        replicas += 1
        await writing.reconciled(status(replicas), result)
        writing.clock.advance(0.5)

    await writing.reconciled(status(replicas + 1), result)
    await writing.finish()

    assert [replicas + 1] == writing.written()
    assert writing.stored().state.outdated_since is None


async def test_status_stays_outdated_while_reconciles_end_early(writing: StatusWriting) -> None:
    writing.queue.add(SHOP)
    await writing.reconciled(status(1))
    for _ in range(10):
        await writing.writer.drop_pending(SHOP)  # a reconcile in the deletion grace submits no status
        writing.clock.advance(OVERDUE_SECONDS / 10)
    writing.clock.advance(0.1)
    assert 0 == writing.stored().state.outdated_since

    await writing.reconciled(status(2))
    await writing.finish()

    assert [2] == writing.written()


@pytest.mark.parametrize("writing", [1], indirect=True)
async def test_status_of_a_constantly_changing_appstack_keeps_its_place(writing: StatusWriting) -> None:
    gate, clock = writing.api_server.hold("apply", STATUS_RESOURCE), writing.clock
    for key in (SHOP, *OTHERS):
        writing.add(key)
        await writing.reconciled(status(1), key=key)
        clock.advance(1)
    for _ in range(3):
        await writing.writer.drop_pending(OTHERS[0])  # a reconcile that ends early
        await writing.reconciled(status(2), key=OTHERS[0])
        clock.advance(1)
    assert 3 == len(writing.writer)
    assert clock.now - 1 == writing.writer.longest_wait(), "that of the first one behind the write in flight"

    gate.open()
    await eventually(lambda: len(writing.requests()) == 4)

    assert ["shop", "other-0", "other-1", "other-2"] == writing.names(), "the oldest first"
    await writing.finish()
    assert (0, 0.0) == (len(writing.writer), writing.writer.longest_wait())


@pytest.mark.parametrize("writing", [4], indirect=True)
async def test_hanging_writes_of_a_tenant_leave_writes_to_others(writing: StatusWriting) -> None:
    writing.api_server.hold("apply", STATUS_RESOURCE, namespace="hung")
    for namespace in ("hung", "healthy"):
        for number in range(5):
            key = Key(namespace, f"shop-{number}")
            writing.add(key)
            await writing.reconciled(status(1), key=key)

    await eventually(lambda: len(writing.requests(namespace="healthy")) == 5)

    assert 2 == len(writing.requests(namespace="hung"))


async def test_one_write_at_a_time_is_in_flight_during_a_backlog(writing: StatusWriting) -> None:
    gate = writing.api_server.hold("apply", STATUS_RESOURCE)
    await dequeue_new_spec(writing)
    for key in OTHERS:
        writing.add(key)
        await writing.reconciled(status(1), key=key)
    assert WRITES_IN_BACKLOG == len(writing.writer.tasks())
    assert 2 == len(writing.writer)

    gate.let_pass()
    await eventually(lambda: len(writing.requests()) == 2)
    assert WRITES_IN_BACKLOG == len(writing.writer.tasks())

    writing.clock.advance(BACKLOG_SECONDS)
    gate.open()
    await writing.finish()
    assert ["other-0", "other-1", "other-2"] == writing.names()


async def test_every_write_may_start_after_a_backlog(writing: StatusWriting) -> None:
    gate = writing.api_server.hold("apply", STATUS_RESOURCE)
    await dequeue_new_spec(writing)
    for key in OTHERS:
        writing.add(key)
        await writing.reconciled(status(1), key=key)
    writing.clock.advance(BACKLOG_SECONDS)

    gate.let_pass()
    await eventually(lambda: len(writing.requests()) == 3)

    assert 2 == len(writing.writer.tasks())


@pytest.mark.parametrize("started_in_backlog", [True, False])
async def test_stuck_write_does_not_hold_others_up_during_a_backlog(
    writing: StatusWriting, started_in_backlog: bool
) -> None:
    writing.api_server.hold("apply", STATUS_RESOURCE)
    if started_in_backlog:
        await dequeue_new_spec(writing)
    await writing.reconciled(status(1))
    await dequeue_new_spec(writing)
    for key in (Key("other", "shop-0"), Key("other", "shop-1")):
        writing.add(key)
        await writing.reconciled(status(1), key=key)
    assert 1 == len(writing.writer.tasks())

    writing.clock.advance(STUCK_SECONDS - 0.01)
    await dequeue_new_spec(writing)
    assert 1 == len(writing.writer.tasks())
    writing.clock.advance(0.01)

    assert 2 == len(writing.writer.tasks()), "the one that is stuck, and the one that counts"


async def test_stuck_tenant_holds_others_up_once_during_a_backlog(writing: StatusWriting) -> None:
    writing.api_server.hold("apply", STATUS_RESOURCE, namespace="hung")
    await dequeue_new_spec(writing)
    for number in range(5):
        for namespace in ("hung", "healthy"):
            key = Key(namespace, f"shop-{number}")
            writing.add(key)
            await writing.reconciled(status(1), key=key)
    writing.clock.advance(STUCK_SECONDS - 0.01)
    await dequeue_new_spec(writing)
    assert 1 == len(writing.writer.tasks())
    writing.clock.advance(0.01)

    await eventually(lambda: len(writing.requests(namespace="healthy")) == 5)

    assert writing.queue.is_backlogged()
    assert 1 == len(writing.requests(namespace="hung"))


async def test_closed_writer_starts_no_write(writing: StatusWriting) -> None:
    writing.writer.close()

    await writing.reconciled(status(1))
    writing.clock.advance(10)

    assert [] == writing.writer.tasks()

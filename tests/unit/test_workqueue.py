"""The work queue: folding of events, priorities, back-off and rate limit."""

from __future__ import annotations

import asyncio

import pytest

from appstack.workqueue.fair_queue import Priority
from appstack.workqueue.queue import Result, WorkQueue
from tests.unit.background import run_ready_tasks
from tests.unit.clock import ManualClock


async def reconcile(queue: WorkQueue[str], number: int) -> list[str]:
    """Take keys and return them with success, one after the other; return their order."""
    keys = []
    for _ in range(number):
        key = await queue.get()
        assert key
        queue.done(key)
        keys.append(key)
    return keys


async def fail(queue: WorkQueue[str], result: Result) -> None:
    """Take a key and return it with a result."""
    key = await queue.get()
    assert key
    queue.done(key, result)


async def test_closed_queue_accepts_no_key(closed_queue: WorkQueue[str], clock: ManualClock) -> None:
    closed_queue.add("a")
    closed_queue.add_after("b", 1)
    clock.advance(2)
    assert 0 == len(closed_queue)

    closed_queue.open()
    closed_queue.add("a")

    assert ["a"] == await reconcile(closed_queue, 1)


async def test_key_that_is_added_often_is_dequeued_once(queue: WorkQueue[str]) -> None:
    for key in ("a", "b", "a", "a"):
        queue.add(key)

    assert ["a", "b"] == [await queue.get(), await queue.get()]
    assert 0 == len(queue)


async def test_events_during_a_reconcile_fold_into_one_more(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.add("a")
    assert 0 == len(queue), "one worker at most has a key"

    queue.done("a")

    assert ["a"] == await reconcile(queue, 1)
    assert 0 == len(queue)


async def test_repeated_reconcile_has_the_highest_priority_of_its_events(queue: WorkQueue[str]) -> None:
    queue.add("a/repeated")
    await queue.get()
    for priority in (Priority.LOW, Priority.HIGH, Priority.NORMAL):
        queue.add("a/repeated", priority)
    queue.add("a/normal")
    queue.done("a/repeated")

    assert ["a/repeated", "a/normal"] == await reconcile(queue, 2)


async def test_events_that_the_worker_has_seen_need_no_further_reconcile(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.clear_dirty("a")
    queue.done("a")
    assert 0 == len(queue)

    queue.add("a")
    await queue.get()
    queue.clear_dirty("a")
    queue.add("a")
    queue.done("a")
    assert 1 == len(queue), "this event came later"


async def test_queue_contains_keys_with_a_reconcile_to_come(queue: WorkQueue[str]) -> None:
    assert "a" not in queue
    queue.add("a")
    assert "a" in queue

    await queue.get()
    assert "a" not in queue, "the reconcile is in progress"
    queue.add("a")
    assert "a" in queue, "another one follows it"

    queue.done("a")
    assert "a" in queue


async def test_workers_wait_for_keys(queue: WorkQueue[str]) -> None:
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await run_ready_tasks()
    assert not first.done()
    queue.add("a")
    queue.add("b")

    assert {"a", "b"} == set(await asyncio.gather(first, second))


async def test_cancelled_worker_loses_no_key(queue: WorkQueue[str]) -> None:
    cancelled, other = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await run_ready_tasks()
    cancelled.cancel()
    queue.add("a")

    assert "a" == await other


async def test_earliest_requeue_counts(queue: WorkQueue[str], clock: ManualClock) -> None:
    queue.add_after("a", 5)
    queue.add_after("a", 2)
    queue.add_after("a", 9)
    clock.advance_to(1.9)
    assert 0 == len(queue)

    clock.advance_to(2)
    assert ["a"] == await reconcile(queue, 1)

    clock.advance_to(10)
    assert 0 == len(queue)


async def test_reconcile_cancels_a_scheduled_one(queue: WorkQueue[str], clock: ManualClock) -> None:
    queue.add_after("a", 5)
    queue.add("a")
    await reconcile(queue, 1)

    clock.advance_to(6)

    assert 0 == len(queue)


async def test_backoff_grows_with_failures_in_a_row(queue: WorkQueue[str], clock: ManualClock) -> None:
    delays = []
    queue.add("a")
    for result in (
        *[Result(failed=True)] * 5,
        Result(requeue_after=3, keep_backoff=True),
        Result(failed=True),
        Result(requeue_after=2.5),
        Result(failed=True),
    ):
        await fail(queue, result)
        due = clock.next_timer()
        assert due is not None
        delays.append(due - clock.now)
        clock.advance_to(due)

    assert [1, 2, 4, 8, 8, 3, 8, 2.5, 1] == delays


async def test_failure_outside_of_a_reconcile_counts_and_is_forgiven(queue: WorkQueue[str], clock: ManualClock) -> None:
    queue.retry("a")
    assert 1 == clock.next_timer()
    clock.advance_to(1)
    queue.retry("a")
    queue.reset_backoff("a")
    clock.advance_to(3)
    await reconcile(queue, 1)
    queue.retry("a")

    assert 4 == clock.next_timer()


async def test_server_may_ask_for_a_longer_delay(queue: WorkQueue[str], clock: ManualClock) -> None:
    queue.add("a")

    await fail(queue, Result(requeue_after=30, failed=True))

    assert 30 == clock.next_timer()


async def test_closed_queue_gives_out_nothing_and_stays_closed(queue: WorkQueue[str], clock: ManualClock) -> None:
    worker = asyncio.create_task(queue.get())
    await run_ready_tasks()
    queue.add_after("a", 1)
    queue.close()
    queue.open()
    queue.add("b")
    clock.advance(2)

    assert [None, None] == [await worker, await queue.get()]


async def test_deleted_key_is_not_requeued_and_its_failures_are_forgotten(
    queue: WorkQueue[str], clock: ManualClock
) -> None:
    queue.retry("a")
    queue.forget("a")
    clock.advance(2)
    assert 0 == len(queue)

    queue.retry("a")
    assert 3 == clock.next_timer()


async def test_key_that_is_requeued_at_once_waits_for_the_others_of_its_tenant(queue: WorkQueue[str]) -> None:
    for key in ("a/noisy", "a/1", "a/2"):
        queue.add(key)
    assert "a/noisy" == await queue.get()
    queue.add("a/noisy")
    queue.done("a/noisy")

    assert ["a/1", "a/2", "a/noisy"] == await reconcile(queue, 3)


async def test_low_priority_waits_behind_the_keys_of_all_tenants(queue: WorkQueue[str]) -> None:
    for key in ("a/1", "a/2", "b/1"):
        queue.add(key, Priority.LOW)
    queue.add("a/3")
    queue.add("a/2")
    queue.add("a/2", Priority.LOW)
    queue.add("a/4", Priority.HIGH)
    queue.add("c/1", Priority.HIGH)

    assert ["a/4", "c/1", "a/3", "a/2", "a/1", "b/1"] == await reconcile(queue, 6)


@pytest.mark.parametrize("priorities", [(Priority.HIGH,), (Priority.HIGH, Priority.LOW), (Priority.LOW, Priority.HIGH)])
async def test_key_that_waits_for_its_rate_limit_keeps_its_highest_priority(
    queue: WorkQueue[str], clock: ManualClock, priorities: tuple[Priority, ...]
) -> None:
    for _ in range(3):
        queue.add("a/noisy")
        await reconcile(queue, 1)
    for priority in priorities:
        queue.add("a/noisy", priority)
    queue.add("a/high", Priority.HIGH)
    queue.add("a/normal")
    assert 2 == len(queue), "the burst of the noisy key is used up"

    clock.advance(2)

    assert ["a/high", "a/noisy", "a/normal"] == await reconcile(queue, 3)


async def test_earlier_requeue_keeps_the_priority_of_a_later_one(queue: WorkQueue[str], clock: ManualClock) -> None:
    queue.add_after("a/1", 5, Priority.HIGH)
    queue.add_after("a/1", 2, Priority.LOW)
    queue.add("a/2")

    clock.advance(2)

    assert ["a/1", "a/2"] == await reconcile(queue, 2)
    assert clock.next_timer() is None


async def test_last_event_of_a_noisy_key_is_reconciled(queue: WorkQueue[str], clock: ManualClock) -> None:
    for _ in range(3):
        queue.add("noisy")
        await reconcile(queue, 1)
    queue.add("noisy")
    assert 0 == len(queue), "the burst is used up"

    clock.advance(2)

    assert ["noisy"] == await reconcile(queue, 1)


async def test_longest_wait_is_that_of_the_oldest_key(queue: WorkQueue[str], clock: ManualClock) -> None:
    assert 0 == queue.longest_wait()
    queue.add("a/1", Priority.LOW)
    clock.advance_to(3)
    queue.add("b/1")
    queue.add("a/1")
    clock.advance_to(5)
    assert 5 == queue.longest_wait()

    await reconcile(queue, 2)
    assert 0 == queue.longest_wait()

"""The work queue under load: detection of a backlog, and fair shares of the workers."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from appstack.workqueue.fair_queue import Priority
from appstack.workqueue.queue import BACKLOG_SECONDS, WorkQueue
from tests.unit.background import run_ready_tasks, running
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


async def test_new_specs_that_wait_and_are_dequeued_are_a_backlog(queue: WorkQueue[str], clock: ManualClock) -> None:
    for number in range(3):
        queue.add(f"a/{number}", Priority.HIGH)
    assert not queue.is_backlogged(), "no worker has taken one"
    await reconcile(queue, 1)
    assert queue.is_backlogged()

    clock.advance(BACKLOG_SECONDS - 0.01)
    assert queue.is_backlogged()
    await reconcile(queue, 1)
    clock.advance(BACKLOG_SECONDS - 0.01)
    assert queue.is_backlogged()

    await reconcile(queue, 1)
    clock.advance(0.01)
    assert not queue.is_backlogged(), "the last one leaves none that waits"


async def test_new_specs_behind_reconciles_that_hang_are_no_backlog(queue: WorkQueue[str], clock: ManualClock) -> None:
    for number in range(8):
        queue.add(f"a/{number}", Priority.HIGH)
    for _ in range(4):
        await queue.get()
    assert queue.is_backlogged()

    clock.advance(BACKLOG_SECONDS)

    assert not queue.is_backlogged()
    queue.done("a/0")
    await queue.get()
    assert queue.is_backlogged(), "one reconcile has ended, and the next new spec is dequeued"


async def test_one_new_spec_in_each_of_many_tenants_is_a_backlog(queue: WorkQueue[str]) -> None:
    for number in range(20):
        queue.add(f"tenant-{number}/a", Priority.HIGH)
    await reconcile(queue, 1)

    assert queue.is_backlogged()


async def test_new_spec_of_a_tenant_that_may_have_no_worker_is_no_backlog(
    queue: WorkQueue[str], clock: ManualClock
) -> None:
    for number in range(8):
        queue.add(f"hung/{number}", Priority.HIGH)
    while len(queue) > 4:
        await queue.get()
    clock.advance(BACKLOG_SECONDS)
    assert not queue.is_backlogged()

    queue.add("other/1", Priority.HIGH)
    await reconcile(queue, 1)

    assert not queue.is_backlogged(), "no other new spec could follow"


@pytest.mark.parametrize(
    ("sentence", "keys", "priority"),
    [
        ("events", ("a/1", "a/2", "a/3"), Priority.NORMAL),
        ("AppStacks with a current status", ("a/1", "a/2", "a/3"), Priority.LOW),
        ("new specs of which one waits at a time", ("a/1", "b/1", "c/1"), Priority.HIGH),
    ],
)
async def test_other_keys_are_no_backlog(
    queue: WorkQueue[str], sentence: str, keys: tuple[str, ...], priority: Priority
) -> None:
    for key in keys:
        queue.add(key, priority)
        if priority is Priority.HIGH:
            await queue.get()
    if priority is not Priority.HIGH:
        await reconcile(queue, 2)

    assert not queue.is_backlogged(), sentence


class HangingWorkers:
    """Workers whose reconciles hang until the test ends them."""

    def __init__(self, queue: WorkQueue[str]) -> None:
        self.queue = queue
        self.hanging = dict[str, asyncio.Event]()

    async def work(self) -> None:
        """Take keys and hold each until `end`."""
        while (key := await self.queue.get()) is not None:
            end = self.hanging[key] = asyncio.Event()
            await end.wait()
            self.queue.done(key)

    async def end(self, key: str) -> None:
        """End the reconcile of a key."""
        self.hanging.pop(key).set()
        await run_ready_tasks()

    def held(self) -> Counter[str]:
        """Return the number of workers that each tenant holds."""
        return Counter(key.partition("/")[0] for key in self.hanging)


async def test_hanging_reconciles_of_a_tenant_leave_workers_to_others(queue: WorkQueue[str]) -> None:
    workers = HangingWorkers(queue)
    async with running(*(workers.work() for _ in range(8))) as tasks:
        for tenant in ("hung", "also-hung", "healthy"):
            for number in range(20):
                queue.add(f"{tenant}/{number}", Priority(number % 3))
            await run_ready_tasks()
        assert {"hung": 4, "also-hung": 2, "healthy": 1} == workers.held()

        for _ in range(20):
            await workers.end(next(key for key in workers.hanging if key.startswith("healthy")))

        assert {"hung": 4, "also-hung": 2} == workers.held(), "all of the healthy tenant are done"
        assert 34 == len(queue)
        queue.close()
        for key in list(workers.hanging):
            await workers.end(key)
        assert {True} == {task.done() for task in tasks}


async def test_no_worker_is_idle_while_it_may_have_a_key(queue: WorkQueue[str]) -> None:
    workers, chance, waiting, ended = HangingWorkers(queue), random.Random(1), Counter[str](), Counter[str]()
    async with running(*(workers.work() for _ in range(8))):
        for number in range(400):
            tenant = chance.choice("aaaabbbcd")
            queue.add(f"{tenant}/{number}")
            waiting[tenant] += 1
        await run_ready_tasks()
        while workers.hanging:
            free, held = 8 - len(workers.hanging), workers.held()
            left = {tenant for tenant in waiting if waiting[tenant] > ended[tenant] + held[tenant]}
            assert set() == {tenant for tenant in left if held[tenant] < free}
            key = chance.choice(sorted(workers.hanging))
            ended[key.partition("/")[0]] += 1
            await workers.end(key)

    assert waiting == ended

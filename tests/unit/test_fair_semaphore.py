"""Fair semaphore: shares of tenants, order of waiters, cancellation."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from appstack.client.fair_semaphore import FairSemaphore
from tests.unit.background import DEADLINE_SECONDS, run_ready_tasks


class Holders:
    """Tasks of several tenants, each of which acquires a slot and holds it until `release` is called."""

    def __init__(self, semaphore: FairSemaphore) -> None:
        self.semaphore = semaphore
        self.acquired = list[str]()  # tenants, in order
        self.tasks = list[asyncio.Task[None]]()
        self._releases = dict[str, list[asyncio.Event]]()

    async def start(self, tenant: str, number: int) -> None:
        """Start this many tasks of a tenant."""
        self.tasks += [asyncio.create_task(self._hold(tenant)) for _ in range(number)]
        await run_ready_tasks()

    async def release(self, tenant: str) -> None:
        """Release the slot that a tenant has held longest."""
        self._releases[tenant].pop(0).set()
        await run_ready_tasks()

    def held(self) -> dict[str, int]:
        """Return the number of slots that each tenant holds."""
        return {tenant: len(releases) for tenant, releases in self._releases.items() if releases}

    async def _hold(self, tenant: str) -> None:
        async with self.semaphore.acquire(tenant):
            self.acquired.append(tenant)
            release = asyncio.Event()
            self._releases.setdefault(tenant, []).append(release)
            await release.wait()


@pytest.fixture
def holders() -> Holders:
    """Return the tasks of a semaphore of 16 slots."""
    return Holders(FairSemaphore(16))


async def test_tenant_that_hangs_leaves_half_of_the_free_capacity_to_others(holders: Holders) -> None:
    for tenant in "abcde":
        await holders.start(tenant, 100)

    assert {"a": 8, "b": 4, "c": 2, "d": 1, "e": 1} == holders.held()


async def test_released_slot_goes_to_the_waiting_tenant_with_the_smaller_share(holders: Holders) -> None:
    await holders.start("a", 100)
    await holders.start("b", 100)
    for _ in range(20):
        await holders.release("a")

    assert {"a": 5, "b": 6} == holders.held(), "five slots are free for a third tenant"


async def test_tenants_are_served_round_robin_and_each_in_order() -> None:
    holders = Holders(FairSemaphore(1))
    await holders.start("a", 3)
    await holders.start("b", 1)
    await holders.start("c", 2)
    for _ in range(5):
        await holders.release(holders.acquired[-1])

    assert ["a", "a", "b", "c", "a", "c"] == holders.acquired


async def test_only_tenant_can_use_a_capacity_of_one() -> None:
    holders = Holders(FairSemaphore(1))
    await holders.start("a", 2)
    assert {"a": 1} == holders.held()

    await holders.release("a")

    assert {"a": 1} == holders.held()
    assert ["a", "a"] == holders.acquired


async def test_cancelled_waiter_takes_no_slot(holders: Holders) -> None:
    await holders.start("a", 10)
    for task in holders.tasks[8:]:
        task.cancel()
    await holders.start("a", 1)
    await holders.release("a")

    assert {"a": 8} == holders.held()
    assert [False] * 8 + [True, True, False] == [task.cancelled() for task in holders.tasks]


async def test_waiter_that_is_cancelled_while_it_is_granted_a_slot_passes_it_on() -> None:
    semaphore, acquired = FairSemaphore(1), list[str]()

    async def acquire(name: str) -> None:
        async with semaphore.acquire(name):
            acquired.append(name)

    async with semaphore.acquire("first"):
        tasks = [asyncio.create_task(acquire(name)) for name in ("second", "third")]
        await run_ready_tasks()
    tasks[0].cancel()
    await asyncio.wait(tasks)

    assert ["third"] == acquired


async def test_exception_releases_the_slot() -> None:
    semaphore = FairSemaphore(1)
    with pytest.raises(OSError, match="timed out"):
        async with semaphore.acquire("a"):
            raise OSError("timed out")

    async with asyncio.timeout(DEADLINE_SECONDS), semaphore.acquire("a"):
        pass


async def test_semaphore_is_idle_when_every_slot_is_released(holders: Holders) -> None:
    await asyncio.wait_for(holders.semaphore.wait_idle(), DEADLINE_SECONDS)
    await holders.start("a", 9)
    await holders.start("b", 1)
    idle = asyncio.create_task(holders.semaphore.wait_idle())
    for tenant in "aaaaaaaaa":
        await holders.release(tenant)
    assert not idle.done()

    await holders.release("b")

    assert idle.done()


async def test_random_load_leaks_no_slot_and_exceeds_no_share() -> None:
    semaphore, chance, held = FairSemaphore(8), random.Random(1), Counter[str]()

    async def work(tenant: str) -> None:
        async with semaphore.acquire(tenant):
            held[tenant] += 1
            assert held.total() <= 8
            assert held[tenant] <= 4
            try:
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
            finally:
                held[tenant] -= 1

    tasks = []
    for _ in range(3000):
        tasks.append(asyncio.create_task(work(chance.choice("aaaaaabbcdefghijkl"))))
        if chance.random() < 0.3:
            await asyncio.sleep(0)
        if chance.random() < 0.2:
            chance.choice(tasks[-50:]).cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert {True} == {task.cancelled() or task.exception() is None for task in tasks}
    await asyncio.wait_for(semaphore.wait_idle(), DEADLINE_SECONDS)
    holders = Holders(semaphore)
    await holders.start("a", 10)

    assert {"a": 4} == holders.held()

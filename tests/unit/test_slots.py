"""The slots that namespaces share: whoever hangs leaves some to all others."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from appstack.client.fair_semaphore import FairSemaphore


class Crowd:
    """Those who want a slot, and keep it until they are told to go."""

    def __init__(self, slots: FairSemaphore) -> None:
        self.slots = slots
        self.got = list[str]()
        self.tasks = list[asyncio.Task[None]]()
        self._leave = dict[str, list[asyncio.Event]]()

    async def come(self, group: str, number: int) -> None:
        """Let so many of a group ask for a slot."""
        self.tasks += [asyncio.create_task(self._hold(group)) for _ in range(number)]
        await passing()

    async def go(self, group: str) -> None:
        """Let the first of a group that has a slot give it back."""
        self._leave[group].pop(0).set()
        await passing()

    def holding(self) -> dict[str, int]:
        """Return how many each group holds."""
        return {group: len(leave) for group, leave in self._leave.items() if leave}

    async def _hold(self, group: str) -> None:
        async with self.slots.one(group):
            self.got.append(group)
            leave = asyncio.Event()
            self._leave.setdefault(group, []).append(leave)
            await leave.wait()


async def passing() -> None:
    """Let everybody do what can be done now."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def crowd() -> Crowd:
    return Crowd(FairSemaphore(16))


async def test_who_hangs_leaves_half_of_what_is_left_to_others(crowd: Crowd) -> None:
    for group in "abcde":
        await crowd.come(group, 100)

    assert {"a": 8, "b": 4, "c": 2, "d": 1, "e": 1} == crowd.holding()


async def test_what_comes_back_goes_to_who_waits_and_holds_least(crowd: Crowd) -> None:
    await crowd.come("a", 100)
    await crowd.come("b", 100)
    for _ in range(20):
        await crowd.go("a")

    assert {"a": 5, "b": 6} == crowd.holding(), "and five are free for a third"


async def test_groups_take_turns_and_each_of_them_in_its_order() -> None:
    crowd = Crowd(FairSemaphore(1))
    await crowd.come("a", 3)
    await crowd.come("b", 1)
    await crowd.come("c", 2)
    for _ in range(5):
        await crowd.go(crowd.got[-1])

    assert ["a", "a", "b", "c", "a", "c"] == crowd.got


async def test_one_slot_is_enough_for_a_group_by_itself() -> None:
    crowd = Crowd(FairSemaphore(1))
    await crowd.come("a", 2)
    assert {"a": 1} == crowd.holding()

    await crowd.go("a")

    assert {"a": 1} == crowd.holding()
    assert ["a", "a"] == crowd.got


async def test_who_gives_up_waiting_takes_no_slot_along(crowd: Crowd) -> None:
    await crowd.come("a", 10)
    for task in crowd.tasks[8:]:
        task.cancel()
    await crowd.come("a", 1)
    await crowd.go("a")

    assert {"a": 8} == crowd.holding()
    assert [False] * 8 + [True, True, False] == [task.cancelled() for task in crowd.tasks]


async def test_who_gives_up_as_it_is_given_one_passes_it_on() -> None:
    slots, got = FairSemaphore(1), list[str]()

    async def ask(name: str) -> None:
        async with slots.one(name):
            got.append(name)

    async with slots.one("first"):
        tasks = [asyncio.create_task(ask(name)) for name in ("second", "third")]
        await passing()
    tasks[0].cancel()
    await asyncio.wait(tasks)

    assert ["third"] == got


async def test_who_fails_gives_it_back() -> None:
    slots = FairSemaphore(1)
    with pytest.raises(OSError, match="no answer"):
        async with slots.one("a"):
            raise OSError("no answer")

    async with asyncio.timeout(1), slots.one("a"):
        pass


async def test_unused_is_when_nobody_holds_one_or_waits(crowd: Crowd) -> None:
    await asyncio.wait_for(crowd.slots.unused(), 1)
    await crowd.come("a", 9)
    await crowd.come("b", 1)
    end = asyncio.create_task(crowd.slots.unused())
    for group in "aaaaaaaaa":
        await crowd.go(group)
    assert not end.done()

    await crowd.go("b")

    assert end.done()


async def test_whatever_happens_no_slot_is_lost_and_nobody_has_more_than_its_part() -> None:
    slots, chance, holding = FairSemaphore(8), random.Random(1), Counter[str]()

    async def work(group: str) -> None:
        async with slots.one(group):
            holding[group] += 1
            assert holding.total() <= 8
            assert holding[group] <= 4
            try:
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
            finally:
                holding[group] -= 1

    tasks = []
    for _ in range(3000):
        tasks.append(asyncio.create_task(work(chance.choice("aaaaaabbcdefghijkl"))))
        if chance.random() < 0.3:
            await asyncio.sleep(0)
        if chance.random() < 0.2:
            chance.choice(tasks[-50:]).cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert {True} == {task.cancelled() or task.exception() is None for task in tasks}
    await asyncio.wait_for(slots.unused(), 1)
    crowd = Crowd(slots)
    await crowd.come("a", 10)

    assert {"a": 4} == crowd.holding()

"""The work queue, on a clock of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from appstack.queue import Again, Backoff, WorkQueue


class Call:
    """A call to come."""

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.due, self.callback, self.cancelled = when, callback, False

    def cancel(self) -> None:
        self.cancelled = True

    def when(self) -> float:
        return self.due


class Clock:
    """Time passes when the test says so."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, list[Call]()

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Call:
        self.calls.append(Call(when, callback))
        return self.calls[-1]

    def pass_to(self, when: float) -> None:
        self.now = when
        due = [call for call in self.calls if call.due <= when]
        self.calls = [call for call in self.calls if call.due > when]
        for call in sorted(due, key=Call.when):
            if not call.cancelled:
                call.callback()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue[str]:
    return WorkQueue(clock, backoff=Backoff(first=1, longest=8, jitter=0.5), chance=lambda: 0.5)


async def test_what_was_said_often_is_looked_at_once(queue: WorkQueue[str]) -> None:
    for key in ("a", "b", "a", "a"):
        queue.add(key)

    assert ["a", "b"] == [await queue.get(), await queue.get()]
    assert 0 == len(queue)


async def test_a_key_is_with_one_worker_and_what_happens_meanwhile_is_one_more_look(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.add("a")
    assert 0 == len(queue)

    queue.done("a")

    assert "a" == await queue.get()
    queue.done("a")
    assert 0 == len(queue)


async def test_a_worker_waits_until_there_is_something_to_do(queue: WorkQueue[str]) -> None:
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    queue.add("b")

    assert ["a", "b"] == sorted(filter(None, await asyncio.gather(first, second)))


async def test_a_worker_that_gave_up_waiting_takes_nothing_with_it(queue: WorkQueue[str]) -> None:
    impatient, patient = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    impatient.cancel()
    queue.add("a")

    assert "a" == await patient


async def test_the_earliest_wish_counts(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add_after("a", 5)
    queue.add_after("a", 2)
    queue.add_after("a", 9)
    clock.pass_to(1.9)
    assert 0 == len(queue)

    clock.pass_to(2)
    assert "a" == await queue.get()
    queue.done("a")

    clock.pass_to(10)
    assert 0 == len(queue)


async def test_a_look_in_between_fulfils_the_wish(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add_after("a", 5)
    queue.add("a")
    await queue.get()
    queue.done("a")

    clock.pass_to(6)

    assert 0 == len(queue)


async def test_who_fails_waits_twice_as_long_each_time_and_is_forgiven_at_once(
    queue: WorkQueue[str], clock: Clock
) -> None:
    waits = []
    queue.add("a")
    for again in (*[Again(failed=True)] * 5, Again(after=0.5), Again(failed=True)):
        await queue.get()
        queue.done("a", again)
        waits.append(clock.calls[-1].due - clock.now)
        clock.pass_to(clock.calls[-1].due)

    assert [1, 2, 4, 8, 8, 0.5, 1] == waits


async def test_the_server_may_ask_for_more_patience(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a")
    await queue.get()
    queue.done("a", Again(after=30, failed=True))

    assert 30 == clock.calls[-1].due


@pytest.mark.parametrize(("chance", "delay"), [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)])
def test_nobody_comes_back_in_step(chance: float, delay: float) -> None:
    assert delay == pytest.approx(Backoff(first=1, jitter=0.2).delay(0, chance))


async def test_a_closed_queue_hands_out_nothing(queue: WorkQueue[str], clock: Clock) -> None:
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add_after("a", 1)
    queue.close()
    queue.add("b")
    clock.pass_to(2)

    assert [None, None] == [await waiting, await queue.get()]


async def test_what_is_gone_is_not_looked_at(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add_after("a", 1)
    queue.forget("a")
    clock.pass_to(2)

    assert 0 == len(queue)

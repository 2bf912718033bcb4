"""The work queue, on a clock of the test's own."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable

import pytest

from appstack.workqueue.fair_queue import FLOW, SLOW, Item, Priority, RateLimit
from appstack.workqueue.queue import Backoff, Result, WorkQueue


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
    """Give a queue whose keys are grouped by what stands before the slash."""
    return WorkQueue(
        clock,
        group=lambda key: key.partition("/")[0],
        workers=8,
        backoff=Backoff(first=1, longest=8, jitter=0.5),
        rate=RateLimit(burst=3, spacing=2),
        chance=lambda: 0.5,
    )


async def taken(queue: WorkQueue[str]) -> str | None:
    """Take a key, and keep it."""
    turn = await queue.get()
    return turn.key if turn else None


async def looks(queue: WorkQueue[str], number: int) -> list[str]:
    """Have so many looks, one after the other; return at what."""
    seen = []
    for _ in range(number):
        turn = await queue.get()
        assert turn
        queue.done(turn.key)
        seen.append(turn.key)
    return seen


async def test_what_was_said_often_is_looked_at_once(queue: WorkQueue[str]) -> None:
    for key in ("a", "b", "a", "a"):
        queue.add(key)

    assert ["a", "b"] == [await taken(queue), await taken(queue)]
    assert 0 == len(queue)


async def test_a_key_is_with_one_worker_and_what_happens_meanwhile_is_one_more_look(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.add("a")
    assert 0 == len(queue)

    queue.done("a")

    assert "a" == await taken(queue)
    queue.done("a")
    assert 0 == len(queue)


async def test_what_a_worker_has_seen_needs_no_further_look(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await queue.get()
    queue.add("a")

    queue.caught_up("a")
    queue.done("a")
    assert 0 == len(queue)

    queue.add("a")
    await queue.get()
    queue.caught_up("a")
    queue.add("a")
    queue.done("a")
    assert 1 == len(queue)


async def test_a_worker_waits_until_there_is_something_to_do(queue: WorkQueue[str]) -> None:
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    queue.add("b")

    assert [("a", Priority.NORMAL), ("b", Priority.NORMAL)] == sorted(filter(None, await asyncio.gather(first, second)))


async def test_a_worker_that_gave_up_waiting_takes_nothing_with_it(queue: WorkQueue[str]) -> None:
    impatient, patient = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    impatient.cancel()
    queue.add("a")

    assert ("a", Priority.NORMAL) == await patient


async def test_the_earliest_wish_counts(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add_after("a", 5)
    queue.add_after("a", 2)
    queue.add_after("a", 9)
    clock.pass_to(1.9)
    assert 0 == len(queue)

    clock.pass_to(2)
    assert "a" == await taken(queue)
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
    tried = Result(after=2.5)
    for again in (
        *[Result(failed=True)] * 5,
        Result(after=3, untried=True),
        Result(failed=True),
        tried,
        Result(failed=True),
    ):
        await queue.get()
        queue.done("a", again)
        waits.append(clock.calls[-1].due - clock.now)
        clock.pass_to(clock.calls[-1].due)

    assert [1, 2, 4, 8, 8, 3, 8, 2.5, 1] == waits


async def test_the_server_may_ask_for_more_patience(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a")
    await queue.get()
    queue.done("a", Result(after=30, failed=True))

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


async def test_groups_take_turns(queue: WorkQueue[str]) -> None:
    for key in ("many/1", "many/2", "many/3", "few/1", "many/4", "one/1", "few/2"):
        queue.add(key)

    assert ["many/1", "few/1", "one/1", "many/2", "few/2", "many/3", "many/4"] == await looks(queue, 7)


async def test_who_comes_back_at_once_waits_for_all_others_of_its_group(queue: WorkQueue[str]) -> None:
    for key in ("a/noisy", "a/1", "a/2"):
        queue.add(key)
    assert "a/noisy" == await taken(queue)
    queue.add("a/noisy")
    queue.done("a/noisy")

    assert ["a/1", "a/2", "a/noisy"] == await looks(queue, 3)


async def test_what_may_come_later_waits_behind_all_that_is_live(queue: WorkQueue[str]) -> None:
    for key in ("a/1", "a/2", "b/1"):
        queue.add(key, later=True)
    queue.add("a/live")
    queue.add("a/2")
    queue.add("a/2", later=True)

    assert ["a/live", "a/2", "a/1", "b/1"] == await looks(queue, 4)
    assert 0 == len(queue)


async def test_what_may_come_later_comes_some_day(queue: WorkQueue[str]) -> None:
    queue.add("later", later=True)
    for number in range(30):
        queue.add(f"live/{number}")

    assert 9 == (await looks(queue, 31)).index("later")


async def left_to_tell(queue: WorkQueue[str], *keys: str) -> None:
    """Look at keys, and leave them to be told."""
    for key in keys:
        queue.add(key)
    for turn in [await queue.get() for _ in keys]:
        assert turn
        assert Priority.NORMAL is turn.lane
        queue.done(turn.key, Result(tell=True))


async def turns(queue: WorkQueue[str], number: int) -> list[Item[str]]:
    """Have so many turns, one after the other; return which."""
    seen = []
    for _ in range(number):
        turn = await queue.get()
        assert turn
        queue.done(turn.key)
        seen.append(turn)
    return seen


async def test_what_is_only_to_be_told_is_told_when_nobody_waits_for_a_look(queue: WorkQueue[str]) -> None:
    await left_to_tell(queue, "a/1", "a/2", "b/1")
    queue.add("a/3", later=True)

    assert [Priority.STATUS, Priority.STATUS, Priority.STATUS, Priority.LOW] == [
        turn.lane for turn in await turns(queue, 4)
    ]
    assert 0 == len(queue)


async def test_while_there_are_looks_one_worker_tells(queue: WorkQueue[str]) -> None:
    await left_to_tell(queue, "a/1", "a/2", "b/1", "c/1")
    queue.add("live/1")
    queue.add("live/2")

    expected = [("a/1", Priority.STATUS), ("live/1", Priority.NORMAL), ("live/2", Priority.NORMAL)]
    assert expected == [await queue.get() for _ in range(3)]

    idle = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not idle.done(), "looks are under way, and one tells"
    idle.cancel()
    queue.done("a/1")
    assert ("b/1", Priority.STATUS) == await queue.get()


async def test_while_looks_that_wait_are_done_words_are_few(queue: WorkQueue[str]) -> None:
    for number in range(104):
        queue.add(f"live/{number}")
    for _ in range(4):
        turn = await queue.get()
        assert turn
        queue.done(turn.key, Result(tell=True))

    lanes = [turn.lane for turn in await turns(queue, 100)]

    assert [28, 61, 94] == [place for place, lane in enumerate(lanes) if lane is Priority.STATUS]


async def test_looks_that_wait_for_some_that_hang_hold_up_no_words(queue: WorkQueue[str], clock: Clock) -> None:
    for number in range(8):
        queue.add(f"hung/{number}")
    assert ["hung/0", "hung/1", "hung/2", "hung/3"] == [await taken(queue) for _ in range(4)], "half of all workers"
    await left_to_tell(queue, "well/1")
    idle = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not idle.done(), "nobody knows yet that they hang"

    clock.pass_to(clock.now + FLOW)

    async with asyncio.timeout(1):
        assert ("well/1", Priority.STATUS) == await idle


async def test_words_that_hang_do_not_keep_others_from_being_told(queue: WorkQueue[str], clock: Clock) -> None:
    await left_to_tell(queue, "hung/1", "hung/2", "well/1")
    queue.add("hung/3")
    assert [("hung/1", Priority.STATUS), ("hung/3", Priority.NORMAL)] == [await queue.get() for _ in range(2)]
    idle = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not idle.done()

    clock.pass_to(clock.now + SLOW)

    async with asyncio.timeout(1):
        assert ("well/1", Priority.STATUS) == await idle, "and not another of the one that hangs"


async def test_something_that_happens_before_it_is_told_makes_it_a_look(queue: WorkQueue[str]) -> None:
    await left_to_tell(queue, "a/1")
    queue.add("a/1")

    assert [("a/1", Priority.NORMAL)] == await turns(queue, 1)
    assert 0 == len(queue)


async def test_a_worker_that_has_no_turn_wakes_when_what_is_to_be_told_becomes_a_look(queue: WorkQueue[str]) -> None:
    await left_to_tell(queue, "a/1", "a/2")
    queue.add("live/1")
    assert [("a/1", Priority.STATUS), ("live/1", Priority.NORMAL)] == [await queue.get() for _ in range(2)]
    idle = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not idle.done(), "one tells of a already, while there is a look"

    queue.add("a/2")

    async with asyncio.timeout(1):
        assert ("a/2", Priority.NORMAL) == await idle


async def test_what_happens_during_a_look_comes_before_it_is_told(queue: WorkQueue[str]) -> None:
    queue.add("a/1")
    await queue.get()
    queue.add("a/1")
    queue.done("a/1", Result(tell=True))

    assert [("a/1", Priority.NORMAL)] == await turns(queue, 1)
    assert 0 == len(queue)


async def test_what_never_comes_to_rest_is_told_between_two_looks(queue: WorkQueue[str], clock: Clock) -> None:
    lanes = []
    for _ in range(5):  # three looks at once, then one every two seconds
        queue.add("noisy")
        if not len(queue):
            clock.pass_to(clock.calls[-1].due)
        turn = await queue.get()
        assert turn
        queue.add("noisy")
        queue.done("noisy", Result(tell=turn.lane is Priority.NORMAL))
        lanes.append(turn.lane)

    assert [Priority.NORMAL, Priority.NORMAL, Priority.NORMAL, Priority.STATUS, Priority.NORMAL] == lanes


async def test_telling_is_no_look(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a")
    await queue.get()
    queue.done("a", Result(after=5, tell=True))

    assert [("a", Priority.STATUS)] == await turns(queue, 1)
    clock.pass_to(5)
    assert [("a", Priority.NORMAL)] == await turns(queue, 1), "what the look wished for comes all the same"


async def test_a_status_that_is_refused_again_and_again_is_tried_less_and_less_often(
    queue: WorkQueue[str], clock: Clock
) -> None:
    waits = []
    queue.add("a")
    for _ in range(4):
        await queue.get()
        queue.done("a", Result(tell=True))
        assert ("a", Priority.STATUS) == await queue.get()
        queue.done("a", Result(failed=True))
        waits.append(clock.calls[-1].due - clock.now)
        clock.pass_to(clock.calls[-1].due)

    assert [1, 2, 4, 8] == waits


async def test_the_first_looks_come_at_once_and_further_ones_at_a_distance(queue: WorkQueue[str], clock: Clock) -> None:
    at = []
    for tenth in range(100):  # something happens ten times a second
        clock.pass_to(tenth / 10)
        queue.add("noisy")
        if len(queue):
            await looks(queue, 1)
            at.append(clock.now)
    clock.pass_to(30)
    queue.add("noisy")

    assert [0, 0.1, 0.2, 2, 4, 6, 8] == at
    assert ["noisy"] == await looks(queue, 1), "and once it has been quiet, at once again"


async def test_the_last_of_what_happens_too_often_is_not_lost(queue: WorkQueue[str], clock: Clock) -> None:
    for _ in range(3):
        queue.add("noisy")
        await looks(queue, 1)
    queue.add("noisy")
    assert 0 == len(queue)

    clock.pass_to(2)

    assert ["noisy"] == await looks(queue, 1)


async def test_its_age_is_that_of_the_key_that_waits_longest(queue: WorkQueue[str], clock: Clock) -> None:
    assert 0 == queue.age()
    queue.add("a/1", later=True)
    clock.pass_to(3)
    queue.add("b/1")
    queue.add("a/1")
    clock.pass_to(5)
    assert 5 == queue.age()

    assert ["b/1", "a/1"] == await looks(queue, 2)
    assert 0 == queue.age()


class Crew:
    """Workers whose looks hang until they are told to go on."""

    def __init__(self, queue: WorkQueue[str], number: int) -> None:
        self.queue = queue
        self.hanging = dict[str, asyncio.Event]()
        self.tasks = [asyncio.create_task(self._work()) for _ in range(number)]

    async def end(self, key: str) -> None:
        """Let a look come to its end, and everybody do what can be done now."""
        self.hanging.pop(key).set()
        await self.passing()

    async def passing(self) -> None:
        """Let everybody do what can be done now."""
        for _ in range(10):
            await asyncio.sleep(0)

    def held(self) -> Counter[str]:
        """Return how many workers each group has."""
        return Counter(key.partition("/")[0] for key in self.hanging)

    async def _work(self) -> None:
        while turn := await self.queue.get():
            end = self.hanging[turn.key] = asyncio.Event()
            await end.wait()
            self.queue.done(turn.key)


async def test_a_group_whose_looks_hang_leaves_workers_to_others(queue: WorkQueue[str]) -> None:
    crew = Crew(queue, 8)
    for group in ("hung", "too", "well"):
        for number in range(20):
            queue.add(f"{group}/{number}", later=number % 2 > 0)
        await crew.passing()
    assert {"hung": 4, "too": 2, "well": 1} == crew.held()

    for _ in range(20):
        await crew.end(next(key for key in crew.hanging if key.startswith("well")))

    assert {"hung": 4, "too": 2} == crew.held(), "and all of the third are done"
    assert 34 == len(queue)
    queue.close()
    for key in list(crew.hanging):
        await crew.end(key)
    assert {True} == {task.done() for task in crew.tasks}


async def test_what_is_only_to_be_told_of_a_group_does_not_wait_for_another_that_hangs(queue: WorkQueue[str]) -> None:
    await left_to_tell(queue, "well/1")
    for number in range(20):
        queue.add(f"hung/{number}")
    crew = Crew(queue, 8)
    await crew.passing()

    assert {"hung": 4, "well": 1} == crew.held()


async def test_no_worker_waits_for_a_key_that_it_may_have(queue: WorkQueue[str]) -> None:
    crew, chance = Crew(queue, 8), random.Random(1)
    waiting = Counter[str]()
    for number in range(400):
        group = chance.choice("aaaabbbcd")
        queue.add(f"{group}/{number}")
        waiting[group] += 1
    await crew.passing()
    taken = Counter[str]()
    while crew.hanging:
        free, held = 8 - len(crew.hanging), crew.held()
        left = {group for group in waiting if waiting[group] > taken[group] + held[group]}
        assert set() == {group for group in left if held[group] < free}
        key = chance.choice(sorted(crew.hanging))
        taken[key.partition("/")[0]] += 1
        await crew.end(key)

    assert waiting == taken

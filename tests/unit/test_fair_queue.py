"""The fair queue: tenants take turns, and keys are ordered by priority and waiting time."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import pytest

from appstack.workqueue.fair_queue import LOWER_PRIORITY_EVERY, FairQueue, Priority

HIGH, NORMAL, LOW = Priority
EVERY_TENTH = [number * LOWER_PRIORITY_EVERY - 1 for number in (1, 2, 3)]


@pytest.fixture
def queue() -> FairQueue[str]:
    """Return a queue whose keys are `tenant/name`."""
    return FairQueue(lambda key: key.partition("/")[0])


def pop(queue: FairQueue[str], may_acquire: Callable[[Hashable], bool] = lambda _: True) -> str | None:
    """Take the next key out and return it."""
    popped = queue.pop(may_acquire)
    return None if popped is None else popped[0]


def drain(queue: FairQueue[str]) -> list[str]:
    """Take every key out; return them in order."""
    keys = []
    while (key := pop(queue)) is not None:
        keys.append(key)
    return keys


def test_tenants_are_served_round_robin(queue: FairQueue[str]) -> None:
    for since, key in enumerate(("many/1", "many/2", "many/3", "few/1", "many/4", "one/1", "few/2")):
        queue.put(key, since)

    assert ["many/1", "few/1", "one/1", "many/2", "few/2", "many/3", "many/4"] == drain(queue)


def test_high_priority_counts_within_a_tenant_only(queue: FairQueue[str]) -> None:
    for since, (key, priority) in enumerate((("a/normal", NORMAL), ("b/normal", NORMAL), ("a/high", HIGH))):
        queue.put(key, since, priority)

    assert ["a/high", "b/normal", "a/normal"] == drain(queue)


def test_low_priority_waits_behind_the_keys_of_all_tenants(queue: FairQueue[str]) -> None:
    for number in range(100):
        queue.put(f"tenant-{number}/low", 0, LOW)
    queue.put("tenant-1/normal", 1, NORMAL)
    queue.put("new/high", 2, HIGH)
    queue.put("new/low", 2, LOW)

    first = [pop(queue) for _ in range(4)]

    assert ["tenant-1/normal", "new/high", "tenant-0/low", "tenant-1/low"] == first


def test_tenants_with_low_priority_are_served_round_robin(queue: FairQueue[str]) -> None:
    for since, key in enumerate(("many/1", "many/2", "many/3", "few/1")):
        queue.put(key, since, LOW)

    assert ["many/1", "few/1", "many/2", "many/3"] == drain(queue)


def test_popped_key_comes_with_its_priority(queue: FairQueue[str]) -> None:
    queue.put("a/1", 0, LOW)

    assert ("a/1", LOW) == queue.pop(lambda _: True)
    assert queue.pop(lambda _: True) is None


def test_tenant_that_may_not_acquire_is_skipped_and_keeps_its_place(queue: FairQueue[str]) -> None:
    queue.put("a/1", 0)
    queue.put("b/1", 1)

    assert "b/1" == pop(queue, lambda tenant: tenant != "a")
    assert pop(queue, lambda tenant: tenant != "a") is None
    assert not queue.is_ready(lambda tenant: tenant != "a")
    assert "a/1" == pop(queue)


def test_every_tenth_dequeue_of_a_tenant_prefers_its_normal_keys(queue: FairQueue[str]) -> None:
    for number in range(3):
        queue.put(f"busy/normal-{number}", number, NORMAL)
    for number in range(30):
        queue.put(f"busy/{number}", 10 + number, HIGH)
        queue.put(f"other/{number}", 10 + number, HIGH)

    popped = [key for key in drain(queue) if key.startswith("busy/")]

    assert EVERY_TENTH == [popped.index(f"busy/normal-{number}") for number in range(3)]


@pytest.mark.parametrize("others", [NORMAL, HIGH])
def test_every_tenth_dequeue_prefers_keys_with_low_priority(queue: FairQueue[str], others: Priority) -> None:
    for number in range(3):
        queue.put(f"a/low-{number}", number, LOW)
    for number in range(20):
        queue.put(f"b/{number}", 10 + number, others)
        queue.put(f"c/{number}", 10 + number, others)

    popped = drain(queue)

    assert EVERY_TENTH == [popped.index(f"a/low-{number}") for number in range(3)]


@pytest.mark.parametrize("rare", [NORMAL, LOW])
def test_key_is_not_starved_by_keys_of_both_other_priorities(queue: FairQueue[str], rare: Priority) -> None:
    queue.put("busy/rare", 0, rare)
    popped = []
    for number in range(2 * LOWER_PRIORITY_EVERY):
        for priority in {*Priority} - {rare}:
            queue.put(f"busy/{priority.name}-{number}", 1 + number, priority)
        popped.append(pop(queue))

    assert "busy/rare" in popped


def test_key_waits_once(queue: FairQueue[str]) -> None:
    assert queue.put("a/1", 0)
    assert not queue.put("a/1", 5)
    assert not queue.put("a/1", 5, LOW), "a lower priority changes nothing"

    assert 1 == len(queue)
    assert ["a/1"] == drain(queue)
    assert 0 == len(queue)


def test_key_that_is_put_at_a_higher_priority_is_moved_there_and_keeps_its_waiting_time(queue: FairQueue[str]) -> None:
    queue.put("a/raised", 0, LOW)
    queue.put("a/high", 3, HIGH)
    assert queue.put("a/raised", 5, HIGH)

    assert 2 == len(queue)
    assert 0 == queue.oldest()
    assert ["a/raised", "a/high"] == drain(queue)


def test_key_that_is_put_back_with_its_old_time_goes_before_later_keys(queue: FairQueue[str]) -> None:
    queue.put("a/first", 1)
    queue.put("a/second", 2)
    queue.put("a/third", 3)
    queue.remove("a/first")

    queue.put("a/first", 1)

    assert ["a/first", "a/second", "a/third"] == drain(queue)


def test_removed_key_no_longer_waits(queue: FairQueue[str]) -> None:
    queue.put("a/1", 0, LOW)
    assert "a/1" in queue

    queue.remove("a/1")
    queue.remove("a/1")
    queue.remove("unknown/1")

    assert "a/1" not in queue
    assert 0 == len(queue)
    assert not queue.is_ready(lambda _: True)


def test_high_priority_is_found_only_if_its_tenant_is_admissible(queue: FairQueue[str]) -> None:
    queue.put("a/1", 0, NORMAL)
    queue.put("b/1", 0, LOW)
    assert not queue.has_high(lambda _: True)

    queue.put("c/1", 0, HIGH)
    assert queue.has_high(lambda _: True)
    assert not queue.has_high(lambda tenant: tenant != "c")

    queue.remove("c/1")
    assert not queue.has_high(lambda _: True)


def test_oldest_is_the_time_of_the_longest_waiting_key(queue: FairQueue[str]) -> None:
    assert queue.oldest() is None
    queue.put("a/1", 7, HIGH)
    queue.put("a/2", 4, LOW)
    queue.put("b/1", 5)

    assert 4 == queue.oldest()
    queue.remove("a/2")
    assert 5 == queue.oldest()

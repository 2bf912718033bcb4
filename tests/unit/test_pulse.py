"""When a watch counts as fresh and as alive, what it says of itself, and how soon it is begun again."""

from __future__ import annotations

import logging

import pytest

from appstack.informers.watch_health import STALE, ReconnectBackoff, WatchHealth


class Clock:
    """Time, as a test has it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Give a clock."""
    return Clock()


def test_before_the_first_sign_nothing_is_fresh(clock: Clock) -> None:
    health = WatchHealth("pods", now=clock)

    assert (False, True) == (health.fresh, health.alive)


def test_a_sign_counts_for_a_while(clock: Clock) -> None:
    health = WatchHealth("pods", now=clock)
    health.beat()

    clock.now += STALE - 1
    assert (True, True) == (health.fresh, health.alive)

    clock.now += 2
    assert (False, False) == (health.fresh, health.alive)
    assert STALE + 1 == health.age


def test_what_tries_in_vain_is_alive_and_not_fresh(clock: Clock) -> None:
    health = WatchHealth("pods", now=clock)
    health.beat()

    clock.now += STALE + 1
    health.turn()

    assert (False, True) == (health.fresh, health.alive)


def test_trouble_is_told_once_and_its_end_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "appstack")
    health = WatchHealth("pods", now=clock)

    health.beat()
    for _ in range(3):
        health.trouble("no answer")
    health.filled()  # a list says nothing of the watch
    health.beat()
    health.beat()

    assert ["Watch of pods: no answer", "Watch of pods: well again"] == [record.message for record in caplog.records]


def test_a_connection_that_is_made_again_at_once_is_not_told(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "appstack")
    health = WatchHealth("pods", now=clock)

    health.trouble("cut")
    health.beat()

    assert [] == [record.message for record in caplog.records]


def test_a_watch_is_steady_a_while_after_it_failed(clock: Clock) -> None:
    health = WatchHealth("pods", now=clock)
    assert health.steady

    health.trouble("cut")
    health.beat()
    assert not health.steady

    clock.now += 15
    assert health.steady


def test_rounds_that_end_at_once_follow_each_other_ever_more_slowly(clock: Clock) -> None:
    pace = ReconnectBackoff(now=clock)
    assert 0.0 == pace.pause(), "nothing has failed yet"

    pauses = []
    for _ in range(20):
        pauses.append(pace.pause())
        clock.now += pauses[-1] + 1

    assert 0.25 <= pauses[0] <= 0.75
    assert all(2.5 <= pause <= 7.5 for pause in pauses[4:])


def test_after_a_round_that_lasted_the_next_begins_at_once(clock: Clock) -> None:
    pace = ReconnectBackoff(now=clock)
    for _ in range(5):
        clock.now += pace.pause()

    clock.now += 11

    assert 0.0 == pace.pause()
    assert pace.pause() <= 0.75, "and the pauses grow anew"


def test_a_round_that_brought_something_is_soon_followed(clock: Clock) -> None:
    pace = ReconnectBackoff(now=clock)
    for _ in range(5):
        clock.now += pace.pause()

    pace.progress()

    assert 0.25 <= pace.pause() <= 0.75


@pytest.mark.parametrize(("asked", "given"), [(20.0, 20.0), (3600.0, 60.0)])
def test_the_server_is_left_alone_for_as_long_as_it_asks_within_reason(
    clock: Clock, asked: float, given: float
) -> None:
    assert given == ReconnectBackoff(now=clock).pause(at_least=asked)

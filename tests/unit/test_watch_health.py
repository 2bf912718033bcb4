"""The health of a watch, its log lines, and the back-off between its attempts."""

from __future__ import annotations

import logging

import pytest

from appstack.informers.watch_health import STABLE_SECONDS, STALE_SECONDS, ReconnectBackoff, WatchHealth
from tests.unit.clock import ManualClock


@pytest.fixture
def health(clock: ManualClock) -> WatchHealth:
    """Return the health of a watch before its first attempt."""
    return WatchHealth("pods", now=clock.time)


@pytest.fixture
def backoff(clock: ManualClock) -> ReconnectBackoff:
    """Return the back-off of a watch before its first attempt."""
    return ReconnectBackoff(now=clock.time)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the messages of level INFO and above."""
    return [record.message for record in caplog.records if record.levelno >= logging.INFO]


def test_watch_is_not_fresh_before_its_first_list_and_not_stuck(health: WatchHealth) -> None:
    assert (False, True) == (health.is_fresh, health.is_alive)


def test_heartbeat_counts_until_the_watch_is_stale(health: WatchHealth, clock: ManualClock) -> None:
    health.heartbeat()
    clock.advance(STALE_SECONDS - 1)
    assert (True, True) == (health.is_fresh, health.is_alive)

    clock.advance(2)
    assert (False, False) == (health.is_fresh, health.is_alive)
    assert STALE_SECONDS + 1 == health.age


def test_watch_that_tries_without_success_is_alive_and_not_fresh(health: WatchHealth, clock: ManualClock) -> None:
    health.heartbeat()
    clock.advance(STALE_SECONDS + 1)
    health.attempt()

    assert (False, True) == (health.is_fresh, health.is_alive)


def test_lasting_failure_is_logged_once_and_its_end_once(health: WatchHealth, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "appstack")

    health.heartbeat()
    for _ in range(3):
        health.failure("no response")
    health.synced()  # a list does not prove that the watch works
    health.heartbeat()
    health.heartbeat()

    assert ["Watch of pods failed: no response", "Watch of pods re-established"] == messages(caplog)


def test_single_failure_is_not_logged(health: WatchHealth, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "appstack")

    health.failure("connection reset")
    health.heartbeat()

    assert [] == messages(caplog)


def test_watch_is_stable_again_some_time_after_a_failure(health: WatchHealth, clock: ManualClock) -> None:
    assert health.is_stable

    health.failure("connection reset")
    health.heartbeat()
    assert not health.is_stable

    clock.advance(STABLE_SECONDS)
    assert health.is_stable


def test_delays_grow_while_attempts_end_at_once(backoff: ReconnectBackoff, clock: ManualClock) -> None:
    assert 0.0 == backoff.next_delay(), "the first attempt"

    delays = []
    for _ in range(20):
        delays.append(backoff.next_delay())
        clock.advance(delays[-1] + 1)

    assert 0.25 <= delays[0] <= 0.75
    assert all(2.5 <= delay <= 7.5 for delay in delays[4:])


def test_attempt_that_lasted_is_followed_at_once(backoff: ReconnectBackoff, clock: ManualClock) -> None:
    for _ in range(5):
        clock.advance(backoff.next_delay())
    clock.advance(11)

    assert 0.0 == backoff.next_delay()
    assert backoff.next_delay() <= 0.75, "the delays start again"


def test_attempt_that_made_progress_is_followed_soon(backoff: ReconnectBackoff, clock: ManualClock) -> None:
    for _ in range(5):
        clock.advance(backoff.next_delay())
    backoff.progress()

    assert 0.25 <= backoff.next_delay() <= 0.75


@pytest.mark.parametrize(("requested", "delay"), [(20.0, 20.0), (3600.0, 60.0)])
def test_delay_is_as_long_as_the_server_asks_within_a_bound(
    backoff: ReconnectBackoff, requested: float, delay: float
) -> None:
    assert delay == backoff.next_delay(at_least=requested)

"""The rate limit of a key, and the back-off after failures."""

from __future__ import annotations

import pytest

from appstack.workqueue.timing import Backoff, RateLimit, RateLimiter

LIMIT = RateLimit(burst=3, interval=2)


def dequeue_times(limiter: RateLimiter[str], *, attempts: list[float]) -> list[float]:
    """Return the attempts at which the key may be dequeued, and record a dequeue at each."""
    times = []
    for now in attempts:
        if limiter.delay("a", now) <= 0:
            limiter.record("a", now)
            times.append(now)
    return times


def test_burst_is_followed_by_one_dequeue_per_interval() -> None:
    tenths = [tenth / 10 for tenth in range(90)]

    assert [0, 0.1, 0.2, 2, 4, 6, 8] == dequeue_times(RateLimiter(LIMIT), attempts=tenths)


def test_bucket_fills_up_while_the_key_is_quiet() -> None:
    limiter = RateLimiter[str](LIMIT)
    dequeue_times(limiter, attempts=[0, 0, 0])

    assert [30, 30, 30] == dequeue_times(limiter, attempts=[30, 30, 30, 30])


def test_keys_have_a_bucket_each() -> None:
    limiter = RateLimiter[str](LIMIT)
    dequeue_times(limiter, attempts=[0, 0, 0])

    assert 2 == limiter.delay("a", 0)
    assert 0 >= limiter.delay("b", 0)


def test_full_bucket_takes_no_memory() -> None:
    limiter = RateLimiter[str](LIMIT)
    for number in range(100):
        limiter.record(f"key-{number}", number * LIMIT.interval)

    assert 1 == len(limiter._full_at)


@pytest.mark.parametrize(
    ("failures", "delay"), [(0, 0.5), (1, 1.0), (7, 64.0), (8, 120.0), (10_000, 120.0)], ids=lambda value: f"{value:g}"
)
def test_backoff_doubles_up_to_its_maximum(failures: int, delay: float) -> None:
    assert delay == Backoff().delay(failures, 0.5)


@pytest.mark.parametrize(("chance", "delay"), [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)])
def test_backoff_is_jittered(chance: float, delay: float) -> None:
    assert delay == pytest.approx(Backoff(first=1, jitter=0.2).delay(0, chance))

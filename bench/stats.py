"""Quantiles of latencies, and spreads of figures over rounds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self

CURVE = tuple(percent / 100 for percent in range(0, 101, 2))
"""The quantiles of a distribution that are recorded for its plot."""


def quantile(values: Sequence[float], q: float) -> float:
    """Return the q-quantile of sorted values: the smallest value that the share q of them does not exceed."""
    if not values:
        raise ValueError("no values: there is no quantile")
    return values[max(math.ceil(q * len(values)), 1) - 1]


@dataclass(frozen=True, slots=True)
class Latencies:
    """A distribution of durations in milliseconds."""

    count: int
    p50: float
    p95: float
    p99: float
    worst: float
    curve: tuple[float, ...]

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Self:
        """Return the distribution of durations given in seconds; raise ValueError if there are none."""
        values = sorted(value * 1000 for value in seconds)
        return cls(
            count=len(values),
            p50=quantile(values, 0.5),
            p95=quantile(values, 0.95),
            p99=quantile(values, 0.99),
            worst=values[-1],
            curve=tuple(round(quantile(values, q), 2) for q in CURVE),
        )


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, minimum and maximum of one figure over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self | None:
        """Return the spread of the values, or None if there are none."""
        rounds = list(values)
        return cls(median(rounds), min(rounds), max(rounds)) if rounds else None

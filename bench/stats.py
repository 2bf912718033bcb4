"""Quantiles and spreads. PURE."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self

CURVE = tuple(percent / 100 for percent in range(0, 101, 2))
"""The quantiles that are kept of a distribution, to be drawn."""


def quantile(values: Sequence[float], q: float) -> float:
    """Return the smallest of the values that at least this share of them does not exceed; values must be sorted."""
    if not values:
        raise ValueError("no values have no quantile")
    return values[max(math.ceil(q * len(values)), 1) - 1]


@dataclass(frozen=True, slots=True)
class Latencies:
    """How long something took, many times, in milliseconds."""

    count: int
    p50: float
    p95: float
    p99: float
    worst: float
    curve: tuple[float, ...]

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Self:
        """Sum up; there must be one at least."""
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
    """The rounds of one figure."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self | None:
        """Return the spread of the rounds; None where there are none."""
        rounds = list(values)
        return cls(median(rounds), min(rounds), max(rounds)) if rounds else None

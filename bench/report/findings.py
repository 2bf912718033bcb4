"""Queries over the results of a run: one figure of a suite, over the rounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

from bench.cost import Cost
from bench.results import Result
from bench.stats import Latencies, Spread
from bench.suites.figures import Figures

Metric = Callable[[Figures], float | None]
"""Reads one value from the figures of a suite; returns None if they do not have it."""

ORDER: Final = ("bare", "bare-status", "appstack", "appstack-before", "go", "kro")
"""Systems in the order of the tables."""


def seconds(name: str) -> Metric:
    """Return the metric of a duration."""
    return lambda figures: figures.seconds.get(name)


def latency(name: str, quantile: Literal["p50", "p95", "p99", "worst"]) -> Metric:
    """Return the metric of a quantile of a distribution."""

    def metric(figures: Figures) -> float | None:
        found: Latencies | None = figures.latencies.get(name)
        return None if found is None else float(getattr(found, quantile))

    return metric


def number(name: str) -> Metric:
    """Return the metric of a plain number."""
    return lambda figures: figures.numbers.get(name)


def cost(read: Callable[[Cost], float | None]) -> Metric:
    """Return the metric of a part of the cost."""
    return lambda figures: None if figures.cost is None else read(figures.cost)


class Findings:
    """All results of a run."""

    def __init__(self, results: Iterable[Result]) -> None:
        self.results = list(results)
        self._figures = {(one.suite, one.system, one.n, one.round): one.figures for one in self.results}

    def sizes(self, suite: str) -> list[int]:
        """Return each N for which a suite was measured, in ascending order."""
        return sorted({one.n for one in self.results if one.suite == suite})

    def systems(self, suite: str, n: int) -> list[str]:
        """Return the systems with a result, in the order of the tables."""
        names = {one.system for one in self.results if (one.suite, one.n) == (suite, n)}
        return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))

    def round_counts(self, suite: str, n: int) -> Mapping[str, int]:
        """Return the number of rounds of each system."""
        found = Counter(one.system for one in self.results if (one.suite, one.n) == (suite, n))
        return {name: found[name] for name in self.systems(suite, n)}

    def rounds(self, suite: str, system: str, n: int, metric: Metric) -> Mapping[int, float]:
        """Return a metric by round, for the rounds that have it."""
        found = {}
        for (a_suite, a_system, an_n, a_round), figures in self._figures.items():
            if (a_suite, a_system, an_n) == (suite, system, n):
                value = metric(figures)
                if value is not None:
                    found[a_round] = value
        return found

    def spread(self, suite: str, system: str, n: int, metric: Metric) -> Spread | None:
        """Return the spread of a metric over the rounds."""
        return Spread.of(self.rounds(suite, system, n, metric).values())

    def ratio(self, suite: str, n: int, metric: Metric, *, of: str, to: str) -> Spread | None:
        """Return the spread of the ratio of two systems' metrics, computed within each round."""
        numerators, denominators = self.rounds(suite, of, n, metric), self.rounds(suite, to, n, metric)
        return Spread.of(numerators[round] / denominators[round] for round in numerators if denominators.get(round))

    def notes(self, suite: str, system: str, n: int) -> Mapping[str, str]:
        """Return the explanatory notes of the first round."""
        matching = (one for one in self.results if (one.suite, one.system, one.n) == (suite, system, n))
        first = min(matching, key=lambda one: one.round, default=None)
        return {} if first is None else first.figures.notes

    def largest(self, suite: str, system: str) -> int | None:
        """Return the largest N for which a system has this suite, or None."""
        return max((one.n for one in self.results if (one.suite, one.system) == (suite, system)), default=None)

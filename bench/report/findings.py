"""Results as one asks for them: a figure of a suite, over the rounds. PURE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from bench.measure import Cost
from bench.results import Result
from bench.stats import Latencies, Spread
from bench.suites.figures import Figures

Pick = Callable[[Figures], float | None]
"""Takes one figure out of what a suite has found; None where it has not."""

ORDER = ("bare", "bare-status", "appstack", "go", "kro")


def seconds(name: str) -> Pick:
    """Take a duration."""
    return lambda figures: figures.seconds.get(name)


def latency(name: str, quantile: Literal["p50", "p95", "p99", "worst"]) -> Pick:
    """Take a quantile of a distribution."""

    def pick(figures: Figures) -> float | None:
        found: Latencies | None = figures.latencies.get(name)
        return None if found is None else float(getattr(found, quantile))

    return pick


def number(name: str) -> Pick:
    """Take a plain number."""
    return lambda figures: figures.numbers.get(name)


def cost(read: Callable[[Cost], float | None]) -> Pick:
    """Take something of the cost."""
    return lambda figures: None if figures.cost is None else read(figures.cost)


class Findings:
    """All results of a run."""

    def __init__(self, results: Iterable[Result]) -> None:
        self.results = list(results)
        self._found = {(one.suite, one.contender, one.n, one.round): one.figures for one in self.results}

    def ns(self, suite: str) -> list[int]:
        """Return for which N a suite was measured."""
        return sorted({one.n for one in self.results if one.suite == suite})

    def contenders(self, suite: str, n: int) -> list[str]:
        """Return who took part, in the order of the tables."""
        names = {one.contender for one in self.results if (one.suite, one.n) == (suite, n)}
        return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))

    def measured(self, suite: str, n: int) -> Mapping[str, int]:
        """Return how many rounds each has who took part."""
        found = Counter(one.contender for one in self.results if (one.suite, one.n) == (suite, n))
        return {name: found[name] for name in self.contenders(suite, n)}

    def rounds(self, suite: str, contender: str, n: int, pick: Pick) -> Mapping[int, float]:
        """Return a figure in each round that has it."""
        found = {}
        for (a_suite, a_contender, an_n, a_round), figures in self._found.items():
            if (a_suite, a_contender, an_n) == (suite, contender, n):
                value = pick(figures)
                if value is not None:
                    found[a_round] = value
        return found

    def spread(self, suite: str, contender: str, n: int, pick: Pick) -> Spread | None:
        """Return a figure over the rounds."""
        return Spread.of(self.rounds(suite, contender, n, pick).values())

    def ratio(self, suite: str, n: int, pick: Pick, *, of: str, to: str) -> Spread | None:
        """Return how one contender's figure compares with another's of the same round."""
        ours, theirs = self.rounds(suite, of, n, pick), self.rounds(suite, to, n, pick)
        return Spread.of(ours[round] / theirs[round] for round in ours if theirs.get(round))

    def notes(self, suite: str, contender: str, n: int) -> Mapping[str, str]:
        """Return the words that explain figures, of the first round."""
        mine = (one for one in self.results if (one.suite, one.contender, one.n) == (suite, contender, n))
        first = min(mine, key=lambda one: one.round, default=None)
        return {} if first is None else first.figures.notes

    def largest(self, suite: str, contender: str) -> int | None:
        """Return the largest N for which a contender has this suite."""
        return max((one.n for one in self.results if (one.suite, one.contender) == (suite, contender)), default=None)

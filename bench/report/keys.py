"""The figures that the project is held to, by their names in bench/results/latest.json. PURE."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from bench.measure import Cost
from bench.report.findings import Findings, Pick, cost, latency, number, seconds
from bench.stats import Spread
from bench.suites.figures import Figures

OURS = "appstack"
CHILD, STATUS = seconds("last child"), seconds("last status")
_FLOORS = (("child", CHILD, "bare"), ("status", STATUS, "bare-status"))
PAGE: Final = 500
FILLED: Final = frozenset({"appstacks", "configmaps", "services", "deployments"})
"""What there are N of, of one page at least; of other kinds that AppStack lists, there is none."""
WRITES_PER_STACK: Final = 4  # three children and a status
REQUESTS_PER_EDIT: Final = 2  # a child and a status


def keys(findings: Findings) -> dict[str, float | None]:
    """Return medians, and of figures that have to be exact the worst round; null where it was not measured."""
    return {
        "time_over_bare_1000": _over_bare(findings, 1000),
        "time_over_bare_10000": _over_bare(findings, 10000),
        **{
            f"{what}_over_bare_{n}": _median(findings.ratio("backlog", n, pick, of=OURS, to=floor))
            for n in (1000, 10000)
            for what, pick, floor in _FLOORS
        },
        **{
            f"kro_time_over_ours_{n}": _smaller(
                findings.ratio("backlog", n, pick, of="kro", to=OURS) for pick in (CHILD, STATUS)
            )
            for n in (1000, 10000)
        },
        **{f"time_over_go_{n}": _over_go(findings, n) for n in (1000, 10000)},
        "reads_per_new_child": _exact(findings, "backlog", _reads_per_child),
        "writes_per_stack": _exact(findings, "backlog", _per_stack(lambda one: one.writes), budget=WRITES_PER_STACK),
        "requests_per_edit": _exact(
            findings, "edit", _per_stack(lambda one: one.writes + one.reads), budget=REQUESTS_PER_EDIT
        ),
        "idle_writes": _exact(findings, "idle", _plain(lambda one: one.writes)),
        "idle_reads": _exact(findings, "idle", _plain(lambda one: one.reads)),
        "restart_writes_10000": _exact(findings, "restart", _plain(lambda one: one.writes), ns=[10000]),
        "restart_single_reads_10000": _exact(findings, "restart", _plain(lambda one: one.single_reads), ns=[10000]),
        "restart_lists_over_pages_10000": _lists_over_pages(findings, 10000),
        "restart_seconds_10000": _at(findings, "restart", 10000, seconds("ready")),
        "restart_looked_seconds_10000": _at(findings, "restart", 10000, seconds("all looked at")),
        "peak_rss_mib_10000": peak_rss(findings, 10000),
        "rss_kib_per_stack": _rss_per_stack(findings),
        "time_10000_over_1000": _growth(findings, OURS),
        "bare_time_10000_over_1000": _growth(findings, "bare-status"),
        "drift_p99_ms": _ours(findings, "drift", latency("one by one", "p99")),
        "noisy_neighbour_p99_ratio": _ours(findings, "noisy", number("p99 ratio")),
        **{f"longest_callback_ms_{n}": _longest_callback(findings, n) for n in (1000, 10000)},
    }


def peak_rss(findings: Findings, n: int) -> float | None:
    """Return our largest peak over all suites with this N."""
    pick = cost(lambda one: one.peak_rss_mib["contender"])
    suites = {one.suite for one in findings.results}
    found = (findings.spread(suite, OURS, n, pick) for suite in suites)
    return max((one.high for one in found if one is not None), default=None)


def _median(spread: Spread | None) -> float | None:
    return None if spread is None else round(spread.median, 3)


def _worse(spreads: Iterable[Spread | None]) -> float | None:
    """Return the largest of these, if all were measured."""
    found = [_median(spread) for spread in spreads]
    return max(one for one in found if one is not None) if None not in found else None


def _smaller(spreads: Iterable[Spread | None]) -> float | None:
    """Return the smallest of these, if all were measured."""
    found = [_median(spread) for spread in spreads]
    return min(one for one in found if one is not None) if None not in found else None


def _over_bare(findings: Findings, n: int) -> float | None:
    """Return the worse of both: the last child beside N applies, the last status beside N applies and a status."""
    return _worse(findings.ratio("backlog", n, pick, of=OURS, to=floor) for _, pick, floor in _FLOORS)


def _over_go(findings: Findings, n: int) -> float | None:
    return _worse(findings.ratio("backlog", n, pick, of=OURS, to="go") for pick in (CHILD, STATUS))


def _at(findings: Findings, suite: str, n: int, pick: Pick) -> float | None:
    return _median(findings.spread(suite, OURS, n, pick))


def _ours(findings: Findings, suite: str, pick: Pick) -> float | None:
    """Return a figure of ours with the largest N."""
    n = findings.largest(suite, OURS)
    return None if n is None else _at(findings, suite, n, pick)


def _exact(
    findings: Findings, suite: str, pick: Callable[[int], Pick], *, budget: float = 0, ns: Iterable[int] = ()
) -> float | None:
    """Return what is farthest from the budget in any round, with these N or with each: one slip is one too many."""
    found = [value for n in ns or findings.ns(suite) for value in findings.rounds(suite, OURS, n, pick(n)).values()]
    return max((round(one, 6) for one in found), key=lambda one: abs(one - budget), default=None)


def _plain(read: Callable[[Cost], float]) -> Callable[[int], Pick]:
    return lambda _: cost(read)


def _per_stack(read: Callable[[Cost], float]) -> Callable[[int], Pick]:
    return lambda n: cost(lambda one: read(one) / n)


def _reads_per_child(_: int) -> Pick:
    def pick(figures: Figures) -> float | None:
        children = figures.numbers.get("children")
        return figures.cost.single_reads / children if figures.cost and children else None

    return pick


def lists(one: Cost) -> dict[str, int]:
    """Return how often each resource was listed; each page is a list."""
    found: Counter[str] = Counter()
    for word, count in one.requests.items():
        verb, resource, _ = word.split(" ")
        if verb == "list":
            found[resource] += count
    return dict(found)


def pages(resource: str, n: int) -> int:
    """Return how many pages there are of a resource with N stacks."""
    return max(1, math.ceil(n / PAGE)) if resource in FILLED else 1


def _lists_over_pages(findings: Findings, n: int) -> float | None:
    """Return how many lists there are at a restart for each page that has to be read, at worst."""

    def over(one: Cost) -> float | None:
        listed = lists(one)
        return sum(listed.values()) / sum(pages(resource, n) for resource in listed) if listed else None

    found = findings.spread("restart", OURS, n, cost(over))
    return None if found is None else round(found.high, 3)


def _growth(findings: Findings, contender: str) -> float | None:
    large, small = (findings.spread("backlog", contender, n, STATUS) for n in (10000, 1000))
    return None if large is None or small is None else round(large.median / small.median, 2)


def _rss_per_stack(findings: Findings) -> float | None:
    """Return how much memory a stack more takes, from 1,000 to 10,000 in a backlog."""
    pick = cost(lambda one: one.peak_rss_mib["contender"])
    large, small = (findings.spread("backlog", OURS, n, pick) for n in (10000, 1000))
    return None if large is None or small is None else round((large.median - small.median) * 1024 / 9000, 2)


def _longest_callback(findings: Findings, n: int) -> float | None:
    """Return the longest of all phases and rounds."""
    found = findings.spread("callbacks", OURS, n, _longest)
    return None if found is None else round(found.high, 1)


def _longest(figures: Figures) -> float | None:
    return max((value for name, value in figures.numbers.items() if name.endswith(": longest ms")), default=None)

"""Key figures: the values in bench/results/latest.json that the goals are compared with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from bench.cost import SYSTEM, Cost
from bench.report.findings import Findings, Metric, cost, latency, number, seconds
from bench.stats import Spread
from bench.suites.figures import RECONCILED, Figures

APPSTACK: Final = "appstack"
CHILD, STATUS = seconds("last child"), seconds("last status")
_BASELINES: Final = (("child", CHILD, "bare"), ("status", STATUS, "bare-status"))
PAGE_SIZE: Final = 500
LISTED_WITH_OBJECTS: Final = frozenset({"appstacks", "configmaps", "services", "deployments"})
"""Resources with N objects, at least one page each; the other resources that AppStack lists are empty."""
WRITES_PER_STACK: Final = 4  # three children and a status
REQUESTS_PER_EDIT: Final = 2  # one child and a status


def key_figures(findings: Findings) -> dict[str, float | None]:
    """Return medians, and the worst round for figures with an exact goal; None for a figure without results."""
    return {
        "time_over_bare_1000": _over_bare(findings, 1000),
        "time_over_bare_10000": _over_bare(findings, 10000),
        **{
            f"{what}_over_bare_{n}": _median(findings.ratio("backlog", n, metric, of=APPSTACK, to=baseline))
            for n in (1000, 10000)
            for what, metric, baseline in _BASELINES
        },
        **{
            f"kro_time_over_ours_{n}": _smallest(
                findings.ratio("backlog", n, metric, of="kro", to=APPSTACK) for metric in (CHILD, STATUS)
            )
            for n in (1000, 10000)
        },
        **{f"time_over_go_{n}": _over_go(findings, n) for n in (1000, 10000)},
        "reads_per_new_child": _exact(findings, "backlog", _reads_per_child),
        "writes_per_stack": _exact(findings, "backlog", _per_stack(lambda one: one.writes), budget=WRITES_PER_STACK),
        "requests_per_edit": _exact(
            findings, "edit", _per_stack(lambda one: one.writes + one.reads), budget=REQUESTS_PER_EDIT
        ),
        "idle_writes": _exact(findings, "idle", _total(lambda one: one.writes)),
        "idle_reads": _exact(findings, "idle", _total(lambda one: one.reads)),
        "restart_writes_10000": _exact(findings, "restart", _total(lambda one: one.writes), sizes=[10000]),
        "restart_single_reads_10000": _exact(findings, "restart", _total(lambda one: one.single_reads), sizes=[10000]),
        "restart_lists_over_pages_10000": _lists_over_pages(findings, 10000),
        "restart_seconds_10000": _at(findings, "restart", 10000, seconds("ready")),
        "restart_looked_seconds_10000": _at(findings, "restart", 10000, seconds(RECONCILED)),
        "peak_rss_mib_10000": peak_rss(findings, 10000),
        "rss_kib_per_stack": _rss_per_stack(findings),
        "time_10000_over_1000": _growth(findings, APPSTACK),
        "bare_time_10000_over_1000": _growth(findings, "bare-status"),
        "drift_p99_ms": _at_largest(findings, "drift", latency("one by one", "p99")),
        "noisy_neighbour_p99_ratio": _at_largest(findings, "noisy", number("p99 ratio")),
        **{f"longest_callback_ms_{n}": _longest_callback(findings, n) for n in (1000, 10000)},
    }


def peak_rss(findings: Findings, n: int) -> float | None:
    """Return AppStack's peak memory in MiB over all suites with this N."""
    metric = cost(lambda one: one.peak_rss_mib[SYSTEM])
    suites = {one.suite for one in findings.results}
    found = (findings.spread(suite, APPSTACK, n, metric) for suite in suites)
    return max((one.high for one in found if one is not None), default=None)


def _median(spread: Spread | None) -> float | None:
    return None if spread is None else round(spread.median, 3)


def _largest(spreads: Iterable[Spread | None]) -> float | None:
    """Return the largest median, or None if one of the spreads was not measured."""
    found = [_median(spread) for spread in spreads]
    return max(one for one in found if one is not None) if None not in found else None


def _smallest(spreads: Iterable[Spread | None]) -> float | None:
    """Return the smallest median, or None if one of the spreads was not measured."""
    found = [_median(spread) for spread in spreads]
    return min(one for one in found if one is not None) if None not in found else None


def _over_bare(findings: Findings, n: int) -> float | None:
    """Return the larger ratio to the bare loops: last child to `bare`, or last status to `bare-status`."""
    return _largest(
        findings.ratio("backlog", n, metric, of=APPSTACK, to=baseline) for _, metric, baseline in _BASELINES
    )


def _over_go(findings: Findings, n: int) -> float | None:
    return _largest(findings.ratio("backlog", n, metric, of=APPSTACK, to="go") for metric in (CHILD, STATUS))


def _at(findings: Findings, suite: str, n: int, metric: Metric) -> float | None:
    return _median(findings.spread(suite, APPSTACK, n, metric))


def _at_largest(findings: Findings, suite: str, metric: Metric) -> float | None:
    """Return AppStack's median at the largest N."""
    n = findings.largest(suite, APPSTACK)
    return None if n is None else _at(findings, suite, n, metric)


def _exact(
    findings: Findings, suite: str, metric: Callable[[int], Metric], *, budget: float = 0, sizes: Iterable[int] = ()
) -> float | None:
    """Return the value farthest from the budget over all rounds, for each N in `sizes` or for every N measured."""
    found = [
        value
        for n in sizes or findings.sizes(suite)
        for value in findings.rounds(suite, APPSTACK, n, metric(n)).values()
    ]
    return max((round(one, 6) for one in found), key=lambda one: abs(one - budget), default=None)


def _total(read: Callable[[Cost], float]) -> Callable[[int], Metric]:
    return lambda _: cost(read)


def _per_stack(read: Callable[[Cost], float]) -> Callable[[int], Metric]:
    return lambda n: cost(lambda one: read(one) / n)


def _reads_per_child(_: int) -> Metric:
    def metric(figures: Figures) -> float | None:
        children = figures.numbers.get("children")
        return figures.cost.single_reads / children if figures.cost and children else None

    return metric


def list_counts(one: Cost) -> dict[str, int]:
    """Return the number of list requests of each resource; every page is a request."""
    found: Counter[str] = Counter()
    for key, count in one.requests.items():
        verb, resource, _ = key.split(" ")
        if verb == "list":
            found[resource] += count
    return dict(found)


def page_count(resource: str, n: int) -> int:
    """Return the number of pages in a list of a resource with N stacks; an empty list is one page."""
    return max(math.ceil(n / PAGE_SIZE), 1) if resource in LISTED_WITH_OBJECTS else 1


def _lists_over_pages(findings: Findings, n: int) -> float | None:
    """Return the largest ratio of list requests to pages at a restart."""

    def ratio(one: Cost) -> float | None:
        counts = list_counts(one)
        return sum(counts.values()) / sum(page_count(resource, n) for resource in counts) if counts else None

    found = findings.spread("restart", APPSTACK, n, cost(ratio))
    return None if found is None else round(found.high, 3)


def _growth(findings: Findings, system: str) -> float | None:
    large, small = (findings.spread("backlog", system, n, STATUS) for n in (10000, 1000))
    return None if large is None or small is None else round(large.median / small.median, 2)


def _rss_per_stack(findings: Findings) -> float | None:
    """Return the memory in KiB per additional stack, from a backlog of 1,000 to one of 10,000."""
    metric = cost(lambda one: one.peak_rss_mib[SYSTEM])
    large, small = (findings.spread("backlog", APPSTACK, n, metric) for n in (10000, 1000))
    return None if large is None or small is None else round((large.median - small.median) * 1024 / 9000, 2)


def _longest_callback(findings: Findings, n: int) -> float | None:
    """Return the duration in milliseconds of the longest callback over all phases and rounds."""
    found = findings.spread("callbacks", APPSTACK, n, _longest)
    return None if found is None else round(found.high, 1)


def _longest(figures: Figures) -> float | None:
    return max((value for name, value in figures.numbers.items() if name.endswith(": longest ms")), default=None)

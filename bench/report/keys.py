"""The figures that the project is held to, by their names in bench/results/latest.json. PURE."""

from __future__ import annotations

from collections.abc import Iterable

from bench.report.findings import Findings, Pick, cost, latency, number, seconds
from bench.stats import Spread
from bench.suites.figures import Figures

OURS = "appstack"
CHILD, STATUS = seconds("last child"), seconds("last status")
_FLOORS = (("child", CHILD, "bare"), ("status", STATUS, "bare-status"))


def keys(findings: Findings) -> dict[str, float | None]:
    """Return the medians; null where it was not measured."""
    return {
        "time_over_bare_1000": _over_bare(findings, 1000),
        "time_over_bare_10000": _over_bare(findings, 10000),
        **{
            f"{what}_over_bare_{n}": _median(findings.ratio("backlog", n, pick, of=OURS, to=floor))
            for n in (1000, 10000)
            for what, pick, floor in _FLOORS
        },
        **{
            f"kro_time_over_ours_{n}": _median(findings.ratio("backlog", n, STATUS, of="kro", to=OURS))
            for n in (1000, 10000)
        },
        **{f"time_over_go_{n}": _over_go(findings, n) for n in (1000, 10000)},
        "reads_per_new_child": _per(findings, lambda figures: figures.numbers.get("children"), "single_reads"),
        "writes_per_stack": _per(findings, None, "writes"),
        "requests_per_edit": _per_edit(findings),
        "idle_writes": _ours(findings, "idle", cost(lambda one: one.writes)),
        "idle_reads": _ours(findings, "idle", cost(lambda one: one.reads)),
        "restart_writes_10000": _at(findings, "restart", 10000, cost(lambda one: one.writes)),
        "restart_single_reads_10000": _at(findings, "restart", 10000, cost(lambda one: one.single_reads)),
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


def _per(findings: Findings, units: Pick | None, name: str) -> float | None:
    """Return a number of requests in our largest backlog per child or, without `units`, per stack."""
    n = findings.largest("backlog", OURS)
    if n is None:
        return None
    total = _at(findings, "backlog", n, cost(lambda one: float(getattr(one, name))))
    parts = float(n) if units is None else _at(findings, "backlog", n, units)
    return None if total is None or not parts else round(total / parts, 4)


def _per_edit(findings: Findings) -> float | None:
    """Return how many requests an edit costs us."""
    n = findings.largest("edit", OURS)
    return None if n is None else _at(findings, "edit", n, cost(lambda one: (one.writes + one.reads) / n))


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

"""What holds a figure that misses its goal, as far as the figures themselves tell. PURE."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bench.measure import SERVERS, Cost
from bench.report.findings import Findings, cost, number
from bench.report.keys import OURS, STATUS

Reason = Callable[[Findings], str]
"""Returns a phrase; empty where the figures do not tell."""

_MANY: Final = 0.1


def unknown(_: Findings) -> str:
    """Know nothing."""
    return ""


def both(*reasons: Reason) -> Reason:
    """Tell all of these."""
    return lambda findings: "; ".join(said for reason in reasons if (said := reason(findings)))


def order(n: int) -> Reason:
    """Tell how many statuses were written before the last child, where a loop beside it writes none."""

    def tell(findings: Findings) -> str:
        early = findings.spread("backlog", OURS, n, number("told before the last child"))
        if early is None or early.median < _MANY * n:
            return ""
        return f"{early.median / n:.0%} of the statuses were written before the last child, and `bare` writes none"

    return tell


def load(n: int, *, beside: str) -> Reason:
    """Tell how busy the machine was in a backlog, and how much CPU another needs for the same."""

    def tell(findings: Findings) -> str:
        cores = findings.spread("backlog", OURS, n, cost(_cores))
        ratio = findings.ratio("backlog", n, cost(lambda one: one.cpu_seconds["contender"]), of=OURS, to=beside)
        if cores is None or ratio is None:
            return ""
        used = f"AppStack, API server and etcd used {cores.median:.1f} cores together"
        return f"{used}, and AppStack {ratio.median:.1f} times the CPU of `{beside}`"

    return tell


def _cores(one: Cost) -> float:
    return sum(one.cpu_seconds.values()) / one.seconds


def growth(findings: Findings) -> str:
    """Tell how the loop grows from 1,000 to 10,000, and what a write costs the API server."""
    small, large = (findings.spread("backlog", "bare-status", n, STATUS) for n in (1000, 10000))
    if small is None or large is None:
        return ""
    loop = f"that of the bare loop with a status is {large.median / small.median:.1f}"
    costs = [findings.spread("backlog", OURS, n, cost(_server_per_write)) for n in (1000, 10000)]
    told = [f"{one.median:.1f}" for one in costs if one is not None]
    server = f"; a write costs API server and etcd {' and '.join(told)} ms of CPU" if told else ""
    return f"{loop}{server}: Kubernetes counts all cluster IPs at each new Service, as decision 24 tells"


def _server_per_write(one: Cost) -> float | None:
    return 1000 * sum(one.cpu_seconds[name] for name in SERVERS) / one.writes if one.writes else None


def asked(suite: str, n: int | None = None) -> Reason:
    """Tell which requests these were."""

    def tell(findings: Findings) -> str:
        at = n or findings.largest(suite, OURS)
        costs = [one.figures.cost for one in findings.results if (one.suite, one.contender, one.n) == (suite, OURS, at)]
        found = [one.requests for one in costs if one is not None]
        words = found[0].items() if found else ()
        return ", ".join(f"{word} ({count})" for word, count in words if not word.startswith("watch "))

    return tell


def own_cpu(suite: str, n: int) -> Reason:
    """Tell how much of it was AppStack's own CPU."""

    def tell(findings: Findings) -> str:
        used = findings.spread(suite, OURS, n, cost(lambda one: one.cpu_seconds["contender"]))
        return "" if used is None else f"{used.median:.1f} s of it are AppStack's own CPU"

    return tell


def notes(suite: str, n: int) -> Reason:
    """Tell what the suite has noted."""
    return lambda findings: "; ".join(f"{name}: {note}" for name, note in findings.notes(suite, OURS, n).items())

"""What holds a figure that misses its goal, as far as the figures themselves tell. PURE."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Final, Literal

from bench.measure import SERVERS, Cost
from bench.report.findings import Findings, cost, latency, number
from bench.report.keys import OURS, STATUS

Reason = Callable[[Findings], str]
"""Returns a phrase; empty where the figures do not tell."""

SINGLE: Final[Set[str]] = frozenset({"get"})
LISTS: Final[Set[str]] = frozenset({"list"})
READS: Final = SINGLE | LISTS
_MANY: Final = 0.1
_MIDDLES: Final[tuple[Literal["p50"], Literal["p99"]]] = ("p50", "p99")
PROFILE: Final = "[decision 24](../decisions/0024-how-speed-is-measured.md)"


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
    """Tell how the loop grows from 1,000 to 10,000, and what a write costs the API server.

    Where both grow, the cause that a profile has shown is named.
    """
    small, large = (findings.spread("backlog", "bare-status", n, STATUS) for n in (1000, 10000))
    if small is None or large is None:
        return ""
    loop = large.median / small.median
    told = f"that of the bare loop with a status is {loop:.1f}"
    before, after = (findings.spread("backlog", OURS, n, cost(_server_per_write)) for n in (1000, 10000))
    if before is None or after is None:
        return told
    told += f"; a write costs API server and etcd {before.median:.1f} and {after.median:.1f} ms of CPU"
    if loop < 10 * (1 + _MANY) or after.median < before.median * (1 + _MANY):
        return told
    return f"{told}: in the profile of {PROFILE}, the API server counts all cluster IPs at each new Service"


def _server_per_write(one: Cost) -> float | None:
    return 1000 * sum(one.cpu_seconds[name] for name in SERVERS) / one.writes if one.writes else None


def asked(suite: str, verbs: Set[str], *, n: int | None = None) -> Reason:
    """Tell which requests with these verbs there were, with this N or any, in the round that had most for each stack.

    What is no resource, as `/version`, is no read.
    """

    def tell(findings: Findings) -> str:
        found = [
            (sum(words.values()) / max(one.n, 1), words)
            for one in findings.results
            if (one.suite, one.contender) == (suite, OURS) and n in (None, one.n) and one.figures.cost is not None
            for words in [_with(verbs, one.figures.cost)]
        ]
        _, most = max(found, key=lambda one: one[0], default=(0, {}))
        return ", ".join(f"{word} ({count:,})" for word, count in most.items())

    return tell


def _with(verbs: Set[str], one: Cost) -> dict[str, int]:
    return {word: count for word, count in one.requests.items() if word.split(" ")[0] in verbs and "(path)" not in word}


def own_cpu(suite: str, n: int) -> Reason:
    """Tell how much CPU AppStack itself used."""

    def tell(findings: Findings) -> str:
        used = findings.spread(suite, OURS, n, cost(lambda one: one.cpu_seconds["contender"]))
        return "" if used is None else f"AppStack's own CPU, until it had looked at everything, is {used.median:.1f} s"

    return tell


def peak(n: int) -> Reason:
    """Tell the peak of each suite."""

    def tell(findings: Findings) -> str:
        mib = cost(lambda one: one.peak_rss_mib["contender"])
        suites = sorted({one.suite for one in findings.results if one.contender == OURS and one.n == n})
        peaks = {suite: one.high for suite in suites if (one := findings.spread(suite, OURS, n, mib))}
        return ", ".join(f"{suite} {most:.0f} MiB" for suite, most in peaks.items())

    return tell


def repairs(findings: Findings) -> str:
    """Tell how the repairs of what stood alone are spread."""
    n = findings.largest("drift", OURS) or 0
    middle = findings.spread("drift", OURS, n, latency("one by one", "p50"))
    worst = findings.spread("drift", OURS, n, latency("one by one", "worst"))
    if middle is None or worst is None:
        return ""
    return f"half of them take {middle.median:.0f} ms at most, and the longest takes {worst.high:.0f} ms"


def neighbour(findings: Findings) -> str:
    """Tell both distributions, and how the Go controller fares."""
    phases = ("alone", "beside noise")
    told = []
    for who in (OURS, "go"):
        spreads = [findings.spread("noisy", who, 0, latency(f"status {at}", q)) for at in phases for q in _MIDDLES]
        p50, p99, p50_beside, p99_beside = (f"{one.median:.0f}" if one else "-" for one in spreads)
        if any(spreads):
            told.append(f"`{who}` has p50 {p50} and p99 {p99} ms alone, {p50_beside} and {p99_beside} ms beside noise")
    return "; ".join(told)


def notes(suite: str, n: int) -> Reason:
    """Tell what the suite has noted."""
    return lambda findings: "; ".join(f"{name}: {note}" for name, note in findings.notes(suite, OURS, n).items())

"""Explanations of missed goals, as far as the figures support one."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Final, Literal

from bench.cost import SERVERS, SYSTEM, Cost
from bench.report.findings import Findings, cost, latency, number
from bench.report.key_figures import APPSTACK, STATUS
from bench.suites.figures import CALM, STATUSES_BEFORE_LAST_CHILD

Explanation = Callable[[Findings], str]
"""Returns a phrase, or an empty string if the figures explain nothing."""

SINGLE_READS: Final[Set[str]] = frozenset({"get"})
LISTS: Final[Set[str]] = frozenset({"list"})
READS: Final = SINGLE_READS | LISTS
_SIGNIFICANT: Final = 0.1
_QUANTILES: Final[tuple[Literal["p50"], Literal["p99"]]] = ("p50", "p99")
PROFILE: Final = "[decision 24](../decisions/0024-benchmark-method.md)"


def all_of(*explanations: Explanation) -> Explanation:
    """Return the explanation that joins the non-empty ones of these."""
    return lambda findings: "; ".join(text for explanation in explanations if (text := explanation(findings)))


def early_statuses(n: int) -> Explanation:
    """Explain by statuses written before the last child, which the loop `bare` does not write."""

    def explain(findings: Findings) -> str:
        early = findings.spread("backlog", APPSTACK, n, number(STATUSES_BEFORE_LAST_CHILD))
        if early is None or early.median < _SIGNIFICANT * n:
            return ""
        return f"{early.median / n:.0%} of the statuses were written before the last child, and `bare` writes none"

    return explain


def machine_load(n: int, *, beside: str) -> Explanation:
    """Explain by the load of the machine in a backlog, and by AppStack's CPU time relative to another system's."""

    def explain(findings: Findings) -> str:
        cores = findings.spread("backlog", APPSTACK, n, cost(_cores))
        ratio = findings.ratio("backlog", n, cost(lambda one: one.cpu_seconds[SYSTEM]), of=APPSTACK, to=beside)
        if cores is None or ratio is None:
            return ""
        used = f"AppStack, API server and etcd used {cores.median:.1f} cores together"
        return f"{used}, and AppStack {ratio.median:.1f} times the CPU time of `{beside}`"

    return explain


def _cores(one: Cost) -> float:
    return sum(one.cpu_seconds.values()) / one.seconds


def growth(findings: Findings) -> str:
    """Explain by the bare loop's growth from 1,000 to 10,000 stacks and by the servers' CPU time per write.

    If both grow, the phrase names the cause that a profile of the API server has shown.
    """
    small, large = (findings.spread("backlog", "bare-status", n, STATUS) for n in (1000, 10000))
    if small is None or large is None:
        return ""
    ratio = large.median / small.median
    text = f"the ratio of `bare-status` is {ratio:.1f}"
    before, after = (findings.spread("backlog", APPSTACK, n, cost(_server_cpu_per_write)) for n in (1000, 10000))
    if before is None or after is None:
        return text
    text += f"; a write takes API server and etcd {before.median:.1f} and {after.median:.1f} ms of CPU time"
    if ratio < 10 * (1 + _SIGNIFICANT) or after.median < before.median * (1 + _SIGNIFICANT):
        return text
    return f"{text}: in the profile of {PROFILE}, the API server counts all cluster IPs at each new Service"


def _server_cpu_per_write(one: Cost) -> float | None:
    return 1000 * sum(one.cpu_seconds[name] for name in SERVERS) / one.writes if one.writes else None


def requests(suite: str, verbs: Set[str], *, n: int | None = None) -> Explanation:
    """Explain by the requests with these verbs, in the round with the most per stack, for one N or for any.

    Paths that are no resource, such as `/version`, are left out.
    """

    def explain(findings: Findings) -> str:
        found = [
            (sum(counts.values()) / max(one.n, 1), counts)
            for one in findings.results
            if (one.suite, one.system) == (suite, APPSTACK) and n in (None, one.n) and one.figures.cost is not None
            for counts in [_with_verbs(verbs, one.figures.cost)]
        ]
        _, most = max(found, key=lambda one: one[0], default=(0, {}))
        return ", ".join(f"{key} ({count:,})" for key, count in most.items())

    return explain


def _with_verbs(verbs: Set[str], one: Cost) -> dict[str, int]:
    return {key: count for key, count in one.requests.items() if key.split(" ")[0] in verbs and "(path)" not in key}


def own_cpu(suite: str, n: int) -> Explanation:
    """Explain by AppStack's own CPU time."""

    def explain(findings: Findings) -> str:
        used = findings.spread(suite, APPSTACK, n, cost(lambda one: one.cpu_seconds[SYSTEM]))
        return "" if used is None else f"AppStack used {used.median:.1f} s of CPU until every stack was reconciled"

    return explain


def peak_memory(n: int) -> Explanation:
    """Explain by the peak memory of each suite."""

    def explain(findings: Findings) -> str:
        mib = cost(lambda one: one.peak_rss_mib[SYSTEM])
        suites = sorted({one.suite for one in findings.results if one.system == APPSTACK and one.n == n})
        peaks = {suite: one.high for suite in suites if (one := findings.spread(suite, APPSTACK, n, mib))}
        return ", ".join(f"{suite} {most:.0f} MiB" for suite, most in peaks.items())

    return explain


def repairs(findings: Findings) -> str:
    """Explain by the median and the maximum of the single drift repairs."""
    n = findings.largest("drift", APPSTACK) or 0
    middle = findings.spread("drift", APPSTACK, n, latency("one by one", "p50"))
    worst = findings.spread("drift", APPSTACK, n, latency("one by one", "worst"))
    if middle is None or worst is None:
        return ""
    return f"half of the repairs take at most {middle.median:.0f} ms, and the longest takes {worst.high:.0f} ms"


def noisy_neighbour(findings: Findings) -> str:
    """Explain by the latencies of AppStack and of the Go controller, with and without noise."""
    phases = (CALM, "beside noise")
    parts = []
    for system in (APPSTACK, "go"):
        spreads = [
            findings.spread("noisy", system, 0, latency(f"status {phase}", q)) for phase in phases for q in _QUANTILES
        ]
        p50, p99, p50_beside, p99_beside = (f"{one.median:.0f}" if one else "-" for one in spreads)
        if any(spreads):
            calm, noisy = f"p50 {p50} and p99 {p99} ms", f"p50 {p50_beside} and p99 {p99_beside} ms"
            parts.append(f"`{system}` has {calm} without noise, {noisy} beside it")
    return "; ".join(parts)


def suite_notes(suite: str, n: int) -> Explanation:
    """Explain by the notes of the suite."""
    return lambda findings: "; ".join(f"{name}: {note}" for name, note in findings.notes(suite, APPSTACK, n).items())

"""Goals: the bound of each key figure, whether it was reached, and an explanation where it was missed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from bench.audit import WRITES
from bench.report import tables
from bench.report.explanations import (
    LISTS,
    READS,
    SINGLE_READS,
    Explanation,
    all_of,
    early_statuses,
    growth,
    machine_load,
    noisy_neighbour,
    own_cpu,
    peak_memory,
    repairs,
    requests,
    suite_notes,
)
from bench.report.findings import Findings
from bench.report.key_figures import REQUESTS_PER_EDIT, WRITES_PER_STACK, key_figures


@dataclass(frozen=True, slots=True)
class Goal:
    """A key figure and its bound."""

    key: str
    title: str
    bound: float
    explanation: Explanation
    """Explains a missed goal."""
    sign: Literal["≤", "≥", "="] = "≤"

    def reached(self, value: float) -> bool:
        """Return whether a value reaches the goal."""
        match self.sign:
            case "≤":
                return value <= self.bound
            case "≥":
                return value >= self.bound
            case "=":
                return value == self.bound


def _comparisons(n: int) -> tuple[Goal, ...]:
    """Return the goals that compare AppStack with other systems, for N stacks."""
    suffix = f", N = {n:,}"
    child = all_of(early_statuses(n), machine_load(n, beside="bare"))
    status = machine_load(n, beside="bare-status")
    kro, go = machine_load(n, beside="kro"), machine_load(n, beside="go")
    return (
        Goal(f"child_over_bare_{n}", f"last child ÷ bare loop's{suffix}", 1.15, child),
        Goal(f"status_over_bare_{n}", f"last current status ÷ bare loop's{suffix}", 1.15, status),
        Goal(f"kro_time_over_ours_{n}", f"kro's time ÷ AppStack's{suffix}", 1.5, kro, sign="≥"),
        Goal(f"time_over_go_{n}", f"AppStack's time ÷ Go controller's{suffix}", 1.3, go),
    )


def _exact(key: str, title: str, budget: float, explanation: Explanation) -> Goal:
    """Return a goal that one request more or less in any round misses."""
    return Goal(key, title, budget, explanation, sign="=")


def _longest_callback(n: int) -> Goal:
    title = f"longest callback, ms of thread CPU, N = {n:,}"
    return Goal(f"longest_callback_ms_{n}", title, 100, suite_notes("callbacks", n))


GOALS: Final = (
    *_comparisons(1000),
    *_comparisons(10000),
    _exact("reads_per_new_child", "reads per new child", 0, requests("backlog", SINGLE_READS)),
    _exact("writes_per_stack", "writes per new stack of three children", WRITES_PER_STACK, requests("backlog", WRITES)),
    _exact("requests_per_edit", "requests per edit of one child", REQUESTS_PER_EDIT, requests("edit", WRITES | READS)),
    _exact("idle_writes", "writes while idle", 0, requests("idle", WRITES)),
    _exact("idle_reads", "reads while idle", 0, requests("idle", READS)),
    _exact("restart_writes_10000", "writes at a restart, N = 10,000", 0, requests("restart", WRITES, n=10000)),
    _exact(
        "restart_single_reads_10000",
        "reads of single objects at a restart, N = 10,000",
        0,
        requests("restart", SINGLE_READS, n=10000),
    ),
    Goal(
        "restart_lists_over_pages_10000",
        "lists ÷ pages at a restart, N = 10,000",
        1.1,
        requests("restart", LISTS, n=10000),
    ),
    Goal("restart_seconds_10000", "seconds until ready after a restart, N = 10,000", 30, own_cpu("restart", 10000)),
    Goal("peak_rss_mib_10000", "peak memory, MiB, N = 10,000", 250, peak_memory(10000)),
    Goal("time_10000_over_1000", "t(10,000) ÷ t(1,000)", 11, growth),
    Goal("drift_p99_ms", "p99 of a drift repair, ms", 500, repairs),
    Goal("noisy_neighbour_p99_ratio", "p99 beside a noisy neighbour ÷ without", 1.5, noisy_neighbour),
    _longest_callback(1000),
    _longest_callback(10000),
)


def goals(findings: Findings) -> str:
    """Return the table of goals and the explanations of those that were missed."""
    found = key_figures(findings)
    table = tables.markdown(["goal", "bound", "measured", "reached"], [_row(goal, found) for goal in GOALS])
    missed = [goal for goal in GOALS if (value := found[goal.key]) is not None and not goal.reached(value)]
    explanations = "".join(
        f"- **{goal.title}**: {goal.explanation(findings) or 'the figures do not explain it'}.\n" for goal in missed
    )
    text = f"## Goals\n\n{table}" + (f"\nMissed goals:\n\n{explanations}" if missed else "")
    per_stack = found["rss_kib_per_stack"]
    if per_stack is None:
        return text
    return f"{text}\nMemory per additional stack, from 1,000 to 10,000: {per_stack:g} KiB.\n"


def _row(goal: Goal, found: Mapping[str, float | None]) -> list[str]:
    value = found[goal.key]
    bound = f"{goal.sign} {goal.bound:g}"
    if value is None:
        return [goal.title, bound, "-", "not measured"]
    return [goal.title, bound, f"{value:g}", "yes" if goal.reached(value) else "no"]

"""What the project set out to reach, beside what was measured, and what holds it where it was not reached. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from bench.audit import WRITES
from bench.report import tables
from bench.report.findings import Findings
from bench.report.keys import REQUESTS_PER_EDIT, WRITES_PER_STACK, keys
from bench.report.reasons import (
    LISTS,
    READS,
    SINGLE,
    Reason,
    asked,
    both,
    growth,
    load,
    neighbour,
    notes,
    order,
    own_cpu,
    peak,
    repairs,
)


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of latest.json and its bound."""

    key: str
    says: str
    bound: float
    holds: Reason
    """Tells what holds it, where it was not reached."""
    sign: Literal["≤", "≥", "="] = "≤"

    def reached(self, value: float) -> bool:
        """Tell whether it is reached."""
        match self.sign:
            case "≤":
                return value <= self.bound
            case "≥":
                return value >= self.bound
            case "=":
                return value == self.bound


def _beside_others(n: int) -> tuple[Goal, ...]:
    """Return what is compared with others, with N stacks."""
    at = f", N = {n:,}"
    child = both(order(n), load(n, beside="bare"))
    return (
        Goal(f"child_over_bare_{n}", f"last child ÷ the loop's{at}", 1.15, child),
        Goal(f"status_over_bare_{n}", f"last true status ÷ the loop's{at}", 1.15, load(n, beside="bare-status")),
        Goal(f"kro_time_over_ours_{n}", f"kro's time ÷ ours{at}", 1.5, load(n, beside="kro"), sign="≥"),
        Goal(f"time_over_go_{n}", f"our time ÷ the Go controller's{at}", 1.3, load(n, beside="go")),
    )


def _exact(key: str, says: str, budget: float, holds: Reason) -> Goal:
    """Return a goal that one request too many in one round misses, and one too few as well."""
    return Goal(key, says, budget, holds, sign="=")


def _callback(n: int) -> Goal:
    says = f"longest callback, ms of thread CPU, N = {n:,}"
    return Goal(f"longest_callback_ms_{n}", says, 100, notes("callbacks", n))


GOALS: Final = (
    *_beside_others(1000),
    *_beside_others(10000),
    _exact("reads_per_new_child", "reads for a new child", 0, asked("backlog", SINGLE)),
    _exact("writes_per_stack", "writes for a new stack of three children", WRITES_PER_STACK, asked("backlog", WRITES)),
    _exact("requests_per_edit", "requests for an edit of one child", REQUESTS_PER_EDIT, asked("edit", WRITES | READS)),
    _exact("idle_writes", "writes while nothing happens", 0, asked("idle", WRITES)),
    _exact("idle_reads", "reads while nothing happens", 0, asked("idle", READS)),
    _exact("restart_writes_10000", "writes at a restart with 10,000 stacks", 0, asked("restart", WRITES, n=10000)),
    _exact("restart_single_reads_10000", "reads of single objects at it", 0, asked("restart", SINGLE, n=10000)),
    Goal("restart_lists_over_pages_10000", "lists at it ÷ pages of all kinds", 1.1, asked("restart", LISTS, n=10000)),
    Goal("restart_seconds_10000", "seconds until ready after it", 30, own_cpu("restart", 10000)),
    Goal("peak_rss_mib_10000", "peak memory with 10,000 stacks, MiB", 250, peak(10000)),
    Goal("time_10000_over_1000", "t(10,000) ÷ t(1,000)", 11, growth),
    Goal("drift_p99_ms", "p99 of a repair, ms", 500, repairs),
    Goal("noisy_neighbour_p99_ratio", "p99 beside a noisy neighbour ÷ without", 1.5, neighbour),
    _callback(1000),
    _callback(10000),
)


def goals(findings: Findings) -> str:
    """Return the table of goals."""
    found = keys(findings)
    table = tables.rows(["goal", "bound", "measured", "reached"], [_row(goal, found) for goal in GOALS])
    missed = [goal for goal in GOALS if (value := found[goal.key]) is not None and not goal.reached(value)]
    reasons = "".join(f"- **{goal.says}**: {goal.holds(findings) or 'the figures do not tell'}.\n" for goal in missed)
    told = f"## Goals\n\n{table}" + (f"\nWhat holds those that were not reached:\n\n{reasons}" if missed else "")
    per_stack = found["rss_kib_per_stack"]
    return told if per_stack is None else f"{told}\nFrom 1,000 to 10,000, a stack takes {per_stack:g} KiB of memory.\n"


def _row(goal: Goal, found: Mapping[str, float | None]) -> list[str]:
    value = found[goal.key]
    bound = f"{goal.sign} {goal.bound:g}"
    if value is None:
        return [goal.says, bound, "-", "not measured"]
    return [goal.says, bound, f"{value:g}", "yes" if goal.reached(value) else "no"]

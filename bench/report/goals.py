"""What the project set out to reach, beside what was measured, and what holds it where it was not reached. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bench.report import tables
from bench.report.findings import Findings
from bench.report.keys import keys
from bench.report.reasons import Reason, asked, both, growth, load, notes, order, own_cpu, unknown


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of latest.json and its bound."""

    key: str
    says: str
    bound: float
    at_least: bool = False
    holds: Reason = unknown
    """Tells what holds it, where it was not reached."""

    def reached(self, value: float) -> bool:
        """Tell whether it is reached."""
        return value >= self.bound if self.at_least else value <= self.bound


def _beside_others(n: int) -> tuple[Goal, ...]:
    """Return what is compared with others, with N stacks."""
    at = f", N = {n:,}"
    child = both(order(n), load(n, beside="bare"))
    return (
        Goal(f"child_over_bare_{n}", f"last child ÷ the loop's{at}", 1.15, holds=child),
        Goal(f"status_over_bare_{n}", f"last true status ÷ the loop's{at}", 1.15, holds=load(n, beside="bare-status")),
        Goal(f"kro_time_over_ours_{n}", f"kro's time ÷ ours{at}", 1.5, at_least=True),
        Goal(f"time_over_go_{n}", f"our time ÷ the Go controller's{at}", 1.3, holds=load(n, beside="go")),
    )


def _callback(n: int) -> Goal:
    says = f"longest callback, ms of thread CPU, N = {n:,}"
    return Goal(f"longest_callback_ms_{n}", says, 100, holds=notes("callbacks", n))


GOALS: Final = (
    *_beside_others(1000),
    *_beside_others(10000),
    Goal("reads_per_new_child", "reads for a new child", 0),
    Goal("writes_per_stack", "writes for a new stack of three children", 4),
    Goal("requests_per_edit", "requests for an edit of one child", 2),
    Goal("idle_writes", "writes while nothing happens", 0, holds=asked("idle")),
    Goal("idle_reads", "reads while nothing happens", 0, holds=asked("idle")),
    Goal("restart_writes_10000", "writes at a restart with 10,000 stacks", 0, holds=asked("restart", 10000)),
    Goal("restart_single_reads_10000", "reads of single objects at it", 0, holds=asked("restart", 10000)),
    Goal("restart_seconds_10000", "seconds until ready after it", 30, holds=own_cpu("restart", 10000)),
    Goal("peak_rss_mib_10000", "peak memory with 10,000 stacks, MiB", 250),
    Goal("time_10000_over_1000", "t(10,000) ÷ t(1,000)", 11, holds=growth),
    Goal("drift_p99_ms", "p99 of a repair, ms", 500),
    Goal("noisy_neighbour_p99_ratio", "p99 beside a noisy neighbour ÷ without", 1.5),
    _callback(1000),
    _callback(10000),
)


def goals(findings: Findings) -> str:
    """Return the table of goals."""
    found = keys(findings)
    table = tables.rows(["goal", "bound", "measured", "reached"], [_row(goal, found) for goal in GOALS])
    missed = [goal for goal in GOALS if (value := found[goal.key]) is not None and not goal.reached(value)]
    reasons = "".join(f"- **{goal.says}**: {goal.holds(findings) or 'not known yet'}.\n" for goal in missed)
    told = f"## Goals\n\n{table}" + (f"\nWhat holds those that were not reached:\n\n{reasons}" if missed else "")
    per_stack = found["rss_kib_per_stack"]
    return told if per_stack is None else f"{told}\nFrom 1,000 to 10,000, a stack takes {per_stack:g} KiB of memory.\n"


def _row(goal: Goal, found: Mapping[str, float | None]) -> list[str]:
    value = found[goal.key]
    bound = f"{'≥' if goal.at_least else '≤'} {goal.bound:g}"
    if value is None:
        return [goal.says, bound, "-", "not measured"]
    return [goal.says, bound, f"{value:g}", "yes" if goal.reached(value) else "no"]

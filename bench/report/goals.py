"""What the project set out to reach, beside what was measured, and what holds it where it was not reached. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bench.report import tables


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of latest.json and its bound."""

    key: str
    says: str
    bound: float
    at_least: bool = False
    holds: str = ""
    """What holds it, where it was not reached when this was written."""

    def reached(self, value: float) -> bool:
        """Tell whether it is reached."""
        return value >= self.bound if self.at_least else value <= self.bound


_CHILDREN: Final = (
    "AppStack tells of a stack as soon as its children are there, so most statuses come before the last child; "
    "the loop of three applies writes none. The table shows how far `bare-status`, which tells as early, is from it"
)
GOALS: Final = (
    Goal("child_over_bare_1000", "last child ÷ the loop's, N = 1,000", 1.15, holds=_CHILDREN),
    Goal(
        "status_over_bare_1000",
        "last true status ÷ the loop's, N = 1,000",
        1.15,
        holds="both cores are busy, and AppStack needs twice the loop's CPU: kopf, the watches, what a look decides",
    ),
    Goal("child_over_bare_10000", "last child ÷ the loop's, N = 10,000", 1.15, holds=_CHILDREN),
    Goal("status_over_bare_10000", "last true status ÷ the loop's, N = 10,000", 1.15),
    Goal("kro_time_over_ours_1000", "kro's time ÷ ours", 1.5, at_least=True),
    Goal("time_over_go_1000", "our time ÷ the Go controller's", 1.3),
    Goal("reads_per_new_child", "reads for a new child", 0),
    Goal("writes_per_stack", "writes for a new stack of three children", 4),
    Goal("idle_writes", "writes while nothing happens", 0),
    Goal("idle_reads", "reads while nothing happens", 0),
    Goal("restart_writes_10000", "writes at a restart with 10,000 stacks", 0),
    Goal("restart_seconds_10000", "seconds until ready after it", 30),
    Goal("peak_rss_mib_10000", "peak memory with 10,000 stacks, MiB", 250),
    Goal(
        "time_10000_over_1000",
        "t(10,000) ÷ t(1,000)",
        11,
        holds="the bare loop grows as much: API server and etcd write more slowly the more they hold",
    ),
    Goal("drift_p99_ms", "p99 of a repair, ms", 500),
    Goal("noisy_neighbour_p99_ratio", "p99 beside a noisy neighbour ÷ without", 1.5),
)


def goals(keys: Mapping[str, float | None]) -> str:
    """Return the table of goals."""
    table = tables.rows(["goal", "bound", "measured", "reached"], [_row(goal, keys) for goal in GOALS])
    missed = [goal for goal in GOALS if (value := keys[goal.key]) is not None and not goal.reached(value)]
    reasons = "".join(f"- **{goal.says}**: {goal.holds or 'not known yet'}.\n" for goal in missed)
    return f"## Goals\n\n{table}" + (f"\nWhat holds those that were not reached:\n\n{reasons}" if missed else "")


def _row(goal: Goal, keys: Mapping[str, float | None]) -> list[str]:
    value = keys[goal.key]
    bound = f"{'≥' if goal.at_least else '≤'} {goal.bound:g}"
    if value is None:
        return [goal.says, bound, "-", "not measured"]
    return [goal.says, bound, f"{value:g}", "yes" if goal.reached(value) else "no"]

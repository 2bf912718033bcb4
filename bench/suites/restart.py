"""Killed and started again, with all stacks there and nothing to do."""

from __future__ import annotations

from bench.stage import Stage
from bench.suites.figures import Figures


async def run(stage: Stage) -> Figures:
    """Measure the time until it says that it works, until it has looked at everything, and what it asks for."""
    stage.contender.kill()
    before = stage.meter.now()
    started = await stage.start()
    looked = await stage.until_quiet(within=stage.patience)
    cost = stage.meter.since(before)
    return Figures(
        seconds={
            "ready": started.ready - started.spawned,
            "all looked at": max(looked, started.ready) - started.spawned,
        },
        cost=cost,
    )

"""Nothing happens, for minutes."""

from __future__ import annotations

import asyncio

from bench.stage import Stage
from bench.suites.figures import Figures


async def run(stage: Stage, *, seconds: float) -> Figures:
    """Count what is asked for all the same, and the CPU that it takes."""
    await stage.until_quiet(within=stage.patience)
    before = stage.meter.now()
    await asyncio.sleep(seconds)
    return Figures(cost=stage.meter.since(before))

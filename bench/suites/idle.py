"""Idle: no change for several minutes."""

from __future__ import annotations

import asyncio

from bench.fixture import Fixture
from bench.suites.figures import Figures


async def run(fixture: Fixture, *, seconds: float) -> Figures:
    """Measure requests and CPU time of a system without work."""
    await fixture.wait_until_idle(timeout_seconds=fixture.timeout_seconds)
    before = fixture.meter.snapshot()
    await asyncio.sleep(seconds)
    return Figures(cost=fixture.meter.cost_since(before))

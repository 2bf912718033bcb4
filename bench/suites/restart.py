"""A restart after SIGKILL, with all stacks reconciled and nothing to do."""

from __future__ import annotations

from bench.fixture import Fixture
from bench.suites.figures import RECONCILED, Figures


async def run(fixture: Fixture) -> Figures:
    """Measure the time until ready and until every stack is reconciled, and the requests sent."""
    fixture.system.kill()
    before = fixture.meter.snapshot()
    started = await fixture.start()
    idle_since = await fixture.wait_until_idle(timeout_seconds=fixture.timeout_seconds)
    cost = fixture.meter.cost_since(before)
    return Figures(
        seconds={
            "ready": started.ready - started.started,
            RECONCILED: max(idle_since, started.ready) - started.started,
        },
        cost=cost,
    )

"""Slow callbacks of AppStack's event loop, measured in an instrumented process that is not compared with others."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Final

from bench.fixture import Fixture
from bench.slow_callbacks import Phase, read
from bench.suites.figures import Figures
from bench.systems.appstack import SLOW_CALLBACKS_FILE
from tools.cluster import shell

MAX_EDITED: Final = 1000
PHASES: Final = ("backlog", "edit", "restart")


async def run(fixture: Fixture) -> Figures:
    """Measure callbacks during a cold start, an edit of up to MAX_EDITED stacks, and a restart with all stacks."""
    name = fixture.system.name
    await fixture.create_all()
    ends = [time.time()]
    await fixture.start()
    await fixture.wait_for_status(list(fixture.stacks), f"{name}: backlog of {fixture.n}, instrumented")
    ends.append(await _wait_until_idle(fixture))
    edited = list(fixture.stacks)[:MAX_EDITED]
    await fixture.client.run_all(partial(fixture.edit, key, 1) for key in edited)
    await fixture.wait_for_status(edited, f"{name}: edit of {len(edited)}, instrumented")
    ends.append(await _wait_until_idle(fixture))
    fixture.system.kill()
    await fixture.start()
    ends.append(await _wait_until_idle(fixture))
    records = read(fixture.control_plane.folder / SLOW_CALLBACKS_FILE)
    intervals = zip(PHASES, ends, ends[1:], strict=False)
    phases = {phase: Phase.of(records, since=since, until=until) for phase, since, until in intervals}
    if not all(phase.callbacks for phase in phases.values()):
        raise shell.Failure(f"{name}: no callback of a millisecond was recorded; the timer is not installed")
    return Figures(
        numbers={f"{phase}: {what}": value for phase, one in phases.items() for what, value in one.numbers().items()},
        notes={phase: one.summary() for phase, one in phases.items()},
    )


async def _wait_until_idle(fixture: Fixture) -> float:
    """Wait until the system is idle, read /metrics once as Prometheus does, and return the time."""
    await fixture.wait_until_idle(timeout_seconds=fixture.timeout_seconds)
    await asyncio.to_thread(fixture.system.counters)
    return time.time()

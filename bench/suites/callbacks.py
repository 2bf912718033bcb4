"""How long the event loop is held up at a time: by the thread's CPU, in a process that is timed and not compared."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Final

from bench.callbacks import Phase, read
from bench.contenders.appstack import CALLBACKS
from bench.stage import Stage
from bench.suites.figures import Figures
from tools.cluster import shell

EDITED: Final = 1000  # at most
PHASES: Final = ("backlog", "edit", "restart")


async def run(stage: Stage) -> Figures:
    """Time the callbacks of a cold backlog, of an edit of every stack, and of a restart with all of them."""
    await stage.create_all()
    ends = [time.time()]
    await stage.start()
    await stage.until_true(list(stage.stacks), f"{stage.contender.name}: backlog of {stage.n}, timed")
    ends.append(await _quiet(stage))
    edited = list(stage.stacks)[:EDITED]
    await stage.user.all(partial(stage.edit, key, 1) for key in edited)
    await stage.until_true(edited, f"{stage.contender.name}: edit of {len(edited)}, timed")
    ends.append(await _quiet(stage))
    stage.contender.kill()
    await stage.start()
    ends.append(await _quiet(stage))
    turns = read(stage.plane.folder / CALLBACKS)
    stretches = zip(PHASES, ends, ends[1:], strict=False)
    phases = {name: Phase.of(turns, since=since, until=until) for name, since, until in stretches}
    if not all(phase.callbacks for phase in phases.values()):
        raise shell.Failure("no callback took a millisecond: the clock does not run")
    return Figures(
        numbers={f"{name}: {what}": value for name, one in phases.items() for what, value in one.numbers().items()},
        notes={name: phase.told() for name, phase in phases.items()},
    )


async def _quiet(stage: Stage) -> float:
    """Return the time once nothing is left to do, and the metrics were read as Prometheus does."""
    await stage.until_quiet(within=stage.patience)
    await asyncio.to_thread(stage.contender.counters)
    return time.time()

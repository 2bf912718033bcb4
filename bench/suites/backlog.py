"""Cold backlog: N stacks are there, then the contender is started."""

from __future__ import annotations

from bench.contender import Contender
from bench.stage import Stage, Started
from bench.suites.figures import Figures
from bench.timeline import Timeline
from tools.cluster import shell


async def run(stage: Stage) -> Figures:
    """Measure from the moment at which the contender works to the last child and to the last true status."""
    await stage.create_all()
    before = stage.meter.now()
    started = await stage.start()
    what = f"{stage.contender.name}: backlog of {stage.n}"
    if tells_status(stage.contender):
        await stage.until_true(list(stage.stacks), what)
    else:
        await _until_written(stage, what)
    cost = stage.meter.since(before)
    mine = stage.mine()
    begin = begun(stage, mine, started)
    seconds, told = _seconds(stage, mine, started, begin)
    return Figures(
        seconds=seconds,
        numbers={
            **told,
            "children": float(sum(len(stage.contender.children(manifest)) for manifest in stage.stacks.values())),
            **{f"bytes of {plural}": float(size) for plural, size in stage.sizes().items()},
        },
        cost=cost,
    )


def tells_status(contender: Contender) -> bool:
    """Tell whether there is a status to wait for: the loop in its shorter form writes none."""
    return contender.name != "bare"


def begun(stage: Stage, mine: Timeline, started: Started) -> float:
    """Return when a contender began to work: it said so, or wrote a child, or the stack to put a finalizer on it."""
    children = stage.contender.children(next(iter(stage.stacks.values())))
    written = {stage.contender.stacks.plural, *(child.resource.plural for child in children)}
    return min(started.ready, mine.begin(written) or started.ready)


async def _until_written(stage: Stage, what: str) -> None:
    wanted = {child for manifest in stage.stacks.values() for child in stage.contender.children(manifest)}
    plurals = {child.resource.plural for child in wanted}
    looked_at = written = 0

    def all_there() -> bool:
        nonlocal looked_at, written
        fresh = stage.meter.mine(stage.log.records[looked_at:])
        looked_at = len(stage.log.records)
        written += sum(one.writes and one.succeeded and one.resource in plurals for one in fresh)
        return written >= len(wanted)

    if not await stage.until(all_there, within=stage.patience):
        raise shell.Failure(f"{what}: {len(wanted) - written} children are missing after {stage.patience:.0f} s")


def _seconds(stage: Stage, mine: Timeline, started: Started, begin: float) -> tuple[dict[str, float], dict[str, float]]:
    """Return durations, and how many statuses came before the last child."""
    written = [mine.complete(stage.contender.children(manifest)) for manifest in stage.stacks.values()]
    if None in written:
        raise shell.Failure(f"{stage.contender.name}: {written.count(None)} stacks lack a child, whatever status says")
    last_child = max(time for time in written if time is not None)
    seconds = {"start": begin - started.spawned, "last child": last_child - begin}
    if not tells_status(stage.contender):
        return seconds, {}
    times = [time for key in stage.stacks if (time := stage.became_true(mine, key)) is not None]
    seconds["last status"] = max(times) - begin
    seconds["from the process's start"] = seconds["start"] + seconds["last status"]
    return seconds, {"told before the last child": float(sum(time < last_child for time in times))}

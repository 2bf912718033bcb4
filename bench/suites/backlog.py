"""Cold start with a backlog: N stacks exist before the system under test starts."""

from __future__ import annotations

from bench.fixture import Fixture, StartTimes
from bench.suites.figures import STATUSES_BEFORE_LAST_CHILD, Figures
from bench.system import System
from bench.timeline import Timeline
from tools.cluster import shell


async def run(fixture: Fixture) -> Figures:
    """Measure from the beginning of work to the last child and to the last current status."""
    await fixture.create_all()
    before = fixture.meter.snapshot()
    started = await fixture.start()
    description = f"{fixture.system.name}: backlog of {fixture.n}"
    if writes_status(fixture.system):
        await fixture.wait_for_status(list(fixture.stacks), description)
    else:
        await _wait_for_children(fixture, description)
    cost = fixture.meter.cost_since(before)
    writes = fixture.system_writes()
    begun = work_began(fixture, writes, started)
    seconds, numbers = _durations(fixture, writes, started, begun)
    return Figures(
        seconds=seconds,
        numbers={
            **numbers,
            "children": float(sum(len(fixture.system.children(manifest)) for manifest in fixture.stacks.values())),
            **{f"bytes of {plural}": float(size) for plural, size in fixture.child_sizes().items()},
        },
        cost=cost,
    )


def writes_status(system: System) -> bool:
    """Return whether the system writes a status; the shorter form of the bare loop does not."""
    return system.name != "bare"


def work_began(fixture: Fixture, writes: Timeline, started: StartTimes) -> float:
    """Return when a system began to work: at its first write of a child or a stack, or when it reported ready."""
    children = fixture.system.children(next(iter(fixture.stacks.values())))
    written = {fixture.system.stacks.plural, *(child.resource.plural for child in children)}
    return min(started.ready, writes.first_write_of(written) or started.ready)


async def _wait_for_children(fixture: Fixture, description: str) -> None:
    wanted = {child for manifest in fixture.stacks.values() for child in fixture.system.children(manifest)}
    plurals = {child.resource.plural for child in wanted}
    read = written = 0

    def all_written() -> bool:
        nonlocal read, written
        new = fixture.meter.requests_of_system(fixture.log.records[read:])
        read = len(fixture.log.records)
        written += sum(one.writes and one.succeeded and one.resource in plurals for one in new)
        return written >= len(wanted)

    if not await fixture.wait_until(all_written, timeout_seconds=fixture.timeout_seconds):
        missing = len(wanted) - written
        raise shell.Failure(f"{description}: {missing} children are missing after {fixture.timeout_seconds:.0f} s")


def _durations(
    fixture: Fixture, writes: Timeline, started: StartTimes, begun: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Return durations in seconds, and the number of statuses written before the last child."""
    written = [writes.all_written(fixture.system.children(manifest)) for manifest in fixture.stacks.values()]
    if None in written:
        count = written.count(None)
        raise shell.Failure(f"{fixture.system.name}: {count} stacks have a current status and lack a child")
    last_child = max(time for time in written if time is not None)
    seconds = {"start": begun - started.started, "last child": last_child - begun}
    if not writes_status(fixture.system):
        return seconds, {}
    times = [time for key in fixture.stacks if (time := fixture.status_current_at(writes, key)) is not None]
    seconds["last status"] = max(times) - begun
    seconds["from the process's start"] = seconds["start"] + seconds["last status"]
    return seconds, {STATUSES_BEFORE_LAST_CHILD: float(sum(time < last_child for time in times))}

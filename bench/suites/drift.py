"""Drift repair: another client changes or deletes children, one by one and then many at once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Final

from bench.client import ACCOUNT, MERGE_PATCH, Call
from bench.control_plane import username
from bench.cost import Snapshot
from bench.fixture import Fixture
from bench.stats import Latencies
from bench.suites.figures import Figures
from bench.system import DEPLOYMENTS, SERVICES, Child
from bench.timeline import Key, Timeline
from tools.cluster import shell

MAX_SINGLE: Final = 200
SINGLE_PER_SECOND: Final = 20
SCALED: Final = {"spec": {"replicas": 1}}


async def run(fixture: Fixture) -> Figures:
    """Measure from a change by the other client to the write that repairs it."""
    keys = list(fixture.stacks)
    before = fixture.meter.snapshot()
    single = _targets(fixture, keys[::10][:MAX_SINGLE])
    await fixture.client.run_at_rate(_changes(fixture, single), per_second=SINGLE_PER_SECOND)
    single_repairs = await _repairs(fixture, single, since=before)
    before_storm = fixture.meter.snapshot()
    storm = _targets(fixture, keys[5::10])
    await fixture.client.run_all(_changes(fixture, storm))
    storm_repairs = await _repairs(fixture, storm, since=before_storm)
    return Figures(
        seconds={"storm": max(end for _, end in storm_repairs) - min(begin for begin, _ in storm_repairs)},
        latencies={
            "one by one": Latencies.of(end - begin for begin, end in single_repairs),
            "storm": Latencies.of(end - begin for begin, end in storm_repairs),
        },
        numbers={
            "repaired": float(len(single_repairs) + len(storm_repairs)),
            "changed": float(len(single) + len(storm)),
        },
        cost=fixture.meter.cost_since(before),
    )


def _targets(fixture: Fixture, keys: Sequence[Key]) -> list[Child]:
    """Return one child of each stack, alternately a Deployment to scale and a Service to delete."""
    resources = itertools.cycle((DEPLOYMENTS, SERVICES))
    return [
        next(child for child in fixture.system.children(fixture.stacks[key]) if child.resource == resource)
        for key, resource in zip(keys, resources, strict=False)
    ]


def _changes(fixture: Fixture, targets: Sequence[Child]) -> list[Call]:
    return [partial(_change, fixture, child) for child in targets]


async def _change(fixture: Fixture, child: Child) -> None:
    path = child.resource.path(child.namespace, child.name)
    if child.resource == DEPLOYMENTS:
        await fixture.client.send("PATCH", path, SCALED, content_type=MERGE_PATCH)
    else:
        await fixture.client.send("DELETE", path)


async def _repairs(fixture: Fixture, targets: Sequence[Child], *, since: Snapshot) -> list[tuple[float, float]]:
    """Return the times of change and repair of each target; a target without a repair is left out."""
    found: list[tuple[float, float]] = []

    def all_repaired() -> bool:
        records = fixture.log.records[since.record_count :]
        client_writes = Timeline(one for one in records if one.user == username(ACCOUNT))
        found[:] = _pairs(targets, client_writes, Timeline(fixture.meter.requests_of_system(records)))
        return len(found) == len(targets)

    if not await fixture.wait_until(all_repaired, timeout_seconds=30 + len(targets) / 5):
        missing = len(targets) - len(found)
        shell.progress(f"    {fixture.system.name}: {missing} of {len(targets)} changes were not repaired")
    if not found:
        raise shell.Failure(f"{fixture.system.name} repairs no drift")
    return found


def _pairs(targets: Sequence[Child], client_writes: Timeline, system_writes: Timeline) -> list[tuple[float, float]]:
    pairs = []
    for child in targets:
        changed = client_writes.first(child.resource.plural, child.namespace, child.name)
        repaired = system_writes.child_written(child, since=changed.received) if changed else None
        if changed and repaired:
            pairs.append((changed.received, repaired))
    return pairs

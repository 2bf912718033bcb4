"""Somebody changes or deletes children: one by one, then of every tenth stack at once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Final

from bench.contender import DEPLOYMENTS, SERVICES, Child
from bench.measure import Moment
from bench.plane import username
from bench.stage import Stage
from bench.stats import Latencies
from bench.suites.figures import Figures
from bench.timeline import Key, Timeline
from bench.user import ACCOUNT, MERGE, Call
from tools.cluster import shell

ONE_BY_ONE: Final = 200  # at most
PER_SECOND: Final = 20
SCALED: Final = {"spec": {"replicas": 1}}


async def run(stage: Stage) -> Figures:
    """Measure from the foreign write to the write that puts it right."""
    keys = list(stage.stacks)
    single, storm = keys[::10][:ONE_BY_ONE], keys[5::10]
    before = stage.meter.now()
    alone = _targets(stage, single)
    await stage.user.paced(_changes(stage, alone), per_second=PER_SECOND)
    calm = await _repairs(stage, alone, since=before)
    begun = stage.meter.now()
    together = _targets(stage, storm)
    await stage.user.all(_changes(stage, together))
    wild = await _repairs(stage, together, since=begun)
    return Figures(
        seconds={"storm": max(end for _, end in wild) - min(begin for begin, _ in wild)},
        latencies={
            "one by one": Latencies.of(end - begin for begin, end in calm),
            "storm": Latencies.of(end - begin for begin, end in wild),
        },
        numbers={"repaired": float(len(calm) + len(wild)), "changed": float(len(alone) + len(together))},
        cost=stage.meter.since(before),
    )


def _targets(stage: Stage, keys: Sequence[Key]) -> list[Child]:
    """Return one child of each stack: a Deployment, which is scaled, then a Service, which is deleted, and so on."""
    kinds = itertools.cycle((DEPLOYMENTS, SERVICES))
    return [
        next(child for child in stage.contender.children(stage.stacks[key]) if child.resource == kind)
        for key, kind in zip(keys, kinds, strict=False)
    ]


def _changes(stage: Stage, targets: Sequence[Child]) -> list[Call]:
    return [partial(_change, stage, child) for child in targets]


async def _change(stage: Stage, child: Child) -> None:
    path = child.resource.path(child.namespace, child.name)
    if child.resource == DEPLOYMENTS:
        await stage.user.send("PATCH", path, SCALED, kind=MERGE)
    else:
        await stage.user.send("DELETE", path)


async def _repairs(stage: Stage, targets: Sequence[Child], *, since: Moment) -> list[tuple[float, float]]:
    """Return when each was changed and when it was put right; those that never were are missing."""
    found: list[tuple[float, float]] = []

    def all_repaired() -> bool:
        records = stage.log.records[since.record :]
        users = Timeline(one for one in records if one.user == username(ACCOUNT))
        found[:] = _pairs(targets, users, Timeline(stage.meter.mine(records)))
        return len(found) == len(targets)

    if not await stage.until(all_repaired, within=30 + len(targets) / 5):
        shell.say(f"    {stage.contender.name}: {len(targets) - len(found)} of {len(targets)} were never put right")
    if not found:
        raise shell.Failure(f"{stage.contender.name} repairs nothing")
    return found


def _pairs(targets: Sequence[Child], users: Timeline, mine: Timeline) -> list[tuple[float, float]]:
    pairs = []
    for child in targets:
        changed = users.first(child.resource.plural, child.namespace, child.name)
        repaired = mine.child(child, since=changed.received) if changed else None
        if changed and repaired:
            pairs.append((changed.received, repaired))
    return pairs

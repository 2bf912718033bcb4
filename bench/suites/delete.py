"""Everything is deleted: by Kubernetes' garbage collector where children have an owner, else by the contender."""

from __future__ import annotations

from functools import partial
from typing import Final

from bench.plane import username
from bench.stage import Stage
from bench.suites.figures import Figures
from bench.timeline import Key, Timeline
from bench.user import ACCOUNT
from tools.cluster import shell

CONTROLLERS: Final = ("garbage-collector-controller", "namespace-controller")


async def run(stage: Stage) -> Figures:
    """Measure from the first delete of a stack to the last delete of a child."""
    collector = stage.plane.start_controller_manager(CONTROLLERS)
    await stage.until_quiet(within=stage.patience, processes=[collector])
    before = stage.meter.now()
    await stage.user.all(partial(_delete, stage, key) for key in stage.stacks)
    children = {child for manifest in stage.stacks.values() for child in stage.contender.children(manifest)}
    plurals = {child.resource.plural for child in children}
    deleted: set[tuple[str, str, str]] = set()
    looked_at = before.record

    def all_gone() -> bool:
        nonlocal looked_at
        fresh = stage.log.records[looked_at:]
        looked_at += len(fresh)
        gone = (one for one in fresh if one.verb == "delete" and one.succeeded and one.resource in plurals)
        deleted.update((one.resource, one.namespace, one.name) for one in gone)
        return len(deleted) >= len(children)

    if not await stage.until(all_gone, within=stage.patience):
        missing = len(children) - len(deleted)
        raise shell.Failure(f"{stage.contender.name}: {missing} children are still there after {stage.patience:.0f} s")
    cost = stage.meter.since(before)
    records = [one for one in stage.log.records[before.record :] if one.verb == "delete"]
    first = min(one.received for one in records if one.user == username(ACCOUNT))
    done = Timeline(records)
    last = max(at for child in children if (at := done.child(child)) is not None)
    return Figures(seconds={"last child gone": last - first}, cost=cost)


async def _delete(stage: Stage, key: Key) -> None:
    await stage.user.send("DELETE", stage.contender.stacks.path(*key) + "?propagationPolicy=Background")

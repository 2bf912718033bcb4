"""Deletion of every stack; children with an owner reference are deleted by Kubernetes' garbage collector."""

from __future__ import annotations

from functools import partial
from typing import Final

from bench.client import ACCOUNT
from bench.control_plane import username
from bench.fixture import Fixture
from bench.suites.figures import DELETED, Figures
from bench.timeline import Key, Timeline
from tools.cluster import shell

CONTROLLERS: Final = ("garbage-collector-controller", "namespace-controller")


async def run(fixture: Fixture) -> Figures:
    """Measure from the first delete of a stack to the last delete of a child."""
    collector = fixture.control_plane.start_controller_manager(CONTROLLERS)
    await fixture.wait_until_idle(timeout_seconds=fixture.timeout_seconds, processes=[collector])
    before = fixture.meter.snapshot()
    await fixture.client.run_all(partial(_delete, fixture, key) for key in fixture.stacks)
    children = {child for manifest in fixture.stacks.values() for child in fixture.system.children(manifest)}
    plurals = {child.resource.plural for child in children}
    deleted: set[tuple[str, str, str]] = set()
    read = before.record_count

    def all_deleted() -> bool:
        nonlocal read
        new = fixture.log.records[read:]
        read += len(new)
        deletes = (one for one in new if one.verb == "delete" and one.succeeded and one.resource in plurals)
        deleted.update((one.resource, one.namespace, one.name) for one in deletes)
        return len(deleted) >= len(children)

    if not await fixture.wait_until(all_deleted, timeout_seconds=fixture.timeout_seconds):
        remaining = len(children) - len(deleted)
        raise shell.Failure(
            f"{fixture.system.name}: {remaining} children are not deleted after {fixture.timeout_seconds:.0f} s"
        )
    cost = fixture.meter.cost_since(before)
    records = [one for one in fixture.log.records[before.record_count :] if one.verb == "delete"]
    first = min(one.received for one in records if one.user == username(ACCOUNT))
    deletions = Timeline(records)
    last = max(at for child in children if (at := deletions.child_written(child)) is not None)
    return Figures(seconds={DELETED: last - first}, cost=cost)


async def _delete(fixture: Fixture, key: Key) -> None:
    await fixture.client.send("DELETE", fixture.system.stacks.path(*key) + "?propagationPolicy=Background")

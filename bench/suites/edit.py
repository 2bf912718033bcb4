"""An edit of every stack, as fast as the client can write."""

from __future__ import annotations

from functools import partial

from bench.fixture import Fixture
from bench.stats import Latencies
from bench.suites.figures import CLIENT_WRITES, Figures
from bench.system import DEPLOYMENTS
from tools.cluster import shell


async def run(fixture: Fixture) -> Figures:
    """Measure from the first edit to the last child and to the last current status."""
    before = fixture.meter.snapshot()
    await fixture.client.run_all(partial(fixture.edit, key, 1) for key in fixture.stacks)
    await fixture.wait_for_status(list(fixture.stacks), f"{fixture.system.name}: edit of {fixture.n}")
    cost = fixture.meter.cost_since(before)
    client_writes, system_writes = fixture.client_writes(), fixture.system_writes()
    requested, written, current = [], [], []
    for key, manifest in fixture.stacks.items():
        at = fixture.requested_at(client_writes, key, since=before.at)
        deployment = next(child for child in fixture.system.children(manifest) if child.resource == DEPLOYMENTS)
        applied = system_writes.child_written(deployment, since=at)
        status = fixture.status_current_at(system_writes, key)
        if applied is None or status is None:
            raise shell.Failure(f"{fixture.system.name}: the edit of {key} was not applied to its Deployment")
        requested.append(at)
        written.append(applied)
        current.append(status)
    return Figures(
        seconds={
            CLIENT_WRITES: max(requested) - min(requested),
            "last child": max(written) - min(requested),
            "last status": max(current) - min(requested),
        },
        latencies={
            "child": Latencies.of(end - begin for begin, end in zip(requested, written, strict=True)),
            "status": Latencies.of(end - begin for begin, end in zip(requested, current, strict=True)),
        },
        cost=cost,
    )

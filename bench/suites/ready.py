"""Cold start with pods: N stacks with one pod each, until every Deployment is available and every stack is Ready."""

from __future__ import annotations

from bench import nodes
from bench.fixture import Fixture
from bench.stats import Latencies
from bench.suites.backlog import work_began
from bench.suites.figures import READY_DELAY, Figures
from bench.system import DEPLOYMENTS, Manifest
from bench.systems import appstack
from bench.timeline import Key


async def run(fixture: Fixture) -> Figures:
    """Measure from the beginning of work; the bare loop shows the time that Kubernetes itself needs."""
    nodes.start(fixture.control_plane)
    available = await fixture.watch(DEPLOYMENTS, _is_available)
    ready = await fixture.watch(fixture.system.stacks, appstack.is_ready)
    await fixture.create_all()
    before = fixture.meter.snapshot()
    started = await fixture.start()
    description = f"{fixture.system.name}: {fixture.n} with a pod each"
    timeout, check = fixture.timeout_seconds, fixture.check
    deployments = {key: 1 for manifest in fixture.stacks.values() for key in _deployments(fixture, manifest)}
    await available.wait_for(deployments, description=f"{description}, available", timeout_seconds=timeout, check=check)
    begun = work_began(fixture, fixture.system_writes(), started)
    seconds = {"last available": max(available.met_at(key, 1) or 0.0 for key in deployments) - begun}
    delays = []
    if isinstance(fixture.system, appstack.AppStack):
        generations = fixture.generations
        await ready.wait_for(generations, description=f"{description}, Ready", timeout_seconds=timeout, check=check)
        for key, manifest in fixture.stacks.items():
            (deployment,) = _deployments(fixture, manifest)
            ready_at, available_at = ready.met_at(key, generations[key]), available.met_at(deployment, 1)
            if ready_at is not None and available_at is not None:
                delays.append(max(ready_at - available_at, 0.0))
                seconds["last Ready"] = max(seconds.get("last Ready", 0.0), ready_at - begun)
    latencies = {READY_DELAY: Latencies.of(delays)} if delays else {}
    return Figures(seconds=seconds, latencies=latencies, cost=fixture.meter.cost_since(before))


def _deployments(fixture: Fixture, manifest: Manifest) -> list[Key]:
    children = fixture.system.children(manifest)
    return [Key(child.namespace, child.name) for child in children if child.resource == DEPLOYMENTS]


def _is_available(deployment: Manifest) -> bool:
    return bool((deployment.get("status") or {}).get("availableReplicas"))

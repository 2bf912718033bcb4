"""Cold backlog of stacks that want a pod each: until every Deployment is available and every stack says Ready."""

from __future__ import annotations

from bench import nodes
from bench.contender import DEPLOYMENTS, Manifest
from bench.contenders import appstack
from bench.stage import Stage
from bench.stats import Latencies
from bench.suites.backlog import begun
from bench.suites.figures import Figures
from bench.timeline import Key


async def run(stage: Stage) -> Figures:
    """Measure from the moment at which the contender works; the loop tells how long Kubernetes itself takes."""
    nodes.start(stage.plane)
    available = await stage.watch(DEPLOYMENTS, _is_available)
    told = await stage.watch(stage.contender.stacks, appstack.is_ready)
    await stage.create_all()
    before = stage.meter.now()
    started = await stage.start()
    what = f"{stage.contender.name}: {stage.n} with a pod each"
    deployments = {key: 1 for manifest in stage.stacks.values() for key in _deployments(stage, manifest)}
    await available.until_true(deployments, what=f"{what}, available", within=stage.patience, check=stage.check)
    begin = begun(stage, stage.mine(), started)
    seconds = {"last available": max(available.true_at(key, 1) or 0.0 for key in deployments) - begin}
    lags = []
    if stage.contender.name == appstack.AppStack.name:
        await told.until_true(stage.generations, what=f"{what}, Ready", within=stage.patience, check=stage.check)
        for key, manifest in stage.stacks.items():
            (deployment,) = _deployments(stage, manifest)
            said, was = told.true_at(key, stage.generations[key]), available.true_at(deployment, 1)
            if said is not None and was is not None:
                lags.append(max(said - was, 0.0))
                seconds["last Ready"] = max(seconds.get("last Ready", 0.0), said - begin)
    latencies = {"told after": Latencies.of(lags)} if lags else {}
    return Figures(seconds=seconds, latencies=latencies, cost=stage.meter.since(before))


def _deployments(stage: Stage, manifest: Manifest) -> list[Key]:
    children = stage.contender.children(manifest)
    return [Key(child.namespace, child.name) for child in children if child.resource == DEPLOYMENTS]


def _is_available(deployment: Manifest) -> bool:
    return bool((deployment.get("status") or {}).get("availableReplicas"))

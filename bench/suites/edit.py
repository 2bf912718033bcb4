"""An edit of every stack, as fast as the user can write."""

from __future__ import annotations

from functools import partial

from bench.contender import DEPLOYMENTS
from bench.stage import Stage
from bench.stats import Latencies
from bench.suites.figures import Figures
from tools.cluster import shell


async def run(stage: Stage) -> Figures:
    """Measure from the first edit to the last child and to the last true status."""
    before = stage.meter.now()
    await stage.user.all(partial(stage.edit, key, 1) for key in stage.stacks)
    await stage.until_true(list(stage.stacks), f"{stage.contender.name}: edit of {stage.n}")
    cost = stage.meter.since(before)
    users, mine = stage.users(), stage.mine()
    asked, written, true = [], [], []
    for key, manifest in stage.stacks.items():
        at = stage.asked(users, key, since=before.at)
        deployment = next(child for child in stage.contender.children(manifest) if child.resource == DEPLOYMENTS)
        changed, told = mine.child(deployment, since=at), stage.became_true(mine, key)
        if changed is None or told is None:
            raise shell.Failure(f"{stage.contender.name}: the edit of {key} never came to its Deployment")
        asked.append(at)
        written.append(changed)
        true.append(told)
    return Figures(
        seconds={
            "user's writes": max(asked) - min(asked),
            "last child": max(written) - min(asked),
            "last status": max(true) - min(asked),
        },
        latencies={
            "child": Latencies.of(b - a for a, b in zip(asked, written, strict=True)),
            "status": Latencies.of(b - a for a, b in zip(asked, true, strict=True)),
        },
        cost=cost,
    )

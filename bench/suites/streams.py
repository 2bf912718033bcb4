"""Stacks come at a steady rate; and what a noisy neighbour does to them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from bench.measure import Cost
from bench.stage import Stage
from bench.stats import Latencies
from bench.suites.figures import Figures
from bench.timeline import Key
from tools.cluster import shell

RATES: Final = (5, 20, 50)
SECONDS: Final = 30
CALM: Final = 5
NOISE: Final = 20
_SPACES: Final = 5


async def run(stage: Stage, *, rates: Iterable[int] = RATES) -> Figures:
    """Measure from the user's write of a stack to its last child and to its true status, at each rate."""
    latencies: dict[str, Latencies] = {}
    await _first(stage, "first")
    before = stage.meter.now()
    for rate in rates:
        keys = _keys(stage, f"rate-{rate}", rate * SECONDS)
        await stage.user.paced((partial(stage.create, key) for key in keys), per_second=rate)
        await stage.until_true(keys, f"{stage.contender.name}: stream of {rate}/s")
        latencies |= _latencies(stage, keys, f"at {rate}/s")
    return Figures(latencies=latencies, cost=stage.meter.since(before))


async def noisy(stage: Stage) -> Figures:
    """Measure a calm stream alone, and again while one stack elsewhere is rewritten all the time."""
    calm, disturbed = (_keys(stage, name, CALM * SECONDS) for name in ("calm", "disturbed"))
    noisy = await _first(stage, "noisy")
    await _stream(stage, calm)
    before = stage.meter.now()
    # In turn: writes of one object that overlap make the API server try each again and again, whoever reconciles it.
    edits = (partial(stage.edit, noisy, n) for n in itertools.count(1))
    noise = stage.user.in_turn(edits, per_second=NOISE, seconds=SECONDS)
    _, made = await asyncio.gather(_stream(stage, disturbed), noise)
    cost: Cost = stage.meter.since(before)
    alone, beside = (_latencies(stage, keys, name) for keys, name in ((calm, "alone"), (disturbed, "beside noise")))
    return Figures(
        latencies=alone | beside,
        numbers={"edits": float(made), "p99 ratio": beside["status beside noise"].p99 / alone["status alone"].p99},
        cost=cost,
    )


def _keys(stage: Stage, name: str, count: int) -> list[Key]:
    spaces = min(_SPACES, count)
    for number in range(spaces):
        stage.namespace(f"{name}-{number}")
    return [Key(f"{name}-{number % spaces}", f"shop-{number:04}") for number in range(count)]


async def _first(stage: Stage, name: str) -> Key:
    """Create a stack beforehand: the first of a new kind has the API server get its storage ready."""
    (key,) = _keys(stage, name, 1)
    await stage.create(key)
    await stage.until_true([key], f"{stage.contender.name}: the first stack")
    return key


async def _stream(stage: Stage, keys: Sequence[Key]) -> None:
    await stage.user.paced((partial(stage.create, key) for key in keys), per_second=CALM)
    await stage.until_true(keys, f"{stage.contender.name}: stream of {CALM}/s")


def _latencies(stage: Stage, keys: Sequence[Key], name: str) -> dict[str, Latencies]:
    users, mine = stage.users(), stage.mine()
    child, status = [], []
    for key in keys:
        at = stage.asked(users, key)
        written, told = mine.complete(stage.contender.children(stage.stacks[key])), stage.became_true(mine, key)
        if written is None or told is None:
            raise shell.Failure(f"{stage.contender.name}: {key} lacks a child, whatever its status says")
        child.append(written - at)
        status.append(told - at)
    return {f"child {name}": Latencies.of(child), f"status {name}": Latencies.of(status)}

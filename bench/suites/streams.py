"""Streams: stacks created at a steady rate, by themselves and next to a noisy neighbour."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from bench.cost import Cost
from bench.fixture import Fixture
from bench.stats import Latencies
from bench.suites.figures import CALM, Figures
from bench.timeline import Key
from tools.cluster import shell

RATES: Final = (5, 20, 50)
"""Stacks a second."""
SECONDS: Final = 30
CALM_RATE: Final = 5
"""Stacks a second of the stream next to the noisy neighbour."""
NOISE_RATE: Final = 20
"""Edits a second of the noisy neighbour."""
_NAMESPACES: Final = 5


async def run(fixture: Fixture, *, rates: Iterable[int] = RATES) -> Figures:
    """Measure from the client's write of a stack to its last child and to its current status, at each rate."""
    latencies: dict[str, Latencies] = {}
    await _create_first(fixture, "first")
    before = fixture.meter.snapshot()
    for rate in rates:
        keys = _keys(fixture, f"rate-{rate}", rate * SECONDS)
        await fixture.client.run_at_rate((partial(fixture.create, key) for key in keys), per_second=rate)
        await fixture.wait_for_status(keys, f"{fixture.system.name}: stream of {rate}/s")
        latencies |= _latencies(fixture, keys, f"at {rate}/s")
    return Figures(latencies=latencies, cost=fixture.meter.cost_since(before))


async def noisy(fixture: Fixture) -> Figures:
    """Measure a calm stream by itself, then while one stack in another namespace is edited continuously."""
    calm, disturbed = (_keys(fixture, name, CALM_RATE * SECONDS) for name in ("calm", "disturbed"))
    noisy = await _create_first(fixture, "noisy")
    await _stream(fixture, calm)
    before = fixture.meter.snapshot()
    # Sequentially: overlapping writes of one object make the API server retry each of them, whatever the controller.
    edits = (partial(fixture.edit, noisy, n) for n in itertools.count(1))
    noise = fixture.client.run_sequentially(edits, per_second=NOISE_RATE, seconds=SECONDS)
    _, count = await asyncio.gather(_stream(fixture, disturbed), noise)
    cost: Cost = fixture.meter.cost_since(before)
    without, beside = (_latencies(fixture, keys, name) for keys, name in ((calm, CALM), (disturbed, "beside noise")))
    ratio = beside["status beside noise"].p99 / without[f"status {CALM}"].p99
    return Figures(latencies=without | beside, numbers={"edits": float(count), "p99 ratio": ratio}, cost=cost)


def _keys(fixture: Fixture, name: str, count: int) -> list[Key]:
    namespaces = min(_NAMESPACES, count)
    for number in range(namespaces):
        fixture.create_namespace(f"{name}-{number}")
    return [Key(f"{name}-{number % namespaces}", f"shop-{number:04}") for number in range(count)]


async def _create_first(fixture: Fixture, name: str) -> Key:
    """Create a stack before the measurement: the API server sets up storage at the first object of a resource."""
    (key,) = _keys(fixture, name, 1)
    await fixture.create(key)
    await fixture.wait_for_status([key], f"{fixture.system.name}: the first stack")
    return key


async def _stream(fixture: Fixture, keys: Sequence[Key]) -> None:
    await fixture.client.run_at_rate((partial(fixture.create, key) for key in keys), per_second=CALM_RATE)
    await fixture.wait_for_status(keys, f"{fixture.system.name}: stream of {CALM_RATE}/s")


def _latencies(fixture: Fixture, keys: Sequence[Key], name: str) -> dict[str, Latencies]:
    client_writes, system_writes = fixture.client_writes(), fixture.system_writes()
    child, status = [], []
    for key in keys:
        requested = fixture.requested_at(client_writes, key)
        written = system_writes.all_written(fixture.system.children(fixture.stacks[key]))
        current = fixture.status_current_at(system_writes, key)
        if written is None or current is None:
            raise shell.Failure(f"{fixture.system.name}: {key} has a current status and lacks a child")
        child.append(written - requested)
        status.append(current - requested)
    return {f"child {name}": Latencies.of(child), f"status {name}": Latencies.of(status)}

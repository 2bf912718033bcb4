"""`python -m bench.tenants`: one tenant with the largest and the most expensive AppStacks, beside another namespace.

Measures the memory of the operator, also after a restart, and how long AppStacks of the other namespace wait.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

from pydantic_core import to_json

from appstack.api.files import MAX_CONTENT_BYTES
from bench.checkout import THIS, Checkout
from bench.fixture import Fixture
from bench.stats import Latencies
from bench.system import Manifest
from bench.systems.appstack import BEFORE, AppStack
from bench.timeline import Key
from bench.worst_cases import WORST_CASES, largest
from tools.cluster import shell

TENANT, OTHER = "tenant", "other"
"""Namespaces: the one with large and expensive AppStacks, and the one beside it."""
_INTERVAL_SECONDS: Final = 0.5
"""Time between two AppStacks of the other namespace."""
_SETTLE_SECONDS: Final = 3.0
_TIMEOUT_SECONDS: Final = 900.0
_KEEP_ALIVE_SECONDS: Final = 20.0
"""Time after which idle connections are closed, with their buffers."""
_IDLE_CPU: Final = 0.2  # cores


class Tenant(AppStack):
    """The operator of a checkout. The names of AppStacks select their specs: `large-…`, `heavy-…`, or any other."""

    def manifest(self, namespace: str, name: str) -> Manifest:
        """Return an AppStack."""
        manifest = super().manifest(namespace, name)
        kind, _, number = name.partition("-")
        match kind:
            case "large":
                manifest["spec"] = largest_spec()
            case "heavy":
                cases = list(WORST_CASES)
                manifest["spec"] = heavy_spec(cases[int(number) % len(cases)])
        return manifest

    def status_is_current(self, stack: Manifest) -> bool:
        """Return whether the status is of the current generation, also of a refused spec."""
        return bool((stack.get("status") or {}).get("observedGeneration") == stack["metadata"]["generation"])


@cache
def heavy_spec(case: str) -> Manifest:
    """Return the largest admitted spec of a worst case."""
    generator = WORST_CASES[case]
    return generator(largest(generator))


@cache
def largest_spec() -> Manifest:
    """Return a valid spec of the largest admitted size: line ends are two bytes each as JSON."""
    nginx = "# " + "x" * 65_000 + "\n"
    return {
        "replicas": 0,
        "backend": {"image": "shop:1", "args": ["x" * 60_000], "ports": [{"containerPort": 8000}]},
        "files": [{"path": "/srv/data", "content": "\n" * (MAX_CONTENT_BYTES - 200)}],
        "proxy": {"httpSnippet": nginx, "serverSnippet": nginx},
    }


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one phase."""

    name: str
    seconds: float
    rss_mib: float
    peak_mib: float
    latencies: Latencies | None = None


class TenantBench:
    """The measurement of one checkout."""

    def __init__(self, fixture: Fixture, *, large: int, heavy: int) -> None:
        self._fixture = fixture
        self._keys = [
            *(Key(TENANT, f"large-{number}") for number in range(large)),
            *(Key(TENANT, f"heavy-{number}") for number in range(heavy)),
        ]
        self._others = 0

    @property
    def stored_mib(self) -> float:
        """Size of the tenant's AppStacks as JSON."""
        return sum(len(to_json(self._fixture.system.manifest(*key))) for key in self._keys) / (1 << 20)

    async def run(self) -> list[Row]:
        """Return the figures: without AppStacks, with all of them, and after a restart."""
        fixture = self._fixture
        fixture.create_namespace(TENANT)
        fixture.create_namespace(OTHER)
        begun = time.monotonic()
        await fixture.start()
        await self._create_other(1)
        rows = [await self._row("empty", begun)]
        begun = time.monotonic()
        created = asyncio.create_task(self._create_all())
        latencies = await self._watch_others(created)
        rows.append(await self._row("all AppStacks", begun, latencies))
        fixture.system.kill()
        begun = time.monotonic()
        await fixture.start()
        idle = asyncio.create_task(self._settle())
        latencies = await self._watch_others(idle)
        rows.append(await self._row("after a restart", begun, latencies))
        return rows

    async def _create_all(self) -> None:
        await self._fixture.client.run_all(partial(self._fixture.create, key) for key in self._keys)
        await self._wait_for_status(self._keys)

    async def _watch_others(self, work: asyncio.Task[None]) -> Latencies:
        """Create an AppStack in the other namespace twice a second while `work` lasts; return their latencies."""
        keys: list[Key] = []
        while not work.done() or not keys:
            keys += await self._create_other(len(keys) + 1)
            await asyncio.sleep(_INTERVAL_SECONDS)
        await work
        await self._wait_for_status(keys)
        requested, written = self._fixture.client_writes(), self._fixture.system_writes()
        seconds = []
        for key in keys:
            current = self._fixture.status_current_at(written, key)
            assert current is not None
            seconds.append(current - self._fixture.requested_at(requested, key))
        return Latencies.of(seconds)

    async def _create_other(self, count: int) -> list[Key]:
        self._others += 1
        key = Key(OTHER, f"shop-{self._others}")
        await self._fixture.create(key)
        if count == 1:
            await self._wait_for_status([key])
        return [key]

    async def _wait_for_status(self, keys: Sequence[Key]) -> None:
        """Wait until these AppStacks have a status. The API server needs most of the time."""
        fixture = self._fixture
        generations = {key: fixture.generations[key] for key in keys}
        description = f"{fixture.system.name}: {len(keys)} AppStacks"
        await fixture.observer.wait_for(
            generations, description=description, timeout_seconds=_TIMEOUT_SECONDS, check=fixture.check
        )

    async def _settle(self) -> None:
        """Wait until the operator uses next to no CPU. AppStacks that the API server rejects are still retried."""
        (process,) = self._fixture.meter.processes
        deadline, used = time.monotonic() + _TIMEOUT_SECONDS, process.usage().cpu_seconds
        while time.monotonic() < deadline:
            await asyncio.sleep(_SETTLE_SECONDS)
            before, used = used, process.usage().cpu_seconds
            if used - before < _SETTLE_SECONDS * _IDLE_CPU:
                return
        raise shell.Failure(f"{self._fixture.system.name} is not idle after {_TIMEOUT_SECONDS:.0f} s")

    async def _row(self, name: str, begun: float, latencies: Latencies | None = None) -> Row:
        seconds = time.monotonic() - begun
        await self._settle()
        await asyncio.sleep(_KEEP_ALIVE_SECONDS)
        usage = self._fixture.meter.processes[0].usage()
        return Row(name, seconds, usage.rss_mib, usage.peak_rss_mib, latencies)


async def measure(checkout: Checkout, name: str, *, large: int, heavy: int) -> None:
    """Measure a checkout and print its table."""
    with tempfile.TemporaryDirectory(prefix="bench-tenants-") as folder:
        async with Fixture(Path(folder) / "work", Tenant(checkout, name=name), n=large + heavy) as fixture:
            bench = TenantBench(fixture, large=large, heavy=heavy)
            stored = bench.stored_mib
            print(f"\n{name} ({checkout.commit}): {large} large and {heavy} heavy AppStacks, {stored:.0f} MiB as JSON")
            print_rows(await bench.run(), stored_mib=stored)


def print_rows(rows: Sequence[Row], *, stored_mib: float) -> None:
    """Print the figures of one checkout."""
    print(f"{'':18}{'seconds':>9}{'RSS':>9}{'peak':>9}{'RSS growth':>12}   other namespace: p50, p99, worst (ms)")
    for row in rows:
        growth = (row.rss_mib - rows[0].rss_mib) / stored_mib
        one = row.latencies
        waits = f"   {one.p50:.0f}, {one.p99:.0f}, {one.worst:.0f} ({one.count} AppStacks)" if one is not None else ""
        print(f"{row.name:18}{row.seconds:9.1f}{row.rss_mib:9.0f}{row.peak_mib:9.0f}{growth:11.2f}x{waits}", flush=True)


def main() -> int:
    """Measure this checkout, and before it another one if one is given."""
    parser = argparse.ArgumentParser(prog="python -m bench.tenants", description=__doc__)
    parser.add_argument("--large", type=int, default=200, help="number of the largest AppStacks (default 200)")
    parser.add_argument("--heavy", type=int, default=32, help="number of the most expensive ones (default 32)")
    parser.add_argument("--before", type=Path, metavar="PATH", help="another checkout to measure in the same run")
    given = parser.parse_args()
    checkouts = {BEFORE: Checkout(given.before.absolute())} if given.before else {}
    try:
        for name, checkout in {**checkouts, "appstack": THIS}.items():
            asyncio.run(measure(checkout, name, large=given.large, heavy=given.heavy))
    except shell.Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

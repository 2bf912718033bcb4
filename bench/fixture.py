"""The fixture of a session: control plane, client, system under test, stacks, and their times from the audit log."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Self

from bench.audit import Log
from bench.client import ACCOUNT, Client
from bench.control_plane import ControlPlane, username
from bench.cost import Meter
from bench.observer import Observer
from bench.processes import Process
from bench.system import Manifest, Resource, System
from bench.timeline import Key, Timeline
from tools.cluster import shell

STACKS_PER_NAMESPACE: Final = 100
_READY_TIMEOUT_SECONDS: Final = 120.0
_IDLE_CPU: Final = 0.1  # cores; a system that uses less is idle
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class StartTimes:
    """When a system was started and when it reported ready, in seconds since 1970."""

    started: float
    ready: float


class Fixture:
    """A system under test on a fresh control plane, while its context is open."""

    def __init__(self, folder: Path, system: System, *, n: int) -> None:
        self.control_plane = ControlPlane(folder)
        self.system = system
        self.n = n
        self.log = Log(self.control_plane.audit_log)
        self.meter = Meter(self.control_plane, system, self.log, own_events=lambda: self.observer.events)
        self.client: Client
        self.observer: Observer
        self.stacks: dict[Key, Manifest] = {}
        """The last manifest that the client has written, by stack."""
        self.generations: dict[Key, int] = {}
        """The generation of that manifest, by stack."""
        self._cleanup = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._cleanup.callback(self.control_plane.stop)
        try:
            self.control_plane.start()
            self.system.prepare(self.control_plane)
            self.client = await self._cleanup.enter_async_context(Client(self.control_plane))
            self.observer = await self.watch(self.system.stacks, self.system.status_is_current)
        except BaseException:
            await self._cleanup.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._cleanup.aclose()

    @property
    def timeout_seconds(self) -> float:
        """Seconds that any system may take for the existing stacks: five stacks a second, and one minute."""
        return 60 + len(self.stacks) / 5

    # --- the system under test ---

    async def start(self) -> StartTimes:
        """Start the system and wait until it is ready."""
        started = time.time()
        self.meter.processes = self.system.start(self.control_plane)
        while not await asyncio.to_thread(self.system.ready):
            self.check()
            if time.time() - started > _READY_TIMEOUT_SECONDS:
                raise shell.Failure(f"{self.system.name} is not ready after {_READY_TIMEOUT_SECONDS:.0f} s")
            await asyncio.sleep(_POLL_SECONDS / 2)
        return StartTimes(started, time.time())

    def check(self) -> None:
        """Raise Failure if a process of the system has ended unexpectedly."""
        for process in self.meter.processes:
            if not process.alive:
                raise process.failure()

    async def wait_until_idle(self, *, timeout_seconds: float, processes: Sequence[Process] = ()) -> float:
        """Wait for a second with next to no CPU use, of the system or of other processes; return when it began.

        The system must also have sent no request in that second: a system that waits for responses is not idle.
        """
        deadline, window = time.time() + timeout_seconds, 10
        watched = processes or self.meter.processes
        read = requests = 0
        samples: list[tuple[float, float, int]] = []
        while time.time() < deadline:
            records = self.log.read()
            requests += len(self.meter.requests_of_system(records[read:]))
            read = len(records)
            samples.append((time.time(), _cpu_seconds(watched), requests))
            if len(samples) > window:
                (begun, cpu_before, requests_before), (now, cpu, _) = samples[-window - 1], samples[-1]
                if requests == requests_before and (cpu - cpu_before) / (now - begun) < _IDLE_CPU:
                    return begun
            await asyncio.sleep(_POLL_SECONDS)
        raise shell.Failure(f"{watched[0].name} is not idle after {timeout_seconds:.0f} s")

    # --- the client ---

    def create_namespace(self, name: str) -> None:
        """Create a namespace."""
        self.control_plane.create("/api/v1/namespaces", {"metadata": {"name": name}})

    def keys(self) -> list[Key]:
        """Return the keys of N stacks; consecutive stacks are in different namespaces."""
        namespaces = max(5, self.n // STACKS_PER_NAMESPACE)
        return [Key(f"bench-{number % namespaces:04}", f"shop-{number // namespaces:04}") for number in range(self.n)]

    async def create(self, key: Key) -> None:
        """Create a stack."""
        manifest = self.system.manifest(*key)
        created = await self.client.create(self.system.stacks, manifest)
        self.stacks[key] = manifest
        self.generations[key] = created["metadata"]["generation"]

    async def edit(self, key: Key, n: int) -> None:
        """Edit a stack for the n-th time."""
        manifest = self.system.edited(self.system.manifest(*key), n)
        changed = await self.client.edit(self.system.stacks, manifest)
        self.stacks[key] = manifest
        self.generations[key] = changed["metadata"]["generation"]

    async def create_all(self) -> None:
        """Create N stacks and their namespaces."""
        for name in sorted({key.namespace for key in self.keys()}):
            self.create_namespace(name)
        await self.client.run_all(partial(self.create, key) for key in self.keys())

    # --- observation ---

    async def watch(self, resource: Resource, condition: Callable[[Manifest], bool]) -> Observer:
        """Return an observer of a resource that watches until the fixture is closed."""
        return await self._cleanup.enter_async_context(Observer(self.client, resource, condition))

    async def wait_for_status(self, keys: Sequence[Key], description: str) -> None:
        """Wait until the status of these stacks is current at the generation that the client has written last."""
        generations = {key: self.generations[key] for key in keys}
        await self.observer.wait_for(
            generations, description=description, timeout_seconds=self.timeout_seconds, check=self.check
        )

    async def wait_until(self, done: Callable[[], bool], *, timeout_seconds: float) -> bool:
        """Read the audit log until `done` returns True; return False after `timeout_seconds`."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            self.check()
            self.log.read()
            if done():
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(2 * _POLL_SECONDS)

    def system_writes(self) -> Timeline:
        """Return the writes of the system under test."""
        return Timeline(self.meter.requests_of_system(self.log.read()))

    def client_writes(self) -> Timeline:
        """Return the writes of the client."""
        return Timeline(record for record in self.log.read() if record.user == username(ACCOUNT))

    def requested_at(self, client_writes: Timeline, key: Key, *, since: float = 0.0) -> float:
        """Return when the API server received the client's write of a stack."""
        write = client_writes.first(self.system.stacks.plural, *key, since=since)
        if write is None:
            raise shell.Failure(f"the audit log does not have the client's write of {key}")
        return write.received

    def status_current_at(self, system_writes: Timeline, key: Key) -> float | None:
        """Return when the status of a stack became current at its last generation, or None."""
        observed = self.observer.met_at(key, self.generations[key])
        plural = self.system.stacks.plural
        return None if observed is None else system_writes.status_written(plural, key, observed=observed)

    def child_sizes(self) -> Mapping[str, int]:
        """Return the size in bytes of each child of one stack, without managedFields."""
        manifest = next(iter(self.stacks.values()))
        sizes = {}
        for child in self.system.children(manifest):
            observed = self.control_plane.request("GET", child.resource.path(child.namespace, child.name))
            observed["metadata"].pop("managedFields", None)
            sizes[child.resource.plural] = len(json.dumps(observed))
        return sizes


def _cpu_seconds(processes: Sequence[Process]) -> float:
    return sum(process.usage().cpu_seconds for process in processes)

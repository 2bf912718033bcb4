"""Where a contender is measured: its control plane, the user, the stacks, and what the audit log says of it."""

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
from bench.contender import Contender, Manifest, Resource
from bench.measure import Meter
from bench.observer import Observer
from bench.plane import Plane, username
from bench.processes import Process
from bench.timeline import Key, Timeline
from bench.user import ACCOUNT, User
from tools.cluster import shell

PER_NAMESPACE: Final = 100
_READY_WITHIN: Final = 120.0
_QUIET: Final = 0.1  # of a core: below this a contender has nothing to do
_POLL: Final = 0.1


@dataclass(frozen=True, slots=True)
class Started:
    """When a contender was started, and when it said that it works."""

    spawned: float
    ready: float


class Stage:
    """A contender on a fresh control plane, for as long as the block lasts."""

    def __init__(self, folder: Path, contender: Contender, *, n: int) -> None:
        self.plane = Plane(folder)
        self.contender = contender
        self.n = n
        self.log = Log(self.plane.audit_log)
        self.meter = Meter(self.plane, contender, self.log, own_events=lambda: self.observer.events)
        self.user: User
        self.observer: Observer
        self.stacks: dict[Key, Manifest] = {}
        """What the user has written last, by stack."""
        self.generations: dict[Key, int] = {}
        self._cleanup = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._cleanup.callback(self.plane.stop)
        try:
            self.plane.start()
            self.contender.prepare(self.plane)
            self.user = await self._cleanup.enter_async_context(User(self.plane))
            self.observer = await self.watch(self.contender.stacks, self.contender.is_true)
        except BaseException:
            await self._cleanup.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._cleanup.aclose()

    @property
    def patience(self) -> float:
        """How long any contender may take for what is there: five stacks a second, and a minute."""
        return 60 + len(self.stacks) / 5

    # --- the contender ---

    async def start(self) -> Started:
        """Start the contender, and wait until it says that it works."""
        spawned = time.time()
        self.meter.processes = self.contender.start(self.plane)
        while not await asyncio.to_thread(self.contender.ready):
            self.check()
            if time.time() - spawned > _READY_WITHIN:
                raise shell.Failure(f"{self.contender.name} is not ready after {_READY_WITHIN:.0f} s")
            await asyncio.sleep(_POLL / 2)
        return Started(spawned, time.time())

    def check(self) -> None:
        """Raise Failure when one of the contender's programs has ended by itself."""
        for process in self.meter.processes:
            if not process.alive:
                raise process.failure()

    async def until_quiet(self, *, within: float, processes: Sequence[Process] = ()) -> float:
        """Wait until the contender, or other programs, used next to no CPU for a second; return when that began.

        The contender must have asked for nothing in that second either: one that waits for answers is not quiet.
        """
        deadline, window = time.time() + within, 10
        watched = processes or self.meter.processes
        looked_at = requests = 0
        samples: list[tuple[float, float, int]] = []
        while time.time() < deadline:
            records = self.log.read()
            requests += len(self.meter.mine(records[looked_at:]))
            looked_at = len(records)
            samples.append((time.time(), _cpu(watched), requests))
            if len(samples) > window:
                (begun, before, asked), (now, used, asked_now) = samples[-window - 1], samples[-1]
                if asked == asked_now and (used - before) / (now - begun) < _QUIET:
                    return begun
            await asyncio.sleep(_POLL)
        raise shell.Failure(f"{watched[0].name} is not quiet after {within:.0f} s")

    # --- the user ---

    def namespace(self, name: str) -> None:
        """Create a namespace."""
        self.plane.create("/api/v1/namespaces", {"metadata": {"name": name}})

    def names(self) -> list[Key]:
        """Return the names of N stacks, spread over namespaces, neighbours in different ones."""
        spaces = max(5, self.n // PER_NAMESPACE)
        return [Key(f"bench-{number % spaces:04}", f"shop-{number // spaces:04}") for number in range(self.n)]

    async def create(self, key: Key) -> None:
        """Create a stack."""
        manifest = self.contender.manifest(*key)
        created = await self.user.create(self.contender.stacks, manifest)
        self.stacks[key] = manifest
        self.generations[key] = created["metadata"]["generation"]

    async def edit(self, key: Key, n: int) -> None:
        """Edit a stack for the n-th time."""
        manifest = self.contender.edited(self.contender.manifest(*key), n)
        changed = await self.user.edit(self.contender.stacks, manifest)
        self.stacks[key] = manifest
        self.generations[key] = changed["metadata"]["generation"]

    async def create_all(self) -> None:
        """Create N stacks and the namespaces for them."""
        for name in sorted({key.namespace for key in self.names()}):
            self.namespace(name)
        await self.user.all(partial(self.create, key) for key in self.names())

    # --- what came of it ---

    async def watch(self, resource: Resource, is_true: Callable[[Manifest], bool]) -> Observer:
        """Return an observer that watches until the stage ends."""
        return await self._cleanup.enter_async_context(Observer(self.user, resource, is_true))

    async def until_true(self, keys: Sequence[Key], what: str) -> None:
        """Wait until these stacks are true at the generation that the user has written last."""
        wanted = {key: self.generations[key] for key in keys}
        await self.observer.until_true(wanted, what=what, within=self.patience, check=self.check)

    async def until(self, done: Callable[[], bool], *, within: float) -> bool:
        """Wait until something is so, asked again after each look into the audit log; tell whether it is."""
        deadline = time.monotonic() + within
        while True:
            self.check()
            self.log.read()
            if done():
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(2 * _POLL)

    def mine(self) -> Timeline:
        """Return what the contender has written."""
        return Timeline(self.meter.mine(self.log.read()))

    def users(self) -> Timeline:
        """Return what the user has written."""
        return Timeline(record for record in self.log.read() if record.user == username(ACCOUNT))

    def asked(self, users: Timeline, key: Key, *, since: float = 0.0) -> float:
        """Return when the user's write of a stack came in."""
        write = users.first(self.contender.stacks.plural, *key, since=since)
        if write is None:
            raise shell.Failure(f"the audit log does not have the user's write of {key}")
        return write.received

    def became_true(self, mine: Timeline, key: Key) -> float | None:
        """Return when the status of a stack became true at its present generation."""
        seen = self.observer.true_at(key, self.generations[key])
        return None if seen is None else mine.truth(self.contender.stacks.plural, key, seen=seen)

    def sizes(self) -> Mapping[str, int]:
        """Return how many bytes the children of one stack have, less what the API server keeps of managers."""
        manifest = next(iter(self.stacks.values()))
        found = {}
        for child in self.contender.children(manifest):
            seen = self.plane.request("GET", child.resource.path(child.namespace, child.name))
            seen["metadata"].pop("managedFields", None)
            found[child.resource.plural] = len(json.dumps(seen))
        return found


def _cpu(processes: Sequence[Process]) -> float:
    return sum(process.usage().cpu_seconds for process in processes)

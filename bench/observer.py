"""A watch that notes when each object first met a condition."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Final

from bench.client import Client
from bench.system import Manifest, Resource
from bench.timeline import Key
from tools.cluster import shell

_PROGRESS_SECONDS: Final = 15.0
"""Interval between two lines of progress."""


class Observer:
    """A watch of one resource, open while its context is."""

    def __init__(self, client: Client, resource: Resource, condition: Callable[[Manifest], bool]) -> None:
        self._client = client
        self._resource = resource
        self._condition = condition
        self._task: asyncio.Task[None]
        self._met: dict[Key, dict[int, float]] = {}
        self._pending: dict[Key, int] = {}
        self._progress = asyncio.Event()
        self.events = 0

    async def __aenter__(self) -> Observer:
        listed = await self._client.send("GET", self._resource.path() + "?limit=1")
        self._task = asyncio.create_task(self._watch(listed["metadata"]["resourceVersion"]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait((self._task,))

    async def _watch(self, version: str) -> None:
        while True:
            async with aclosing(self._client.events(self._resource, version)) as events:
                async for event in events:
                    if event["type"] == "ERROR":
                        raise shell.Failure(f"the bench's own watch ended: {event['object']}")
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] in ("ADDED", "MODIFIED"):
                        self._record(event["object"])

    def _record(self, observed: Manifest) -> None:
        self.events += 1
        if not self._condition(observed):
            return
        metadata = observed["metadata"]
        key, generation = Key(metadata["namespace"], metadata["name"]), int(metadata["generation"])
        self._met.setdefault(key, {}).setdefault(generation, time.time())
        if self._pending.get(key, generation + 1) <= generation:
            del self._pending[key]
            self._progress.set()

    def met_at(self, key: Key, generation: int) -> float | None:
        """Return when the object was first observed to meet the condition at this generation or a later one."""
        return min((at for found, at in self._met.get(key, {}).items() if found >= generation), default=None)

    async def wait_for(
        self, generations: Mapping[Key, int], *, description: str, timeout_seconds: float, check: Callable[[], None]
    ) -> None:
        """Wait until all objects meet the condition at their generations; raise Failure after `timeout_seconds`.

        `check` is called each second and raises Failure when waiting is useless.
        """
        self._pending = {key: number for key, number in generations.items() if self.met_at(key, number) is None}
        deadline, reported = time.monotonic() + timeout_seconds, time.monotonic()
        while self._pending:
            if self._task.done():
                self._task.result()
            check()
            if time.monotonic() > deadline:
                count, example = len(self._pending), next(iter(self._pending))
                raise shell.Failure(
                    f"{description}: {count} of {len(generations)} pending after {timeout_seconds:.0f} s, as {example}"
                )
            if time.monotonic() - reported > _PROGRESS_SECONDS:
                reported = time.monotonic()
                done = len(generations) - len(self._pending)
                shell.progress(f"    {description}: {done} of {len(generations)}")
            self._progress.clear()
            try:
                await asyncio.wait_for(self._progress.wait(), timeout=1)
            except TimeoutError:
                continue

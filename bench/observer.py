"""Watches a kind of object, and notes when each became what it should be; writes are seen in the audit log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing

from bench.contender import Manifest, Resource
from bench.timeline import Key
from bench.user import User
from tools.cluster import shell

_TELL = 15.0  # seconds between two lines of progress


class Observer:
    """One watch, for as long as the block lasts."""

    def __init__(self, user: User, resource: Resource, is_true: Callable[[Manifest], bool]) -> None:
        self._user = user
        self._resource = resource
        self._is_true = is_true
        self._task: asyncio.Task[None]
        self._true: dict[Key, dict[int, float]] = {}
        self._awaited: dict[Key, int] = {}
        self._progress = asyncio.Event()
        self.events = 0

    async def __aenter__(self) -> Observer:
        listed = await self._user.send("GET", self._resource.path() + "?limit=1")
        self._task = asyncio.create_task(self._watch(listed["metadata"]["resourceVersion"]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait((self._task,))

    async def _watch(self, version: str) -> None:
        while True:
            async with aclosing(self._user.events(self._resource, version)) as events:
                async for event in events:
                    if event["type"] == "ERROR":
                        raise shell.Failure(f"the bench's own watch ended: {event['object']}")
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] in ("ADDED", "MODIFIED"):
                        self._see(event["object"])

    def _see(self, seen: Manifest) -> None:
        self.events += 1
        if not self._is_true(seen):
            return
        meta = seen["metadata"]
        key, generation = Key(meta["namespace"], meta["name"]), int(meta["generation"])
        self._true.setdefault(key, {}).setdefault(generation, time.time())
        if self._awaited.get(key, generation + 1) <= generation:
            del self._awaited[key]
            self._progress.set()

    def true_at(self, key: Key, generation: int) -> float | None:
        """Return when this generation, or a later one, was first seen to be true."""
        return min((at for found, at in self._true.get(key, {}).items() if found >= generation), default=None)

    async def until_true(
        self, wanted: Mapping[Key, int], *, what: str, within: float, check: Callable[[], None]
    ) -> None:
        """Wait until every one of these objects is true at its generation; tell how far it is; raise Failure.

        `check` is called each second and raises Failure where waiting is in vain.
        """
        self._awaited = {key: wish for key, wish in wanted.items() if self.true_at(key, wish) is None}
        deadline, told = time.monotonic() + within, time.monotonic()
        while self._awaited:
            if self._task.done():
                self._task.result()
            check()
            if time.monotonic() > deadline:
                one = next(iter(self._awaited))
                raise shell.Failure(
                    f"{what}: {len(self._awaited)} of {len(wanted)} not true after {within:.0f} s, as {one}"
                )
            if time.monotonic() - told > _TELL:
                told = time.monotonic()
                shell.say(f"    {what}: {len(wanted) - len(self._awaited)} of {len(wanted)}")
            self._progress.clear()
            try:
                await asyncio.wait_for(self._progress.wait(), timeout=1)
            except TimeoutError:
                continue

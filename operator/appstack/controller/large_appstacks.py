"""Limits of the work for large and expensive AppStacks, so that the others need not wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from appstack.client.fair_semaphore import FairSemaphore
from appstack.informers.appstack_store import StoredAppStack
from appstack.planning.desired import DesiredState, Steps, finish

LARGE_BYTES: Final = 128 << 10
"""Size from which an AppStack is large: without contents of files and nginx.conf, it has at most half of that."""

MAX_LARGE: Final = 8
"""Number of large AppStacks that are reconciled at the same time; a single namespace holds at most half of them."""

_CHEAP_BYTES: Final = 8 << 10  # AppStacks up to this size are validated in a few milliseconds


class LargeAppStacks:
    """Slots for the reconciles of large AppStacks and for expensive computations. Namespaces take turns."""

    def __init__(self) -> None:
        self._reconciling = FairSemaphore(MAX_LARGE)
        self._computing = FairSemaphore(1)

    @asynccontextmanager
    async def reconcile(self, namespace: str, stack: StoredAppStack | None) -> AsyncIterator[None]:
        """Wait until an AppStack may be reconciled: the copies of a large one take memory, and its requests time."""
        if stack is None or len(stack.text) < LARGE_BYTES:
            yield
        else:
            async with self._reconciling.acquire(namespace):
                yield

    async def compute(self, namespace: str, stack: StoredAppStack, steps: Steps) -> DesiredState:
        """Return the result of the steps. Other tasks run between those of an AppStack that may be expensive.

        One such step at most is taken in an iteration of the event loop, whatever the number of such AppStacks.
        """
        if len(stack.text) <= _CHEAP_BYTES:
            return finish(steps)
        async with self._computing.acquire(namespace):
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]
                await asyncio.sleep(0)

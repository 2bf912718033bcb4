"""Background tasks of unit tests, and waiting for their effects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

DEADLINE_SECONDS: Final = 30.0
"""Generous: a test that passes never waits as long, and a machine with other load is slow."""

_POLL_SECONDS: Final = 0.005


@asynccontextmanager
async def running(*coroutines: Coroutine[Any, Any, Any]) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Run coroutines until the block ends, and yield their tasks. Raise the exception of the first that has failed."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=DEADLINE_SECONDS)
        for task in tasks:
            if not task.cancelled():
                task.result()


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until the condition holds. Raise TimeoutError at the deadline."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110  # conditions are of many kinds, and have no common event
            await asyncio.sleep(_POLL_SECONDS)


async def run_ready_tasks() -> None:
    """Let every task run until it waits for something other than another task."""
    for _ in range(10):
        await asyncio.sleep(0)

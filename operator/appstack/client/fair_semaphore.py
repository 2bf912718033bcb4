"""Slots for requests that namespaces share: one whose requests hang leaves some to all others."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import TypeAlias

from appstack.workqueue.fair_share import FairShare

Waiter: TypeAlias = "asyncio.Future[None]"


class FairSemaphore:
    """A semaphore of which each group has its share; those that wait take turns, group by group."""

    def __init__(self, number: int) -> None:
        self._shares = FairShare(number)
        self._waiting: OrderedDict[Hashable, deque[Waiter]] = OrderedDict()
        self._unused = asyncio.Event()
        self._unused.set()

    @asynccontextmanager
    async def one(self, group: Hashable) -> AsyncIterator[None]:
        """Hold one for as long as the block lasts; wait for it."""
        await self._get(group)
        try:
            yield
        finally:
            self._give_back(group)

    async def unused(self) -> None:
        """Wait until nobody holds any, and so nobody waits for one."""
        await self._unused.wait()

    async def _get(self, group: Hashable) -> None:
        if self._shares.may(group):  # of those who wait nobody may, so nobody is passed over
            self._take(group)
            return
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(group, deque()).append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # it was given one at this very moment
                self._give_back(group)
            raise

    def _take(self, group: Hashable) -> None:
        self._shares.take(group)
        self._unused.clear()

    def _give_back(self, group: Hashable) -> None:
        self._shares.give_back(group)
        while (now := self._next()) is not None:
            self._hand_on(now)
        if self._shares.unused():
            self._unused.set()

    def _next(self) -> Hashable | None:
        return next((group for group in self._waiting if self._shares.may(group)), None)

    def _hand_on(self, group: Hashable) -> None:
        """Give a slot to the first of a group, who may have given up waiting."""
        waiters = self._waiting[group]
        waiter = waiters.popleft()
        self._waiting.move_to_end(group)
        if not waiters:
            del self._waiting[group]
        if not waiter.done():
            self._take(group)
            waiter.set_result(None)

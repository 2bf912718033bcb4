"""Semaphore that limits requests in flight, with a fair share for each tenant (a namespace)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import TypeAlias

from appstack.workqueue.fair_share import FairShare

Waiter: TypeAlias = "asyncio.Future[None]"


class FairSemaphore:
    """A semaphore that no tenant can exhaust: a tenant whose holders hang leaves free slots to the other tenants.

    Waiting tenants are served round robin, the waiters of one tenant in order of arrival.
    """

    def __init__(self, capacity: int) -> None:
        self._share = FairShare(capacity)
        self._waiting: OrderedDict[Hashable, deque[Waiter]] = OrderedDict()
        self._idle = asyncio.Event()
        self._idle.set()

    @asynccontextmanager
    async def acquire(self, tenant: Hashable) -> AsyncIterator[None]:
        """Wait for a slot and hold it until the block ends."""
        await self._acquire(tenant)
        try:
            yield
        finally:
            self._release(tenant)

    async def wait_idle(self) -> None:
        """Wait until no slot is held. No tenant is waiting then either."""
        await self._idle.wait()

    async def _acquire(self, tenant: Hashable) -> None:
        if self._share.may_acquire(tenant):  # does not overtake a waiter: a tenant with waiters is at its share
            self._take(tenant)
            return
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # a slot was granted in the same iteration of the event loop
                self._release(tenant)
            raise

    def _take(self, tenant: Hashable) -> None:
        self._share.acquire(tenant)
        self._idle.clear()

    def _release(self, tenant: Hashable) -> None:
        self._share.release(tenant)
        while (next_tenant := self._next_tenant()) is not None:
            self._grant(next_tenant)
        if self._share.is_idle():
            self._idle.set()

    def _next_tenant(self) -> Hashable | None:
        return next((tenant for tenant in self._waiting if self._share.may_acquire(tenant)), None)

    def _grant(self, tenant: Hashable) -> None:
        """Grant a slot to the first waiter of a tenant, unless that waiter was cancelled."""
        waiters = self._waiting[tenant]
        waiter = waiters.popleft()
        self._waiting.move_to_end(tenant)
        if not waiters:
            del self._waiting[tenant]
        if not waiter.done():
            self._take(tenant)
            waiter.set_result(None)

"""Thread of the Lease: a busy event loop of the operator cannot delay its renewal, and a wedged one stops it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from appstack.client.client import Client
from appstack.client.credentials import ClusterConfig, Credentials
from appstack.client.fencing import Fence, elapsed
from appstack.leaderelection.lease import Lease
from appstack.settings import Settings

T = TypeVar("T")

MAX_HEARTBEAT_AGE_SECONDS: Final = 30.0
"""Seconds without a heartbeat of the operator's event loop after which the Lease is not renewed."""

_HEARTBEAT_SECONDS: Final = 1.0


class LeaseThread:
    """The Lease in a thread with an event loop and connections of its own.

    Methods are called from the operator's event loop, after `start`. The fence is shared: an assignment of its deadline
    in this thread is visible to the sockets of the operator at once.
    """

    def __init__(self, settings: Settings, cluster: ClusterConfig, fence: Fence) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lease", daemon=True)
        self._thread.start()
        self._client = self._create_client(cluster, fence)
        self._lease = Lease(settings, self._client, fence)
        self.identity = self._lease.identity
        self.scope = self._lease.scope
        self._renewal: asyncio.Task[None] | None = None
        self._heartbeat = float("-inf")

    def is_leader(self) -> bool:
        """Return whether no other process can hold the Lease at this moment."""
        return self._lease.is_leader()

    async def acquire(self) -> None:
        """Wait until this process is the leader; renewals begin at once. Raise OperatorError if that is impossible."""
        await self._run(self._acquire())

    async def check_conflicts(self) -> None:
        """Check that no other operator reconciles a namespace of this one. Raise OperatorError if one may."""
        await self._run(self._lease.check_conflicts())

    async def hold(self) -> None:
        """Keep the acquired Lease until cancelled. Raise OperatorError when it is lost.

        It is renewed for as long as the event loop that runs this method sends heartbeats.
        """
        end = asyncio.ensure_future(self._run(self._wait_for_end()))
        try:
            while not end.done():
                self._heartbeat = elapsed()
                await asyncio.wait((end,), timeout=_HEARTBEAT_SECONDS)
        finally:
            end.cancel()
        end.result()

    async def release(self) -> None:
        """End the renewals and release the Lease, so that a standby becomes leader without waiting for its expiry."""
        await self._run(self._release())

    async def close(self) -> None:
        """End the thread and close its connections."""
        await self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()

    def _create_client(self, cluster: ClusterConfig, fence: Fence) -> Client:
        async def create() -> Client:  # in the loop of the thread, to which the connections belong
            return Client(Credentials(cluster), in_flight=1, fence=fence)

        return asyncio.run_coroutine_threadsafe(create(), self._loop).result()

    async def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread and return its result; cancel it when this task is cancelled."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    # --- in the thread ---

    async def _acquire(self) -> None:
        await self._lease.acquire()
        self._heartbeat = elapsed()  # the operator's loop sends the first one when it learns of this
        self._renewal = asyncio.create_task(self._lease.renew_forever(self._loop_responds))

    def _loop_responds(self) -> bool:
        return elapsed() - self._heartbeat < MAX_HEARTBEAT_AGE_SECONDS

    async def _wait_for_end(self) -> None:
        if self._renewal is not None:
            await self._renewal

    async def _release(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
        await self._lease.release()

    async def _close(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()
        await self._loop.shutdown_default_executor()

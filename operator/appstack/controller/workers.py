"""The workers that take AppStacks from the queue and reconcile them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from appstack.controller.reconciler import Reconciler
from appstack.errors import ApiRejected, ApiUnavailable
from appstack.k8s.metadata import Key
from appstack.telemetry import logs, metrics
from appstack.workqueue.queue import Result, WorkQueue

logger = logging.getLogger(__name__)


class Workers:
    """Concurrent workers on one queue; an AppStack is with one of them at most."""

    def __init__(self, queue: WorkQueue[Key], reconciler: Reconciler) -> None:
        self._queue = queue
        self._reconciler = reconciler

    def start(self, number: int, *, on_exit: Callable[[], None]) -> list[asyncio.Task[None]]:
        """Start workers and return their tasks. One that exits never releases its key: `on_exit` ends the process."""
        tasks = [asyncio.create_task(self._work()) for _ in range(number)]
        for task in tasks:
            task.add_done_callback(lambda _: on_exit())
        return tasks

    async def _work(self) -> None:
        while (key := await self._queue.get()) is not None:
            with logs.stack_context(key.namespace, key.name):
                result = await self._reconcile(key)
            self._queue.done(key, result)
            await asyncio.sleep(0)  # a reconcile without a request has not yielded to other tasks

    async def _reconcile(self, key: Key) -> Result:
        started = time.monotonic()
        try:
            result = await self._reconciler.reconcile(key)
        except (ApiRejected, ApiUnavailable) as error:
            logger.warning("Reconcile failed: %s", error, extra=logs.fields(key.ref))
            result = Result(failed=True)
        except Exception:
            logger.exception("Unhandled error in reconcile of AppStack %s", key, extra=logs.fields(key.ref))
            metrics.RECONCILES.labels("crashed").inc()
            return Result(failed=True)
        metrics.RECONCILES.labels("failed" if result.failed else "done").inc()
        metrics.RECONCILE_DURATION.observe(time.monotonic() - started)
        return result

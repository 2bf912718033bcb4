"""The workers: each takes a stack from the queue, has a look at it or tells of it, and gives it back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from appstack.controller.reconciler import Reconciler
from appstack.controller.status_writer import StatusWriter
from appstack.errors import ApiRejected, ApiUnavailable
from appstack.informers.object_store import Key
from appstack.telemetry import logs as log
from appstack.telemetry import metrics
from appstack.workqueue.fair_queue import Priority
from appstack.workqueue.queue import Result, WorkQueue

logger = logging.getLogger(__name__)


class Workers:
    """So many at once; a stack is with one of them at most."""

    def __init__(self, queue: WorkQueue[Key], reconciler: Reconciler, status_writer: StatusWriter) -> None:
        self._queue = queue
        self._reconciler = reconciler
        self._status_writer = status_writer

    def start(self, number: int, *, ended: Callable[[], None]) -> list[asyncio.Task[None]]:
        """Return their tasks; one that ended, whyever, would keep its stack for ever."""
        tasks = [asyncio.create_task(self._work()) for _ in range(number)]
        for task in tasks:
            task.add_done_callback(lambda _: ended())
        return tasks

    async def _work(self) -> None:
        while (turn := await self._queue.get()) is not None:
            with log.about(turn.key.namespace, turn.key.name):
                again = await (self._tell(turn.key) if turn.lane is Priority.STATUS else self._look(turn.key))
            self._queue.done(turn.key, again)
            await asyncio.sleep(0)  # a look that finds nothing to do has waited for nothing

    async def _look(self, key: Key) -> Result:
        began = time.monotonic()
        try:
            again = await self._reconciler.look(key)
        except (ApiRejected, ApiUnavailable) as error:
            logger.warning("%s", error)
            again = Result(failed=True)
        except Exception:
            return _crashed()
        metrics.RECONCILES.labels("failed" if again.failed else "done").inc()
        metrics.RECONCILE_DURATION.observe(time.monotonic() - began)
        return again

    async def _tell(self, key: Key) -> Result:
        try:
            again = await self._status_writer.tell(key)
        except Exception:
            return _crashed()
        if again.failed:
            metrics.RECONCILES.labels("failed").inc()
        return again


def _crashed() -> Result:
    logger.exception("a look at it failed; this is a defect of AppStack")
    metrics.RECONCILES.labels("crashed").inc()
    return Result(failed=True)

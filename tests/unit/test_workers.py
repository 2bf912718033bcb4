"""The workers: they yield to other tasks, and an error of one reconcile ends none of them."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import cast

import pytest

from appstack.controller.reconciler import Reconciler
from appstack.controller.workers import Workers
from appstack.errors import ApiUnavailable
from appstack.k8s.metadata import Key
from appstack.workqueue.queue import DONE, Result, WorkQueue
from tests.unit.background import eventually
from tests.unit.clock import ManualClock


class ImmediateReconciler:
    """A reconciler that needs no request, or raises an error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.reconciles = 0
        self._error = error

    async def reconcile(self, _: Key) -> Result:
        """Count the reconcile."""
        self.reconciles += 1
        if self._error is not None:
            raise self._error
        return DONE


@pytest.fixture
def queue(clock: ManualClock) -> WorkQueue[Key]:
    """Return an open queue."""
    queue: WorkQueue[Key] = WorkQueue(clock, tenant=lambda key: key.namespace, workers=4, chance=lambda: 0.5)
    queue.open()
    return queue


def start_workers(queue: WorkQueue[Key], reconciler: ImmediateReconciler) -> list[asyncio.Task[None]]:
    """Start four workers, which end with the queue."""
    return Workers(queue, cast(Reconciler, reconciler)).start(4, on_exit=lambda: None)


async def test_reconciles_without_a_request_yield_to_other_tasks(queue: WorkQueue[Key]) -> None:
    for number in range(100):
        queue.add(Key("team", f"shop-{number}"))
    reconciler = ImmediateReconciler()

    tasks = start_workers(queue, reconciler)
    counts = [0]
    while counts[-1] < 100:
        await asyncio.sleep(0)
        counts.append(reconciler.reconciles)
    queue.close()
    await asyncio.gather(*tasks)

    assert max(after - before for before, after in pairwise(counts)) <= 4, "one for each worker"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ApiUnavailable("the server is down"), "Reconcile failed: the server is down"),
        (RuntimeError("a defect"), "Unhandled error in reconcile of AppStack team/shop"),
    ],
)
async def test_failed_reconcile_is_logged_and_repeated_with_backoff(
    queue: WorkQueue[Key], clock: ManualClock, caplog: pytest.LogCaptureFixture, error: Exception, message: str
) -> None:
    reconciler = ImmediateReconciler(error)
    tasks = start_workers(queue, reconciler)
    queue.add(Key("team", "shop"))
    await eventually(clock.next_timer)
    assert 0.5 == clock.next_timer()

    clock.advance(0.5)
    await eventually(lambda: reconciler.reconciles == 2)
    queue.close()
    await asyncio.gather(*tasks)

    assert [message] * 2 == [record.message for record in caplog.records]


async def test_exit_of_a_worker_is_notified(queue: WorkQueue[Key]) -> None:
    exited = asyncio.Event()
    tasks = Workers(queue, cast(Reconciler, ImmediateReconciler())).start(1, on_exit=exited.set)

    queue.close()
    await asyncio.gather(*tasks)
    await eventually(exited.is_set)

"""What the workers leave to others."""

from __future__ import annotations

import asyncio
from typing import Any

from appstack.controller.workers import Workers
from appstack.informers.object_store import Key
from appstack.workqueue.queue import DONE, Result, WorkQueue


class Reconciler:
    """Finds every stack as it should be, which takes no answer of anybody."""

    def __init__(self) -> None:
        self.looked = 0

    async def look(self, _: Key) -> Result:
        """Have a look."""
        self.looked += 1
        return DONE


async def test_looks_that_wait_for_nothing_leave_others_their_turn() -> None:
    keys = [Key("team", f"shop-{number}") for number in range(100)]
    queue: WorkQueue[Key] = WorkQueue(asyncio.get_running_loop(), group=lambda key: key.namespace, workers=4)
    for key in keys:
        queue.add(key)
    reconciler: Any = Reconciler()

    tasks = Workers(queue, reconciler, status_writer=None).start(4, ended=lambda: None)  # type: ignore[arg-type]
    seen = []
    while reconciler.looked < len(keys):
        await asyncio.sleep(0)
        seen.append(reconciler.looked)
    queue.close()
    await asyncio.gather(*tasks)

    assert max(after - before for before, after in zip([0, *seen], seen, strict=False)) <= 4, "one for each worker"

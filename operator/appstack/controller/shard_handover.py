"""What happens when a namespace becomes this operator's, or another's, while it runs."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import Final

from appstack.client import requests
from appstack.client.client import Client
from appstack.errors import ApiRejected, ApiUnavailable
from appstack.informers.appstack_store import AppStackStore, key_of
from appstack.informers.informer import Informer
from appstack.informers.object_store import Keys, ObjectStore
from appstack.workqueue.queue import Backoff

logger = logging.getLogger(__name__)

_SOON: Final = 0.2  # seconds
_BACKOFF: Final = Backoff(longest=30.0)


class ShardHandover:
    """Finds what was passed over while a namespace was another's, and forgets what is another's from now on."""

    def __init__(
        self,
        client: Client,
        *,
        watches: Sequence[Informer],
        cache: ObjectStore,
        stacks: AppStackStore,
        doubt: Callable[[Keys], None],
    ) -> None:
        self._client = client
        self._watches = watches
        self._cache = cache
        self._stacks = stacks
        self._doubt = doubt
        self._tasks: set[asyncio.Task[None]] = set()

    def left(self, namespace: str) -> None:
        """Forget what is in a namespace; nothing of it is touched."""
        self._cache.leave(namespace)
        self._stacks.leave(namespace)

    def entered(self, namespace: str) -> None:
        """Find what is in a namespace."""
        task = asyncio.create_task(self._find(namespace))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a namespace was not taken up; this is a defect of AppStack", exc_info=error)

    async def _find(self, namespace: str) -> None:
        """List everything anew, children first: a stack whose children are not known would be applied again."""
        lists = [(watch, watch.anew()) for watch in self._watches]
        while not all(watch.listed(number) for watch, number in lists):  # noqa: ASYNC110  # of many, now and then
            await asyncio.sleep(_SOON)
        failures = 0
        while self._client.owns(namespace):
            try:
                await self._show(namespace)
            except (ApiRejected, ApiUnavailable) as error:
                level = logging.DEBUG if failures else logging.WARNING
                logger.log(level, "AppStacks in %s: %s", namespace, error)
                await asyncio.sleep(_BACKOFF.delay(failures, random.random()))
                failures += 1
            else:
                return

    async def _show(self, namespace: str) -> None:
        """Take in every AppStack of a namespace, as long as it is ours."""
        after = ""
        while True:
            page = await self._client.send(requests.list_appstacks(namespace, after=after))
            for doc in page["items"]:
                if self._client.owns(namespace) and self._stacks.show(doc):
                    self._doubt(frozenset({key_of(doc)}))  # kopf may have shown its deletion since
            after = page["metadata"].get("continue", "")
            if not after:
                return

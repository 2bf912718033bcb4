"""The handover of a namespace between the shards of the operator, while they run."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from functools import partial
from typing import Final

from appstack.client import requests
from appstack.client.client import Client, NamespaceFilter
from appstack.errors import ApiRejected, ApiUnavailable
from appstack.informers.appstack_store import AppStackStore, key_of
from appstack.informers.informer import Informer, StaleHandler
from appstack.informers.object_store import ObjectStore
from appstack.workqueue.timing import Backoff

logger = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.2
_BACKOFF: Final = Backoff(longest=30.0)


class ShardHandover:
    """Fills the caches for a namespace that was added, and drops one that was removed. Implements NamespaceHandler."""

    def __init__(
        self,
        client: Client,
        *,
        namespaces: NamespaceFilter,
        informers: Sequence[Informer],
        objects: ObjectStore,
        appstacks: AppStackStore,
        handler: StaleHandler,
    ) -> None:
        self._client = client
        self._namespaces = namespaces
        self._informers = informers
        self._objects = objects
        self._appstacks = appstacks
        self._handler = handler
        self._tasks: set[asyncio.Task[None]] = set()

    def namespace_removed(self, namespace: str) -> None:
        """Drop a namespace from the caches; nothing is written."""
        self._objects.drop_namespace(namespace)
        self._appstacks.drop_namespace(namespace)

    def namespace_added(self, namespace: str) -> None:
        """List a namespace in the background and enqueue its AppStacks."""
        task = asyncio.create_task(self._take_over(namespace), name=f"the takeover of namespace {namespace}")
        self._tasks.add(task)
        task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("Unhandled error in %s", task.get_name(), exc_info=error)

    async def _take_over(self, namespace: str) -> None:
        """Relist children first: an AppStack whose children are unknown would be applied again."""
        informers = (informer for informer in self._informers if informer.namespace in ("", namespace))
        lists = [(informer, informer.relist()) for informer in informers]
        while not all(informer.has_listed(number) for informer, number in lists):  # noqa: ASYNC110  # many, seldom
            await asyncio.sleep(_POLL_SECONDS)
        failures = 0
        while self._namespaces.selects(namespace):
            try:
                await self._list_appstacks(namespace)
            except (ApiRejected, ApiUnavailable) as error:
                level = logging.DEBUG if failures else logging.WARNING
                logger.log(level, "AppStacks of namespace %s not listed: %s", namespace, error)
                await asyncio.sleep(_BACKOFF.delay(failures, random.random()))
                failures += 1
            else:
                return

    async def _list_appstacks(self, namespace: str) -> None:
        """Store the AppStacks of a namespace as stale: kopf may have delivered a deletion since."""
        async for manifest in self._client.objects(partial(requests.list_appstacks, namespace)):
            if self._namespaces.selects(namespace) and self._appstacks.update(manifest):
                self._handler.mark_stale(frozenset({key_of(manifest)}))

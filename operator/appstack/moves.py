"""What happens when a namespace becomes this operator's, or another's, while it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from appstack.cluster import requests
from appstack.cluster.cache import Cache, Keys
from appstack.cluster.client import Client
from appstack.cluster.stacks import Stacks, key_of
from appstack.cluster.watch import Watch
from appstack.errors import Refused, Unavailable
from appstack.meta import Manifest

logger = logging.getLogger(__name__)

_SOON: Final = 0.2  # seconds


class Moves:
    """Finds what was passed over while a namespace was another's, and forgets what is another's from now on."""

    def __init__(
        self,
        client: Client,
        *,
        watches: Sequence[Watch],
        cache: Cache,
        stacks: Stacks,
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
        task.add_done_callback(self._tasks.discard)

    async def _find(self, namespace: str) -> None:
        """List everything anew, children first: a stack whose children are not known would be applied again."""
        for watch in self._watches:
            watch.anew()
        while any(watch.outdated for watch in self._watches):  # noqa: ASYNC110  # of many, now and then
            await asyncio.sleep(_SOON)
        for doc in await self._appstacks(namespace):
            if self._client.owns(namespace) and self._stacks.show(doc):
                self._doubt(frozenset({key_of(doc)}))  # kopf may have shown its deletion since

    async def _appstacks(self, namespace: str) -> Iterable[Manifest]:
        while True:
            try:
                page = await self._client.send(requests.appstacks(namespace))
            except (Refused, Unavailable) as error:
                logger.warning("AppStacks in %s: %s", namespace, error)
                await asyncio.sleep(_SOON)
            else:
                found: list[Manifest] = page["items"]
                return found

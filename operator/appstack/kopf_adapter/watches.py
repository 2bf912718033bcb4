"""The watches that fill the caches: one set for the whole cluster, or one for each namespace of the settings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Coroutine, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any, Final

from appstack.client.client import Client, NamespaceFilter
from appstack.client.resource_kinds import APPSTACKS, WATCHED_KINDS, Kind, ResourceRole
from appstack.controller.object_handler import ObjectEventHandler
from appstack.errors import ApiRejected, ApiUnavailable
from appstack.informers.appstack_store import AppStackStore
from appstack.informers.informer import Informer
from appstack.informers.object_store import ObjectStore
from appstack.informers.watch_health import FORBIDDEN_RETRY_SECONDS, FORBIDDEN_STATUS, WatchHealth
from appstack.k8s.metadata import Key
from appstack.kopf_adapter.handler import AppStackEventHandler
from appstack.kopf_adapter.relist import RelistTracker
from appstack.kopf_adapter.source import KopfSource, check_appstacks_permitted, check_appstacks_served
from appstack.settings import Settings
from appstack.telemetry import metrics
from appstack.workqueue.fair_queue import Priority
from appstack.workqueue.queue import WorkQueue

logger = logging.getLogger(__name__)

Start = Callable[[Coroutine[Any, Any, None]], None]
"""Starts a part of the operator in the background; the end of such a part stops the operator."""

_NAMESPACES: Final = next(kind for kind in WATCHED_KINDS if kind.role is ResourceRole.NAMESPACE)


def enabled_kinds(settings: Settings) -> tuple[Kind, ...]:
    """Return the kinds that the operator watches beside AppStacks."""
    return tuple(kind for kind in WATCHED_KINDS if kind.kind not in settings.disabled_kinds)


def disabled_kinds(settings: Settings) -> tuple[Kind, ...]:
    """Return the kinds that the settings disable."""
    return tuple(kind for kind in WATCHED_KINDS if kind.kind in settings.disabled_kinds)


class WatchSet:
    """Watches of AppStacks and of the objects that they own, in one namespace or, if it is empty, in all."""

    def __init__(
        self,
        namespace: str,
        kinds: Sequence[Kind],
        *,
        client: Client,
        namespaces: NamespaceFilter,
        appstacks: AppStackStore,
        objects: ObjectStore,
        queue: WorkQueue[Key],
    ) -> None:
        self.namespace = namespace
        self._client = client
        self.appstack_health = WatchHealth(APPSTACKS.plural, namespace)
        self.handler = ObjectEventHandler(queue=queue, appstacks=appstacks, appstack_watch=self.appstack_health)
        self.informers = [
            Informer(kind, namespace, client=client, objects=objects, appstacks=appstacks, handler=self.handler)
            for kind in kinds
        ]
        self._unlisted = list(self.informers)
        self.relist = RelistTracker(
            asyncio.get_running_loop(),
            known=lambda: appstacks.keys(namespace),
            handler=self.handler,
            resume=lambda key: queue.add(key, Priority.LOW),
        )
        self.appstack_handler = AppStackEventHandler(
            namespace, namespaces=namespaces, appstacks=appstacks, queue=queue, relist=self.relist
        )
        self.source = KopfSource(
            client,
            health=self.appstack_health,
            namespaces=namespaces,
            on_event=self.appstack_handler.on_event,
            relist=self.relist,
        )

    @property
    def healths(self) -> list[WatchHealth]:
        """The health of each watch."""
        return [*(informer.health for informer in self.informers), self.appstack_health]

    @property
    def is_listed(self) -> bool:
        """Whether every kind was listed, so that AppStacks of this set can be reconciled."""
        return not self._unlisted

    async def list_kinds(self, start: Start) -> None:
        """List each kind that is not listed yet, and watch it. Raise the first error when all have ended."""
        await check_appstacks_permitted(self._client, self.namespace)
        lists = [self._list(informer, start) for informer in self._unlisted]
        for result in await asyncio.gather(*lists, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    def attempt(self) -> None:
        """Record an attempt of each watch that waits for a permission, which is no reason for a restart."""
        for health in (*(informer.health for informer in self._unlisted), self.appstack_health):
            health.attempt()

    async def _list(self, informer: Informer, start: Start) -> None:
        """List a kind, and watch it from then on: by the time that the slowest is listed it would be stale."""
        await informer.initial_list()
        self._unlisted.remove(informer)
        start(informer.run())


class Watches:
    """Every watch of the operator: Namespaces, and a WatchSet for the cluster or for each namespace of the settings."""

    def __init__(
        self,
        settings: Settings,
        *,
        client: Client,
        namespaces: NamespaceFilter,
        appstacks: AppStackStore,
        objects: ObjectStore,
        queue: WorkQueue[Key],
    ) -> None:
        self._client = client
        kinds = [kind for kind in enabled_kinds(settings) if kind is not _NAMESPACES]
        self.sets = [
            WatchSet(
                name, kinds, client=client, namespaces=namespaces, appstacks=appstacks, objects=objects, queue=queue
            )
            for name in settings.watched_namespaces or ("",)
        ]
        self.stale_handler = self.sets[0].handler
        self._namespaces = Informer(
            _NAMESPACES, client=client, objects=objects, appstacks=appstacks, handler=self.stale_handler
        )
        by_resource = sorted(self.healths, key=lambda health: health.resource)
        for resource, group in groupby(by_resource, key=lambda health: health.resource):
            metrics.WATCH_AGE.labels(resource).set_function(partial(_max_age, tuple(group)))

    def __len__(self) -> int:
        """Return the number of AppStacks whose reconcile waits for the end of a list."""
        return sum(len(each.relist) for each in self.sets)

    @property
    def informers(self) -> list[Informer]:
        """The informers of all kinds."""
        return [self._namespaces, *(informer for each in self.sets for informer in each.informers)]

    @property
    def healths(self) -> list[WatchHealth]:
        """The health of each watch."""
        return [self._namespaces.health, *(health for each in self.sets for health in each.healths)]

    def liveness_error(self) -> str:
        """Return the watches that are stuck and will not recover without a restart; empty if there are none."""
        stuck = [str(health) for health in self.healths if not health.is_alive]
        return f"the watch of {', '.join(stuck)} is stuck" if stuck else ""

    def readiness_error(self) -> str:
        """Return the caches that are not up to date; empty if all are.

        A namespace without permission does not count: its own users may have removed the RoleBinding.
        """
        stale = [str(health) for health in self._permitted_healths() if not health.is_fresh]
        if not stale:
            stale = [str(each.appstack_health) for each in self.sets if each.relist.is_delivering]
        return f"the cache of {', '.join(stale)} is not up to date" if stale else ""

    def _permitted_healths(self) -> Iterator[WatchHealth]:
        yield self._namespaces.health
        for each in self.sets:
            if not any(health.is_forbidden for health in each.healths):
                yield from each.healths

    async def fill(self, start: Start) -> None:
        """List every kind once, and start its watch.

        A namespace whose objects the operator may not list is left out, unless there is no other. Raise the error of
        the API server.
        """
        await check_appstacks_served(self._client)
        await self._namespaces.initial_list()  # first: the labels of namespaces decide which objects are stored
        start(self._namespaces.run())
        errors = await asyncio.gather(*(self._fill(each, start) for each in self.sets))
        if all(errors):
            raise next(error for error in errors if error)

    async def _fill(self, each: WatchSet, start: Start) -> ApiRejected | None:
        """List the kinds of one set; return the error if the operator has no permission in its namespace."""
        try:
            await each.list_kinds(start)
        except ApiRejected as error:
            if not each.namespace or error.status != FORBIDDEN_STATUS:
                raise
            each.appstack_health.failure(error.message, status=error.status)
            logger.warning("Namespace %s is not reconciled until its Role permits it: %s", each.namespace, error)
            return error
        return None

    def start_sources(self, start: Start, stop: asyncio.Event, *, on_start: Callable[[], None]) -> None:
        """Watch AppStacks, in a namespace without permission as soon as it is granted, until `stop` is set."""
        for each in self.sets:
            start(self._watch_appstacks(each, start, stop, on_start))

    async def _watch_appstacks(
        self, each: WatchSet, start: Start, stop: asyncio.Event, on_start: Callable[[], None]
    ) -> None:
        while not each.is_listed:
            each.attempt()
            await asyncio.sleep(FORBIDDEN_RETRY_SECONDS)
            try:
                await each.list_kinds(start)
                logger.info("Namespace %s is reconciled: its Role permits it now", each.namespace)
            except (ApiRejected, ApiUnavailable) as error:
                logger.debug("Namespace %s is not reconciled: %s", each.namespace, error)
        await each.source.run(stop, on_start=on_start)

    async def discover(self, kinds: Container[Kind], namespace: str = "") -> None:
        """Find out which of these kinds the cluster serves by now; an empty namespace stands for all."""
        found = [informer for informer in self.informers if informer.kind in kinds]
        if namespace:
            found = [informer for informer in found if informer.namespace in ("", namespace)]
        await asyncio.gather(*(informer.discover() for informer in found))

    def enqueue_all(self) -> None:
        """Enqueue every stored AppStack, as this process has become the leader."""
        for each in self.sets:
            each.appstack_handler.enqueue_all()


def _max_age(healths: Sequence[WatchHealth]) -> float:
    return max(health.age for health in healths)

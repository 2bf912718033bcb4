"""Lists and watches one kind, in one namespace or in all, and keeps the object store up to date."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from contextlib import aclosing, suppress
from functools import partial
from typing import Final, Protocol

from appstack.client import requests
from appstack.client.client import Client
from appstack.client.list_page import PageLimit
from appstack.client.resource_kinds import Kind, ResourceRole
from appstack.client.responses import WatchEvent, decode_watch_event
from appstack.errors import ApiRejected, ApiUnavailable, KindNotServed
from appstack.informers.appstack_store import AppStackStore
from appstack.informers.object_store import Deleted, ObjectStore
from appstack.informers.watch_health import FORBIDDEN_RETRY_SECONDS, ReconnectBackoff, WatchHealth
from appstack.k8s.metadata import Keys, Manifest, Ref
from appstack.telemetry import logs, metrics
from appstack.workqueue.timing import Backoff

logger = logging.getLogger(__name__)

DISCOVERY_BACKOFF: Final = Backoff(first=1.0, longest=45.0)
"""Between attempts to find a kind that the cluster does not serve and that an AppStack wants."""

DISCOVERY_MAX_AGE_SECONDS: Final = 5.0
"""Age up to which the result of such an attempt counts."""

DISCOVERY_WAIT_SECONDS: Final = 2.0
"""Time that a reconcile waits for such an attempt."""

_EXPIRED_STATUS: Final = 410  # HTTP: the resourceVersion is too old to resume from
_EXPIRED: Final = ""  # as resourceVersion: list before the next watch
_SERVER_TYPED: Final = (  # metadata whose types the API server enforces
    *("name", "namespace", "uid", "resourceVersion", "generation", "labels", "ownerReferences"),
    *("creationTimestamp", "deletionTimestamp"),
)


class EventHandler(Protocol):
    """Receives AppStacks with changed objects."""

    def on_update(self, keys: Keys) -> None:
        """Handle added and updated objects."""

    def on_delete(self, keys: Keys) -> None:
        """Handle deleted children."""


class StaleHandler(Protocol):
    """Receives AppStacks that may be deleted."""

    def mark_stale(self, keys: Keys) -> None:
        """Reconcile these AppStacks, after reading each of them from the API server."""


class Informer:
    """Lists and watches a kind until it is cancelled, in one namespace or, if `namespace` is empty, in all."""

    def __init__(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        client: Client,
        objects: ObjectStore,
        appstacks: AppStackStore,
        handler: EventHandler,
    ) -> None:
        self.kind = kind
        self.namespace = namespace
        self.health = WatchHealth(kind.plural, namespace)
        self._client = client
        self._objects = objects
        self._appstacks = appstacks
        self._handler = handler
        self._resource_version = _EXPIRED
        self._page_limit = PageLimit()
        self._open_watch: asyncio.Timeout | None = None
        self._requested_list = self._completed_list = 0  # numbers of lists
        self._is_served = True
        self._had_objects = False  # objects of ours existed when the kind vanished, and may come back with it
        self._discovery_requested, self._discovery_ended = asyncio.Event(), asyncio.Event()
        self._last_discovery = float("-inf")
        self._failed_discoveries = 0  # since the last request
        self._backoff = ReconnectBackoff()
        self._events = metrics.WATCH_EVENTS.labels(kind.plural)

    async def run(self) -> None:
        """List and watch until cancelled."""
        retry_after = 0.0
        while True:
            if self._is_served:
                await asyncio.sleep(self._backoff.next_delay(at_least=retry_after))
            else:
                await self._wait_for_demand(at_least=retry_after)
            self.health.attempt()
            retry_after = await self._list_and_watch()

    async def initial_list(self) -> None:
        """List once before `run`. That an optional kind is not served, or not yet, is no error."""
        self.health.attempt()
        try:
            await self._list()
        except KindNotServed as error:
            self._handle_not_served(error)
        except ApiUnavailable as error:
            if not self.kind.optional:
                raise
            self.health.failure(str(error))  # `run` retries, and /readyz waits for it

    def relist(self) -> int:
        """List again, for namespaces that are selected only now; return the number of that list for `has_listed`."""
        self._requested_list += 1
        if not self._is_served:
            self._discovery_requested.set()
        if self._open_watch is not None and not self._open_watch.expired():
            self._open_watch.reschedule(asyncio.get_running_loop().time())
        return self._requested_list

    def has_listed(self, number: int) -> bool:
        """Return whether that list or a later one is complete, or the kind is known not to be served."""
        return self._completed_list >= number

    async def discover(self) -> None:
        """Find out whether the cluster serves the kind by now, and wait a moment for the answer."""
        if self._is_served or time.monotonic() - self._last_discovery < DISCOVERY_MAX_AGE_SECONDS:
            return
        self._discovery_requested.set()
        self._discovery_ended.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._discovery_ended.wait(), DISCOVERY_WAIT_SECONDS)

    async def _wait_for_demand(self, *, at_least: float) -> None:
        """Wait until the kind matters: it is requested, or an AppStack wants it and its back-off has passed."""
        await asyncio.sleep(at_least)
        while True:
            delay = DISCOVERY_BACKOFF.delay(self._failed_discoveries, random.random())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._discovery_requested.wait(), delay)
            if self._discovery_requested.is_set():
                self._failed_discoveries = 0
                return
            self._failed_discoveries += 1
            if self._had_objects or self._requiring() or not self.has_listed(self._requested_list):
                return
            self.health.heartbeat()

    async def _list_and_watch(self) -> float:
        """Watch until the watch ends, after a list where one is needed; return the seconds that the server asks for."""
        try:
            if not self._resource_version or not self.health.is_fresh:  # too old to resume from
                await self._list()
            while not self.has_listed(self._requested_list):
                await self._list()
            await self._watch()
        except KindNotServed as error:
            self._handle_not_served(error)
        except ApiRejected as error:
            if error.status == _EXPIRED_STATUS:
                self._resource_version = _EXPIRED
            self.health.failure(error.message, status=error.status)
            return FORBIDDEN_RETRY_SECONDS if self.health.is_forbidden else 0.0
        except ApiUnavailable as error:
            self.health.failure(str(error))
            return error.retry_after or 0.0
        return 0.0

    def _handle_not_served(self, error: KindNotServed) -> None:
        dropped = self._objects.mark_not_served(self.kind, self.namespace)
        logger.debug("Kind %s is not served: %s", self.kind.plural, error.message)
        self._resource_version, self._is_served, self._completed_list = _EXPIRED, False, self._requested_list
        self._had_objects = self._had_objects or bool(dropped)
        self.health.heartbeat()
        self._handler.on_update(dropped)

    async def _list(self) -> None:
        """Store every object of the kind, and drop those that are deleted."""
        try:
            await self._list_pages()
            self._last_discovery = time.monotonic()
        except KindNotServed:
            self._last_discovery = time.monotonic()
            raise
        finally:  # also after an error: `discover` does not wait longer, and its next caller asks again
            self._discovery_requested.clear()
            self._discovery_ended.set()

    async def _list_pages(self) -> None:
        refs: list[Ref] = []
        continue_token, number = "", self._requested_list
        while True:
            request = partial(requests.list_page, self.kind, self.namespace)
            page = await self._client.list_page(request, self._page_limit, continue_token)
            self.health.attempt()
            async for item in page:
                refs.append(self.kind.ref(item))
                self._handler.on_update(self._store(item))
            continue_token = page.continue_token
            if not continue_token:
                break
        self._resource_version, self._completed_list = page.resource_version, number
        version = int(self._resource_version)
        self._handle_deleted(self._objects.complete_list(self.kind, refs, version, self.namespace))
        if not self._is_served:
            self._is_served, self._had_objects = True, False
            self._failed_discoveries = 0
            self._objects.mark_served(self.kind, self.namespace)
            self._handler.on_update(self._requiring())
        self.health.synced()

    def _handle_deleted(self, deleted: Deleted) -> None:
        self._handler.on_delete(deleted.children)
        self._handler.on_update(deleted.dependents)

    def _requiring(self) -> Keys:
        return self._appstacks.requiring(self.kind.api_version, self.kind.kind, self.namespace)

    def _store(self, manifest: Manifest) -> Keys:
        """Store an object. Of one that we cannot read, its identity is stored: one tenant's object stops no watch."""
        if self.kind.role is ResourceRole.NAMESPACE:
            return self._store_namespace(manifest)
        try:
            return self._objects.update(self.kind, manifest)
        except Exception:
            ref = self.kind.ref(manifest)
            logger.exception("Unhandled error in reading %s", ref, extra=logs.fields(ref))
            return self._objects.update(self.kind, _minimal_metadata(manifest))

    def _store_namespace(self, manifest: Manifest) -> Keys:
        """Store a namespace; return its AppStacks if labels changed that their policy depends on."""
        name = manifest["metadata"]["name"]
        labels = self._objects.namespace_labels(name)
        self._objects.update(self.kind, manifest)
        changed = self._objects.namespace_labels(name) != labels
        return self._appstacks.in_namespace(name) if changed else frozenset()

    async def _watch(self) -> None:
        seconds = random.randint(240, 480)
        request = requests.watch(
            self.kind, self.namespace, resource_version=self._resource_version, timeout_seconds=seconds
        )
        try:
            async with asyncio.timeout(None) as self._open_watch, aclosing(self._client.lines(request)) as lines:
                async for line in lines:
                    self._handle(decode_watch_event(line))
        except TimeoutError:
            logger.debug("Watch of %s ended for a relist", self.health)
        finally:
            self._open_watch = None

    def _handle(self, event: WatchEvent) -> None:
        self._events.inc()
        if event.type == "ERROR":
            self._resource_version = _EXPIRED  # a list recovers from every error
            raise ApiUnavailable(f"the watch ended: {event.object.get('message') or event.object}")
        if event.type == "DELETED":
            self._handle_deleted(self._objects.delete(self.kind, event.object))
        elif event.type != "BOOKMARK":
            self._handler.on_update(self._store(event.object))
        self._objects.set_version(self.kind, int(event.resource_version), self.namespace)
        self._resource_version = event.resource_version
        self._backoff.progress()
        self.health.heartbeat()


def _minimal_metadata(manifest: Manifest) -> Manifest:
    """Return the metadata that identifies an object, in types that the API server enforces."""
    return {"metadata": {key: manifest["metadata"][key] for key in _SERVER_TYPED if key in manifest["metadata"]}}

"""Reads Warning Events of namespaces with an AppStack that is not ready.

The API server keeps no watch cache of Events, so a watch of all of them would cost it more than all other requests of
the operator. A namespace is listed only while one of its AppStacks is not ready, and less often while nothing changes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from appstack.client import requests
from appstack.client.client import Client
from appstack.client.list_page import PageLimit
from appstack.errors import ApiRejected, ApiUnavailable
from appstack.informers.appstack_store import AppStackStore
from appstack.informers.object_store import ObjectStore
from appstack.k8s.metadata import Key, Ref
from appstack.k8s.observed import WarningEvent
from appstack.k8s.text import MAX_MESSAGE

logger = logging.getLogger(__name__)

FIRST_LIST_SECONDS: Final = 10.0
"""Seconds for which an AppStack is not ready until the Events of its namespace are listed: a rollout costs nothing."""

MAX_INTERVAL_SECONDS: Final = 300.0
"""Longest interval between two lists of a namespace; it doubles from `FIRST_LIST_SECONDS` while nothing changes."""

LIST_INTERVAL_SECONDS: Final = 0.5
"""Shortest interval between two lists, of all namespaces together."""

SCAN_INTERVAL_SECONDS: Final = 5.0
"""Interval between two searches of the cache for AppStacks that are not ready."""

_NOT_READY: Final = ("Ready", "False")
_MAX_PAGES: Final = 4  # of a list; a namespace with more Warning Events has its problems in any of them
_MAX_EVENTS: Final = 20  # of an object, the latest first
_FORBIDDEN: Final = 403


@dataclass(slots=True)
class _Namespace:
    """A namespace with an AppStack that is not ready, and when it is listed next."""

    due: float  # time of the loop
    interval: float = FIRST_LIST_SECONDS
    events: Mapping[Ref, tuple[WarningEvent, ...]] = field(default_factory=dict)


class WarningEventReader:
    """Lists Warning Events, and enqueues the AppStacks that are not ready when the Events of their namespace change."""

    def __init__(
        self, client: Client, appstacks: AppStackStore, objects: ObjectStore, *, enqueue: Callable[[Key], None]
    ) -> None:
        self._client = client
        self._appstacks = appstacks
        self._objects = objects
        self._enqueue = enqueue
        self._namespaces: dict[str, _Namespace] = {}
        self._forbidden = False

    async def run(self) -> None:
        """List the namespaces that are due, one after the other, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._scan(loop.time())
            for name in sorted(self._namespaces, key=lambda each: self._namespaces[each].due):
                if self._namespaces[name].due <= loop.time():
                    await self._list(name)
                    await asyncio.sleep(LIST_INTERVAL_SECONDS)
            await asyncio.sleep(SCAN_INTERVAL_SECONDS)

    def _scan(self, now: float) -> None:
        """Begin with namespaces that have an AppStack that is not ready, and forget those that have none."""
        names = {key.namespace for key in self._not_ready()}
        for name in self._namespaces.keys() - names:
            del self._namespaces[name]
            self._objects.set_warnings(name, {})
        for name in names - self._namespaces.keys():
            self._namespaces[name] = _Namespace(due=now + FIRST_LIST_SECONDS)

    def _not_ready(self) -> Iterator[Key]:
        return (key for key, stack in self._appstacks.items() if _NOT_READY in stack.conditions and not stack.deleting)

    async def _list(self, name: str) -> None:
        namespace = self._namespaces[name]
        try:
            events = await self._list_pages(name)
        except (ApiRejected, ApiUnavailable) as error:
            self._log(name, error)
            events = namespace.events
        changed = _without_times(events) != _without_times(namespace.events)
        namespace.events = events
        self._objects.set_warnings(name, events)
        namespace.interval = FIRST_LIST_SECONDS if changed else min(2 * namespace.interval, MAX_INTERVAL_SECONDS)
        namespace.due = asyncio.get_running_loop().time() + namespace.interval
        if changed:
            for key in [key for key in self._not_ready() if key.namespace == name]:
                self._enqueue(key)

    async def _list_pages(self, name: str) -> Mapping[Ref, tuple[WarningEvent, ...]]:
        found: list[WarningEvent] = []
        limit, continue_token = PageLimit(), ""
        for _ in range(_MAX_PAGES):
            page = await self._client.list_page(partial(requests.list_warnings, name), limit, continue_token)
            events = [_warning_event(item) async for item in page]
            found += (event for event in events if self._objects.has(event.ref))
            continue_token = page.continue_token
            if not continue_token:
                break
        return _by_object(found)

    def _log(self, name: str, error: ApiRejected | ApiUnavailable) -> None:
        if isinstance(error, ApiRejected) and error.status == _FORBIDDEN:
            if not self._forbidden:
                logger.warning("Events are not read, so status.problems lacks some causes: %s", error.message)
            self._forbidden = True
        else:
            logger.debug("Events of namespace %s are not read: %s", name, error)


def _by_object(found: Iterable[WarningEvent]) -> dict[Ref, tuple[WarningEvent, ...]]:
    """Return the Events by object, the latest of each reason and container first."""
    by_object: dict[Ref, dict[tuple[str, str, str], WarningEvent]] = {}
    for event in sorted(found, key=lambda event: event.time):
        kind_of_message = event.message[:20]  # tells the probes of a container apart
        by_object.setdefault(event.ref, {})[event.reason, event.container, kind_of_message] = event
    return {
        ref: tuple(sorted(events.values(), key=lambda event: (event.time, event.message), reverse=True)[:_MAX_EVENTS])
        for ref, events in by_object.items()
    }


def _without_times(events: Mapping[Ref, Iterable[WarningEvent]]) -> frozenset[WarningEvent]:
    """Return the Events without their times: the same failure again is no change."""
    return frozenset(replace(event, time="") for each in events.values() for event in each)


def _warning_event(item: Mapping[str, Any]) -> WarningEvent:
    regarding = item.get("regarding") or {}
    series = item.get("series") or {}
    times = (series.get("lastObservedTime"), item.get("deprecatedLastTimestamp"), item.get("eventTime"))
    field_path = str(regarding.get("fieldPath") or "")
    return WarningEvent(
        ref=Ref(*(str(regarding.get(name) or "") for name in ("apiVersion", "kind", "namespace", "name"))),
        reason=str(item.get("reason") or ""),
        message=str(item.get("note") or "")[:MAX_MESSAGE],
        container=field_path.partition("{")[2].removesuffix("}"),
        time=max((str(time) for time in times if time), default=""),
    )

"""Tells of a stack what a look has found: its status, and Events where something is wrong."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import from_json, to_json

from appstack.client import requests
from appstack.client.client import Client
from appstack.errors import ApiRejected, ApiUnavailable
from appstack.informers.appstack_store import AppStackStore
from appstack.informers.object_store import Key
from appstack.k8s.metadata import Manifest
from appstack.status import events
from appstack.workqueue.queue import DONE, Result

logger = logging.getLogger(__name__)

_PAUSE: Final = 1.0  # seconds between two writes of one status that can wait
_STRIKES: Final = 3  # tries before a status tells that the API server is not available
_OVERDUE: Final = 10.0  # seconds for which a status may wait because its stack is looked at again and again
_TIMES: Final = frozenset({"lastTransitionTime"})


@dataclass(frozen=True, slots=True)
class _Untold:
    """A status that waits for its turn."""

    uid: str  # of its stack
    text: bytes  # JSON: a backlog may leave thousands of them
    then: Result  # what is left to wish for once it is told
    since: float  # when there was first something to tell
    once: bool  # it has news of work that runs once


class StatusWriter:
    """Keeps what is to be told until it is its turn: one status of each stack, the latest."""

    def __init__(self, *, client: Client, stacks: AppStackStore, instance: str) -> None:
        self._client = client
        self._stacks = stacks
        self._instance = instance
        self._untold: dict[Key, _Untold] = {}

    def drop(self, key: Key) -> float | None:
        """Forget what is untold, as a look is under way that finds it anew; return since when it is."""
        untold = self._untold.pop(key, None)
        return untold.since if untold is not None else None

    def keep(self, key: Key, doc: Manifest, status: Manifest, again: Result, *, since: float | None = None) -> Result:
        """Keep a status that differs, to be told a second after the one before; where the look has failed, as it is.

        `since` is what `drop` returned when the look began. News of work that runs once waits for nothing.
        """
        held, former = self._stacks.get(key), doc.get("status") or {}
        if held is None or _alike(former, status):
            return again
        once = _once(former) != _once(status)
        if 0 < held.strikes < _STRIKES and not once:
            return again
        now = time.monotonic()
        wait = held.reported + _PAUSE - now
        if wait > 0 and not (once or again.failed):  # after a failure the next look comes only after its back-off
            return Result(after=min(wait, again.after or wait))
        then = Result(untried=True) if again.failed else DONE
        since = now if since is None else since
        self._untold[key] = _Untold(doc["metadata"]["uid"], to_json(status), then, since, once)
        return replace(again, tell=True)

    def urgent(self, key: Key) -> bool:
        """Tell whether a stack is to be told of with its look, for a turn may come too late.

        Who finds no record of a Job that is gone makes it anew, be it this process' successor. And each look at a
        stack puts it behind all others.
        """
        untold = self._untold.get(key)
        return untold is not None and (untold.once or time.monotonic() - untold.since > _OVERDUE)

    async def tell(self, key: Key) -> Result:
        """Write the status that is kept, if its stack is still there."""
        untold, held = self._untold.pop(key, None), self._stacks.get(key)
        if untold is None or held is None or held.uid != untold.uid or held.deleting:
            return DONE
        doc, status = held.doc, from_json(untold.text)
        try:
            with self._stacks.publishing(key, status):
                answer = await self._client.send(requests.apply_status(key.ref, uid=held.uid, status=status))
        except ApiUnavailable as error:
            logger.warning("Status: %s", error)
            return Result(after=error.retry_after, failed=True)
        except ApiRejected as error:
            return self._refused(key, held.uid, error)
        self._stacks.reported(key, answer, status=status, at=time.monotonic())
        await self.post(doc, events.transition_events(doc.get("status") or {}, status))
        return untold.then

    def _refused(self, key: Key, uid: str, error: ApiRejected) -> Result:
        if error.status == 404:
            self._stacks.forget(key, uid=uid)  # deleted, and the watch will say so or has missed it
            return DONE
        logger.warning("Status: %s", error)
        return Result(failed=True)

    async def post(self, doc: Manifest, found: Sequence[events.EventRecord]) -> None:
        """Create an Event of each: one that is refused is only logged, for the status has it all."""
        for record in found:
            event = events.event(record, doc=doc, now=_now(), instance=self._instance)
            try:
                await self._client.send(requests.create_event(event))
            except (ApiRejected, ApiUnavailable) as error:
                logger.warning("Event %s: %s", record.reason, error)


def _once(status: Mapping[str, Any]) -> list[Any]:
    """Return what a status records of work that runs once."""
    return [entry for entry in status.get("resources") or () if entry.get("wish")]


def _alike(one: Any, other: Any) -> bool:
    """Tell whether two statuses say the same, whenever it became so."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = (one.keys() | other.keys()) - _TIMES
        return all(key in one and key in other and _alike(one[key], other[key]) for key in keys)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

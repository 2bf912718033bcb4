"""Writes statuses: one at a time for an AppStack, the oldest first, after the children of a backlog."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from pydantic_core import from_json, to_json

from appstack.api.status import is_same_status, renamed
from appstack.client import requests
from appstack.client.client import Client
from appstack.controller.event_recorder import EventRecorder
from appstack.errors import ApiRejected, ApiUnavailable
from appstack.informers.appstack_store import AppStackStore, StoredAppStack
from appstack.k8s.metadata import Key, Manifest
from appstack.planning.reconcile_state import PendingStatus
from appstack.status.events import EventRecord, transition_events
from appstack.telemetry import logs, metrics
from appstack.workqueue.fair_queue import FairQueue
from appstack.workqueue.fair_share import FairShare
from appstack.workqueue.queue import DONE, Result, WorkQueue
from appstack.workqueue.timing import Clock

logger = logging.getLogger(__name__)

STATUS_DEBOUNCE_SECONDS: Final = 1.0
"""Seconds between two writes of the status of an AppStack, except after a failure and for work that runs once."""

WRITES_IN_BACKLOG: Final = 1
"""Writes in flight while new specs wait: children come first, and a reader still sees statuses arrive."""

STUCK_SECONDS: Final = 5.0
"""Seconds after which a write no longer counts against `WRITES_IN_BACKLOG`: a webhook may hold it up."""

OVERDUE_SECONDS: Final = 10.0
"""Seconds after which a status is written although an event has enqueued its AppStack: events may come without end."""

_OUTAGE: Final = 3  # reconciles in a row that found the API server unavailable before a status reports it


class StatusWriter:
    """Keeps one pending status of each AppStack, the latest, and writes it when it is due.

    Tenants take turns and hold fair shares of the writes in flight. A pending status is dropped when an event enqueues
    its AppStack: the reconcile builds it again. A write that fails enqueues the AppStack with back-off.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        client: Client,
        appstacks: AppStackStore,
        queue: WorkQueue[Key],
        max_in_flight: int,
        instance: str,
    ) -> None:
        self._clock = clock
        self._client = client
        self._appstacks = appstacks
        self._queue = queue
        self._recorder = EventRecorder(client, instance=instance)
        self._due: FairQueue[Key] = FairQueue(lambda key: key.namespace)
        self._share = FairShare(max_in_flight)
        self._in_flight: dict[Key, tuple[asyncio.Task[Result], float]] = {}  # with the time of the start
        self._closed = False

    def __len__(self) -> int:
        """Return the number of statuses that are due."""
        return len(self._due)

    def longest_wait(self) -> float:
        """Return the seconds for which the longest waiting status has waited."""
        since = self._due.oldest()
        return 0.0 if since is None else self._clock.time() - since

    def close(self) -> None:
        """Start no more writes."""
        self._closed = True

    def tasks(self) -> list[asyncio.Task[Result]]:
        """Return the writes in flight."""
        return [task for task, _ in self._in_flight.values()]

    async def drop_pending(self, key: Key) -> None:
        """Drop the pending status for a reconcile that builds it again, after the write in flight has ended.

        A reconcile beside a write would work with the status before it, and with records that it is about to clear.
        """
        while (writing := self._in_flight.get(key)) is not None:
            await asyncio.wait((writing[0],))
        self._due.remove(key)
        stack = self._appstacks.get(key)
        if stack is not None:
            stack.state.pending_status = None

    async def submit(self, key: Key, stack: StoredAppStack, status: Manifest, result: Result) -> Result:
        """Make a status pending where it differs from the current one; return the result of the reconcile.

        Records of Jobs and Pods are written before this returns. An operator that finds no record of work that has
        ended would run it again.
        """
        stored = self._appstacks.get(key)
        if stored is None or stored.uid != stack.uid:
            return result
        current, state = stored.manifest.get("status") or {}, stored.state
        if is_same_status(current, status):
            state.outdated_since = None
            return result
        is_run_once = _run_once_records(current) != _run_once_records(status)
        if 0 < state.consecutive_outages < _OUTAGE and not is_run_once:
            return result
        now = self._clock.time()
        state.outdated_since = now if state.outdated_since is None else state.outdated_since
        state.pending_status = PendingStatus(
            text=to_json(status),
            covers=state.unrecorded,
            not_before=now if is_run_once or result.failed else state.last_status_write + STATUS_DEBOUNCE_SECONDS,
            succeeded=not (result.failed or result.keep_backoff),
        )
        if is_run_once:
            written = await self._write(key)
            return written if written.failed else result
        self._schedule(key)
        return replace(result, keep_backoff=True)

    def _schedule(self, key: Key) -> None:
        """Queue the pending status of an AppStack, now or at the end of its debounce."""
        stack = self._appstacks.get(key)
        if stack is None or (pending := stack.state.pending_status) is None or key in self._in_flight:
            return  # in flight: the debounce of several statuses ends at one time, and the first has started the write
        now = self._clock.time()
        if pending.not_before > now:
            self._clock.call_at(pending.not_before, lambda: self._schedule(key))
            return
        self._due.put(key, stack.state.outdated_since or now)
        self._start_writes()

    def _start_writes(self) -> None:
        while (key := self._next()) is not None:
            if key in self._queue and not self._is_overdue(key):
                continue  # the reconcile that an event has asked for builds the status again
            self._share.acquire(key.namespace)
            task = asyncio.create_task(self._write(key))
            self._in_flight[key] = task, self._clock.time()
            self._clock.call_at(self._clock.time() + STUCK_SECONDS, self._start_writes)  # a backlog may begin by then
            task.add_done_callback(partial(self._ended, key))

    def _next(self) -> Key | None:
        """Take the next status that is due and may be written now out of the queue; None if there is none."""
        popped = None if self._closed else self._due.pop(self._may_write)
        return popped[0] if popped is not None else None

    def _may_write(self, tenant: Hashable) -> bool:
        if self._queue.is_backlogged():
            now = self._clock.time()
            counted = sum(now - started < STUCK_SECONDS for _, started in self._in_flight.values())
            if counted >= WRITES_IN_BACKLOG or any(key.namespace == tenant for key in self._in_flight):
                return False
        return self._share.may_acquire(tenant)

    def _is_overdue(self, key: Key) -> bool:
        stack = self._appstacks.get(key)
        since = stack.state.outdated_since if stack is not None else None
        return since is not None and self._clock.time() - since > OVERDUE_SECONDS

    def _ended(self, key: Key, task: asyncio.Task[Result]) -> None:
        del self._in_flight[key]
        self._share.release(key.namespace)
        if not task.cancelled():
            self._finish(key, task)
        self._start_writes()

    async def record_events(self, manifest: Manifest, records: Iterable[EventRecord]) -> None:
        """Record Events about an AppStack."""
        await self._recorder.record(manifest, records)

    def _finish(self, key: Key, task: asyncio.Task[Result]) -> None:
        """Handle the result of a write that no reconcile waits for."""
        if (error := task.exception()) is not None:
            logger.error("Unhandled error in a status write", exc_info=error, extra=logs.fields(key.ref))
            metrics.RECONCILES.labels("crashed").inc()
            self._queue.retry(key)
            return
        result = task.result()
        if result.failed:
            metrics.RECONCILES.labels("failed").inc()
            self._queue.retry(key, after=result.requeue_after)
        elif not result.keep_backoff:
            self._queue.reset_backoff(key)

    async def _write(self, key: Key) -> Result:
        with logs.stack_context(key.namespace, key.name):
            return await self._write_pending(key)

    async def _write_pending(self, key: Key) -> Result:
        """Write the pending status, if its AppStack still exists; return whether that failed."""
        stack = self._appstacks.get(key)
        pending = stack.state.pending_status if stack is not None else None
        if stack is None or pending is None or stack.deleting:
            return DONE
        stack.state.pending_status = None
        written = Result(keep_backoff=not pending.succeeded)
        manifest, status = stack.manifest, from_json(pending.text)
        current = manifest.get("status") or {}
        if is_same_status(current, status):
            stack.state.outdated_since = None
            return written
        try:
            with self._appstacks.writing_status(key, status):
                response = await self._client.send(requests.apply_status(key.ref, uid=stack.uid, status=status))
        except ApiUnavailable as error:
            logger.warning("Status not written: %s", error, extra=logs.fields(key.ref, reason="Unavailable"))
            return Result(error.retry_after, failed=True)
        except ApiRejected as error:
            if error.status == 404:
                self._appstacks.delete(key, uid=stack.uid)  # deleted; the watch has not shown it yet, or has missed it
                return DONE
            logger.warning("Status not written: %s", error, extra=logs.fields(key.ref, reason=error.reason))
            return Result(failed=True)
        self._appstacks.record_status_write(key, response, status=status, covers=pending.covers, at=self._clock.time())
        await self.record_events(manifest, transition_events(current, status))
        return written


def _run_once_records(status: Mapping[str, Any]) -> list[Any]:
    """Return the entries of a status that record Jobs and Pods."""
    entries = (renamed(entry) for entry in status.get("resources") or ())
    return [entry for entry in entries if entry.get("specHash")]

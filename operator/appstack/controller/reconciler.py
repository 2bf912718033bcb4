"""The story: parse, render, plan, carry out, report. Every event of every kind leads here."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from appstack.client import requests
from appstack.client.client import Client
from appstack.client.resource_kinds import Kind
from appstack.controller.applier import Applier, skipped
from appstack.controller.status_writer import StatusWriter
from appstack.errors import ApiRejected, ApiUnavailable, KindNotServed
from appstack.informers.appstack_store import AppStackStore, StoredAppStack
from appstack.informers.object_store import Key, ObjectStore
from appstack.k8s.metadata import Manifest, Ref
from appstack.k8s.observed import Observed, Owner
from appstack.planning.changes import WRITTEN, Action, Change, only_own_writes
from appstack.planning.desired import DesiredState, DesiredStateCache
from appstack.planning.drift import DriftBackoff, contested, wake
from appstack.planning.plan import plan
from appstack.settings import Settings
from appstack.status import events
from appstack.status.build import build_status
from appstack.status.diagnostics import SETTLED, restarting
from appstack.status.source_map import translate_field_paths
from appstack.telemetry import metrics
from appstack.workqueue.queue import DONE, Result

logger = logging.getLogger(__name__)

_GRACE: Final = 0.25  # seconds after a child has gone: if it went with its stack, the other watch will say so


class Reconciler:
    """Has a look at one stack at a time, and leaves it as it should be."""

    def __init__(
        self,
        *,
        settings: Settings,
        client: Client,
        cache: ObjectStore,
        stacks: AppStackStore,
        status_writer: StatusWriter,
        caught_up: Callable[[Key], None],
        ask: Callable[[Container[Kind]], Awaitable[None]],
    ) -> None:
        self._client = client
        self._ask = ask  # finds out whether the cluster knows these kinds by now
        self._caught_up = caught_up  # told of a stack of which there is nothing new beyond our own writes
        self._cache = cache
        self._stacks = stacks
        self._hands = Applier(client=client, cache=cache)
        self._status_writer = status_writer
        self._drift_backoff = DriftBackoff()
        self._desired_states = DesiredStateCache(settings)

    async def look(self, key: Key) -> Result:
        """Bring a stack to what its author wants, and find out what its status is to say; return when to look again."""
        since = self._status_writer.drop(key)
        held = await self._held(key)
        if held is None or held.deleting or self._cache.ends(key.namespace):
            return DONE  # what it owned goes by its owner references or with its namespace, whether we run or not
        grace = held.bereft + _GRACE - time.monotonic()
        if grace > 0:
            return Result(after=grace, untried=True)
        observed = self._cache.observed(key)
        if not observed.namespace_uid:
            return Result(after=0.2, untried=True)  # the watch of namespaces lags behind
        doc = held.doc
        desired = self._desired_states.of(doc, namespace_uid=observed.namespace_uid)
        if await self._asked(key, held, desired):
            observed = self._cache.observed(key)
        desired = desired.with_live_checks(observed)
        changes: tuple[Change, ...] = ()
        if not desired.invalid:
            changes = await self._carry_out(held, doc, desired, observed)
            self._log(changes)
            await self._status_writer.post(doc, events.replacement_events(changes))
        shown = await self._hands.settle(changes)
        self._remember(key, held, changes)
        seen, now, clock = self._cache.observed(key), _now(), time.time()
        if self._stacks.unchanged(key, held) and only_own_writes(observed, seen, changes):
            self._caught_up(key)
        contests = self._drift_backoff.of(held.uid, generation=held.generation, now=clock)
        status = build_status(
            doc,
            desired=desired,
            observed=seen,
            unreported=held.unreported,
            changes=tuple(_as_seen(change) for change in changes) if shown else changes,
            contested=contested(contests, changes),
            now=now,
        )
        again = _again(
            changes,
            missing=observed.missing,
            unsettled=not shown or restarting(seen.pods, now=now),
            contests=wake(contests, changes, clock),
        )
        again = self._status_writer.keep(key, doc, status, again, since=since)
        return await self._tell(key, again) if again.tell and self._status_writer.urgent(key) else again

    async def _tell(self, key: Key, again: Result) -> Result:
        told = await self._status_writer.tell(key)
        return told if told.failed else replace(again, tell=False)

    async def _held(self, key: Key) -> StoredAppStack | None:
        """Return the stack as last seen; where a list did not bring it, as it is."""
        held = self._stacks.get(key)
        if held is None or not held.doubtful:
            return held
        try:
            found = await self._client.send(requests.get(key.ref))
            if (present := self._stacks.get(key)) is not None and present.uid == held.uid:  # else we know more by now
                self._stacks.show(found)
        except ApiRejected as error:
            if error.status != 404:
                raise
            self._stacks.forget(key, uid=held.uid)
        return self._stacks.get(key)

    async def _asked(self, key: Key, held: StoredAppStack, desired: DesiredState) -> bool:
        """Ask for what it wants and the cluster did not know, and keep what is still missing; tell whether it asked."""
        lacking = self._cache.unknown(desired.manifests)
        if lacking:
            await self._ask(lacking)
        self._stacks.lacks(key, uid=held.uid, kinds=self._cache.unknown(desired.manifests))
        return bool(lacking)

    async def _carry_out(
        self, held: StoredAppStack, doc: Manifest, desired: DesiredState, observed: Observed
    ) -> tuple[Change, ...]:
        owner = Owner(name=doc["metadata"]["name"], uid=held.uid, spec=doc["spec"])
        now = time.time()
        contests = self._drift_backoff.of(held.uid, generation=held.generation, now=now)
        resting = {ref for ref, contest in contests.items() if contest.rests(now)}
        recorded = held.recorded(doc)
        todo = plan(owner, desired=desired.manifests, observed=observed, recorded=recorded, resting=resting)
        if desired.paused:
            return skipped(todo)
        changes = await self._hands.apply(todo, owner)
        return tuple(_as_written(change, desired.manifests, doc["spec"]) for change in changes)

    def _remember(self, key: Key, held: StoredAppStack, changes: Sequence[Change]) -> None:
        """Keep what was applied until a status tells it; a repair may pass without a status at all."""
        written = [change for change in changes if change.action in WRITTEN]
        records = {change.ref: change.applied for change in written if change.applied}
        self._stacks.applied(key, uid=held.uid, records=records)
        available = not any(isinstance(change.error, ApiUnavailable) for change in changes)
        self._stacks.struck(key, uid=held.uid, available=available)
        if held.told and written:
            causes = {change.ref: change.cause for change in written if change.cause}
            self._drift_backoff.repaired(held.uid, generation=held.generation, causes=causes, now=time.time())
            if not any(change.error for change in changes):  # else the next look comes only after its back-off
                self._stacks.hold_back(key, uid=held.uid, at=time.monotonic())

    def _log(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.action in (Action.UNCHANGED, Action.TERMINATING, Action.BACKING_OFF, Action.SKIPPED):
                continue
            metrics.CHANGES.labels(change.action.value, change.ref.kind).inc()
            if change.action is Action.REPAIRED:
                metrics.DRIFT_REPAIRED.inc()
            if change.action is Action.FAILED:
                logger.warning("%s %s: %s", change.ref.kind, change.ref.name, change.error)
            else:
                logger.info("%s %s %s", change.ref.kind, change.ref.name, change.action.value.lower())


def _again(
    changes: Sequence[Change], *, missing: Container[tuple[str, str]], unsettled: bool, contests: float | None
) -> Result:
    """Return when to look again after what was done: after a failure with back-off.

    Who wants a kind that is known to be missing need not: it is woken by the watch that finds it.
    """
    errors = [one.error for one in changes if one.error is not None and not _waits(one, missing)]
    waits = [error.retry_after or 0.0 for error in errors if isinstance(error, ApiUnavailable)]
    if errors:
        return Result(after=max(waits, default=None), failed=True)
    waits = [SETTLED] * unsettled + ([] if contests is None else [contests])
    return Result(after=min(waits)) if waits else DONE


def _waits(change: Change, missing: Container[tuple[str, str]]) -> bool:
    return isinstance(change.error, KindNotServed) and (change.ref.api_version, change.ref.kind) in missing


def _as_written(change: Change, desired: Sequence[Manifest], spec: Mapping[str, Any]) -> Change:
    """Return a change of which a refusal names the fields that the author wrote."""
    error = change.error
    if type(error) is not ApiRejected:
        return change
    manifest = next((one for one in desired if Ref.of(one) == change.ref), None)
    if manifest is None:
        return change
    said = translate_field_paths(error.message, manifest, spec)
    return replace(change, error=ApiRejected(error.ref, status=error.status, reason=error.reason, message=said))


def _as_seen(change: Change) -> Change:
    """Return what a change is once the watch has shown it: the child as it should be."""
    return replace(change, action=Action.UNCHANGED) if change.action in WRITTEN else change


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

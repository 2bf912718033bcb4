"""Applies a plan: sends the writes, resolves conflicts, and returns the change of each child."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from appstack.client import requests
from appstack.client.client import Client
from appstack.client.requests import Request
from appstack.client.resource_kinds import kind_of
from appstack.client.responses import is_already_deleted, is_conflict, is_immutable
from appstack.errors import ApiRejected, ApiUnavailable, KindNotServed, OwnershipConflict
from appstack.informers.object_store import ObjectStore
from appstack.informers.transform import child_of
from appstack.k8s.observed import Child, Owner
from appstack.planning.changes import WRITTEN, Action, Applied, Change
from appstack.planning.drift import drift_cause
from appstack.planning.plan import (
    Apply,
    ApplyReason,
    AwaitDeletion,
    BackOff,
    Conflict,
    Leave,
    NotServed,
    Plan,
    Replace,
    Step,
    decide,
)
from appstack.telemetry import logs, metrics

logger = logging.getLogger(__name__)

WATCH_LAG_SECONDS: Final = 2.0
"""Seconds that informers have to observe our own writes; after them the reconcile continues without."""

_ACTIONS: Final[Mapping[ApplyReason, Action]] = {
    ApplyReason.CREATE: Action.CREATED,
    ApplyReason.CONFIGURE: Action.CONFIGURED,
    ApplyReason.REPAIR: Action.REPAIRED,
    ApplyReason.ADOPT: Action.CONFIGURED,
}
_SILENT: Final = frozenset({Action.UNCHANGED, Action.TERMINATING, Action.BACKING_OFF, Action.SKIPPED})


class Applier:
    """Applies plans with server-side apply, under the field manager of AppStack."""

    def __init__(self, *, client: Client, objects: ObjectStore) -> None:
        self._client = client
        self._objects = objects

    async def apply(self, plan: Plan, owner: Owner) -> tuple[Change, ...]:
        """Apply wave after wave, each once the one before it has succeeded, then prune; errors are in the changes.

        After a failure the remaining steps write nothing, but ownership conflicts are still found: a status reports
        them together.
        """
        changes: list[Change] = []
        for _, wave in groupby(sorted(plan.steps, key=_wave), key=_wave):
            steps = tuple(wave)
            handle = self._check_ownership if _has_failed(changes) else self._execute
            pending = [handle(step, owner) for step in steps if isinstance(step, Apply | Replace)]
            changes += [_unwritten(step) for step in steps if not isinstance(step, Apply | Replace)]
            changes += await asyncio.gather(*pending) if pending else ()
        if not _has_failed(changes) and all(change.action is not Action.REPLACED for change in changes):
            changes += await asyncio.gather(*(self._prune(child) for child in plan.prune))
        return tuple(changes)

    async def wait_for_cache(self, changes: Sequence[Change]) -> bool:
        """Wait until the informers have observed the writes; return whether they have."""
        written = [change.ref for change in changes if change.action in WRITTEN]
        versions = [(kind_of(ref), self._objects.version(ref), ref.namespace) for ref in written]
        try:
            async with asyncio.timeout(WATCH_LAG_SECONDS):
                for kind, version, namespace in versions:
                    await self._objects.wait_for(kind, version, namespace)
        except TimeoutError:
            return False
        return True

    async def _execute(self, step: Step, owner: Owner) -> Change:
        match step:
            case Apply():
                return await self._apply(step, owner)
            case Replace():
                return await self._replace(step)
            case _:
                return _unwritten(step)

    async def _check_ownership(self, step: Step, owner: Owner) -> Change:
        """Write nothing; return the conflict where the name of the child is taken."""
        if not isinstance(step, Apply) or step.live is not None:
            return _unwritten(step)
        try:
            child = await self._get_child(step)
        except (ApiRejected, ApiUnavailable):
            return _unwritten(step)  # the first failure is reported already
        return _unwritten(decide(owner, manifest=step.manifest, child=child, last_applied=step.last_applied))

    async def _apply(self, step: Apply, owner: Owner) -> Change:
        try:
            return await self._send(step)
        except ApiRejected as error:
            if step.live is not None and step.replaceable and is_immutable(error):
                reason = "the spec changes a field that is immutable"
                return await self._replace(Replace(step.ref, step.manifest, step.live, step.last_applied, reason))
            if not is_conflict(error):
                return Change(step.ref, Action.FAILED, step.last_applied, error)
        except ApiUnavailable as error:
            return Change(step.ref, Action.FAILED, step.last_applied, error)
        return await self._resolve_conflict(step, owner)

    async def _replace(self, step: Replace) -> Change:
        """Delete an object to recreate it, once a dry run has shown that the API server accepts the new one."""
        try:
            await self._dry_run_create(step)
            await self._delete(requests.delete(step.ref, uid=step.live.uid, foreground=True))
        except (ApiRejected, ApiUnavailable) as error:
            return Change(step.ref, Action.FAILED, step.last_applied, error)
        self._objects.mark_deleting(step.live)
        return Change(step.ref, Action.REPLACED, step.last_applied, note=step.reason)

    async def _dry_run_create(self, step: Replace) -> None:
        try:
            await self._client.send(requests.dry_run_create(step.manifest))
        except ApiRejected as error:
            if "exceeded quota" not in error.message:  # the deletion makes room for the new object
                raise

    async def _send(self, step: Apply) -> Change:
        if step.live is None:
            request = requests.create(step.manifest)
        else:
            request = requests.apply(step.manifest, uid=step.live.uid)
            if step.relinquishes_replicas:
                await self._hold_replicas(step.live)
        child = self._objects.record_write(request.kind, await self._client.send(request))
        same = step.last_applied is not None and step.last_applied.rendered == step.rendered
        recreated = step.reason is ApplyReason.CREATE and same
        ended = step.last_applied.ended if step.last_applied is not None and same and not recreated else None
        return Change(
            step.ref,
            Action.REPAIRED if recreated else _ACTIONS[step.reason],
            Applied(step.ref, step.rendered, child.fields, ended, step.spec_hash),
            cause=drift_cause(step.live, step.manifest),
        )

    async def _hold_replicas(self, child: Child) -> None:
        """Transfer `spec.replicas` to the handover manager: an apply without the field would reset it to one."""
        live = await self._client.send(requests.get(child.ref))
        replicas = live["spec"].get("replicas", 1)
        await self._client.send(requests.hold_replicas(child.ref, uid=child.uid, replicas=replicas))

    async def _resolve_conflict(self, step: Apply, owner: Owner) -> Change:
        """Decide again with the live object: the cache lacked it, or held one that no longer exists."""
        try:
            child = await self._get_child(step)
            if child is not None and child.deleting:
                return Change(step.ref, Action.FAILED, step.last_applied, ApiUnavailable(f"{step.ref} is terminating"))
            again = decide(owner, manifest=step.manifest, child=child, last_applied=step.last_applied)
            return await self._send(again) if isinstance(again, Apply) else await self._execute(again, owner)
        except ApiRejected as error:
            if is_conflict(error):
                changed = ApiUnavailable(f"{step.ref} was changed by another writer at the same time")
                return Change(step.ref, Action.FAILED, step.last_applied, changed)
            return Change(step.ref, Action.FAILED, step.last_applied, error)
        except ApiUnavailable as error:
            return Change(step.ref, Action.FAILED, step.last_applied, error)

    async def _get_child(self, step: Apply) -> Child | None:
        try:
            return child_of(kind_of(step.ref), await self._client.send(requests.get_metadata(step.ref)))
        except ApiRejected as error:
            if error.status == 404:
                return None
            raise

    async def _prune(self, child: Child) -> Change:
        try:
            await self._delete(requests.delete(child.ref, uid=child.uid))
        except (ApiRejected, ApiUnavailable) as error:
            return Change(child.ref, Action.FAILED, error=error)
        self._objects.mark_deleting(child)
        return Change(child.ref, Action.PRUNED)

    async def _delete(self, request: Request) -> None:
        try:
            await self._client.send(request)
        except ApiRejected as error:
            if not is_already_deleted(error):
                raise


def _wave(step: Step) -> int:
    return kind_of(step.ref).wave


def _has_failed(changes: Iterable[Change]) -> bool:
    return any(change.action is Action.FAILED for change in changes)


def log_and_count(changes: Iterable[Change]) -> None:
    """Log the changes and count them in the metrics."""
    for change in changes:
        if change.action in _SILENT:
            continue
        ref, action = change.ref, change.action.value
        metrics.CHANGES.labels(action, ref.kind).inc()
        if change.action is Action.REPAIRED:
            metrics.DRIFT_REPAIRED.inc()
        if change.action is Action.FAILED:
            logger.warning("Apply or prune failed: %s", change.error, extra=logs.fields(ref, action=action))
        else:
            logger.info("%s %s %s", ref.kind, ref.name, action.lower(), extra=logs.fields(ref, action=action))


def skipped(plan: Plan) -> tuple[Change, ...]:
    """Return the changes of a paused AppStack: nothing is written, and the status names the objects that differ."""
    steps = (
        Change(step.ref, Action.SKIPPED, step.last_applied) if isinstance(step, Apply | Replace) else _unwritten(step)
        for step in plan.steps
    )
    return (*steps, *(Change(child.ref, Action.SKIPPED) for child in plan.prune))


def _unwritten(step: Step) -> Change:
    """Return the change of a child to which nothing is written."""
    match step:
        case Apply() | Replace():
            return Change(step.ref, Action.UNCHANGED, step.last_applied)
        case AwaitDeletion():
            return Change(step.ref, Action.TERMINATING, step.last_applied)
        case BackOff():
            return Change(step.ref, Action.BACKING_OFF, step.last_applied, cause=step.cause)
        case Leave():
            return Change(step.ref, Action.UNCHANGED, step.applied)
        case Conflict():
            return Change(step.ref, Action.FAILED, error=OwnershipConflict(step.ref))
        case NotServed(disabled=disabled):
            return Change(step.ref, Action.FAILED, error=KindNotServed(step.ref, disabled=disabled))

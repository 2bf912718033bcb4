"""Carries a plan out: sends what it says, looks where it could not know, and tells what became of each child."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from appstack.client import requests
from appstack.client.client import Client
from appstack.client.requests import Request
from appstack.client.resource_kinds import of
from appstack.client.responses import is_conflict, is_gone, is_immutable
from appstack.errors import ApiRejected, ApiUnavailable, KindNotServed, OwnershipConflict
from appstack.informers.object_store import ObjectStore
from appstack.informers.transform import child_of
from appstack.k8s.observed import Child, Owner
from appstack.planning.changes import WRITTEN, Action, Applied, Change
from appstack.planning.drift import cause
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

_SHOWN_WITHIN: Final = 2.0  # seconds that a watch may lag behind our own write before we go on without it

_ACTIONS: Final[Mapping[ApplyReason, Action]] = {
    ApplyReason.CREATE: Action.CREATED,
    ApplyReason.CONFIGURE: Action.CONFIGURED,
    ApplyReason.REPAIR: Action.REPAIRED,
    ApplyReason.ADOPT: Action.CONFIGURED,
}


class Applier:
    """Does what a plan says."""

    def __init__(self, *, client: Client, cache: ObjectStore) -> None:
        self._client = client
        self._cache = cache

    async def apply(self, plan: Plan, owner: Owner) -> tuple[Change, ...]:
        """Apply wave by wave, each after the one before it has succeeded; prune after the last."""
        changes: list[Change] = []
        for _, wave in groupby(sorted(plan.steps, key=_wave), key=_wave):
            steps = tuple(wave)
            act = self._peek if _failed(changes) else self._do
            acting = [act(step, owner) for step in steps if isinstance(step, Apply | Replace)]
            changes += [_untouched(step) for step in steps if not isinstance(step, Apply | Replace)]
            changes += await asyncio.gather(*acting) if acting else ()
        if not _failed(changes) and all(change.action is not Action.REPLACED for change in changes):
            changes += await asyncio.gather(*(self._prune(child) for child in plan.prune))
        return tuple(changes)

    async def settle(self, changes: Sequence[Change]) -> bool:
        """Wait until the watches have shown what was written; tell whether they have."""
        written = [(of(change.ref), self._cache.version(change.ref)) for change in changes if change.action in WRITTEN]
        try:
            async with asyncio.timeout(_SHOWN_WITHIN):
                for kind, version in written:
                    await self._cache.shown(kind, version)
        except TimeoutError:
            return False
        return True

    async def _do(self, step: Step, owner: Owner) -> Change:
        match step:
            case Apply():
                return await self._apply(step, owner)
            case Replace():
                return await self._replace(step)
            case _:
                return _untouched(step)

    async def _peek(self, step: Step, owner: Owner) -> Change:
        """Write nothing, as what came before has failed; but find out who has the name, to tell all at once."""
        if not isinstance(step, Apply) or step.live is not None:
            return _untouched(step)
        try:
            child = await self._look(step)
        except (ApiRejected, ApiUnavailable):
            return _untouched(step)  # what has failed already is told
        return _untouched(decide(owner, manifest=step.manifest, child=child, last_applied=step.last_applied))

    async def _apply(self, step: Apply, owner: Owner) -> Change:
        try:
            return await self._send(step)
        except ApiRejected as error:
            if step.live is not None and step.replaceable and is_immutable(error):
                reason = "what the spec changes can't be changed in an object that is there"
                return await self._replace(Replace(step.ref, step.manifest, step.live, step.last_applied, reason))
            if not is_conflict(error):
                return Change(step.ref, Action.FAILED, step.last_applied, error)
        except ApiUnavailable as error:
            return Change(step.ref, Action.FAILED, step.last_applied, error)
        return await self._meet(step, owner)

    async def _replace(self, step: Replace) -> Change:
        """Delete what is to be made anew, once the API server has said that it would take the new one."""
        try:
            await self._rehearse(step)
            await self._delete(requests.delete(step.ref, uid=step.child.uid, last=True))
        except (ApiRejected, ApiUnavailable) as error:
            return Change(step.ref, Action.FAILED, step.last_applied, error)
        self._cache.doomed(step.child)
        return Change(step.ref, Action.REPLACED, step.last_applied, note=step.reason)

    async def _rehearse(self, step: Replace) -> None:
        try:
            await self._client.send(requests.dry_run_create(step.manifest))
        except ApiRejected as error:
            if "exceeded quota" not in error.message:  # what goes makes room for what comes
                raise

    async def _send(self, step: Apply) -> Change:
        request = (
            requests.create(step.manifest) if step.live is None else requests.apply(step.manifest, uid=step.live.uid)
        )
        if step.relinquishes_replicas and step.live is not None:
            await self._keep_replicas(step.live)
        child = self._cache.wrote(request.kind, await self._client.send(request))
        same = step.last_applied is not None and step.last_applied.rendered == step.rendered
        lost = step.reason is ApplyReason.CREATE and same
        ended = step.last_applied.ended if step.last_applied is not None and same and not lost else None
        return Change(
            step.ref,
            Action.REPAIRED if lost else _ACTIONS[step.reason],
            Applied(step.ref, step.rendered, child.fields, ended, step.wish),
            cause=cause(step.live, step.manifest),
        )

    async def _keep_replicas(self, child: Child) -> None:
        """Have the present number held by a second manager: an apply without it would fall back to one."""
        there = await self._client.send(requests.get(child.ref))
        await self._client.send(
            requests.keep_replicas(child.ref, uid=child.uid, replicas=there["spec"].get("replicas", 1))
        )

    async def _meet(self, step: Apply, owner: Owner) -> Change:
        """Decide again with what is there: the cache did not show it, or shows what is no longer there."""
        try:
            child = await self._look(step)
            if child is not None and child.deleting:
                return Change(
                    step.ref, Action.FAILED, step.last_applied, ApiUnavailable(f"{step.ref} is still being deleted")
                )
            again = decide(owner, manifest=step.manifest, child=child, last_applied=step.last_applied)
            return await self._send(again) if isinstance(again, Apply) else await self._do(again, owner)
        except ApiRejected as error:
            if is_conflict(error):
                changed = ApiUnavailable(f"{step.ref} was changed by others at this moment")
                return Change(step.ref, Action.FAILED, step.last_applied, changed)
            return Change(step.ref, Action.FAILED, step.last_applied, error)
        except ApiUnavailable as error:
            return Change(step.ref, Action.FAILED, step.last_applied, error)

    async def _look(self, step: Apply) -> Child | None:
        try:
            return child_of(of(step.ref), await self._client.send(requests.get_metadata(step.ref)))
        except ApiRejected as error:
            if error.status == 404:
                return None
            raise

    async def _prune(self, child: Child) -> Change:
        try:
            await self._delete(requests.delete(child.ref, uid=child.uid))
        except (ApiRejected, ApiUnavailable) as error:
            return Change(child.ref, Action.FAILED, error=error)
        self._cache.doomed(child)
        return Change(child.ref, Action.PRUNED)

    async def _delete(self, request: Request) -> None:
        try:
            await self._client.send(request)
        except ApiRejected as error:
            if not is_gone(error):
                raise


def _wave(step: Step) -> int:
    return of(step.ref).wave


def _failed(changes: Iterable[Change]) -> bool:
    return any(change.action is Action.FAILED for change in changes)


def skipped(plan: Plan) -> tuple[Change, ...]:
    """Return what a plan would do to each child, where nothing may be written."""
    steps = (
        Change(step.ref, Action.SKIPPED, step.last_applied) if isinstance(step, Apply | Replace) else _untouched(step)
        for step in plan.steps
    )
    return (*steps, *(Change(child.ref, Action.SKIPPED) for child in plan.prune))


def _untouched(step: Step) -> Change:
    """Return that a child was left as it is."""
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
        case NotServed():
            return Change(step.ref, Action.FAILED, error=KindNotServed(step.ref))

"""The reconcile of one AppStack."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Container, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from appstack.client import requests
from appstack.client.client import Client
from appstack.client.resource_kinds import Kind
from appstack.controller.applier import Applier, log_and_count, skipped
from appstack.controller.large_appstacks import LargeAppStacks
from appstack.controller.status_writer import StatusWriter
from appstack.errors import ApiRejected, ApiUnavailable, KindNotServed
from appstack.informers.appstack_store import AppStackStore, StoredAppStack
from appstack.informers.object_store import ObjectStore
from appstack.k8s.metadata import Key, Manifest, Ref
from appstack.k8s.observed import NO_DEPENDENCIES, Dependencies, Observed, Owner
from appstack.k8s.text import timestamp
from appstack.planning.changes import WRITTEN, Action, Applied, Change, only_own_writes, recorded_children
from appstack.planning.dependencies import awaited_dependencies
from appstack.planning.desired import DesiredState, DesiredStateCache
from appstack.planning.drift import drift_problems, requeue_after
from appstack.planning.plan import plan
from appstack.render.source_map import translate_field_paths
from appstack.settings import Settings
from appstack.status.build import build_status
from appstack.status.container_state import RESTART_STABLE_SECONDS, is_restarting
from appstack.status.diagnostics import seconds_until_due
from appstack.status.events import replacement_events
from appstack.workqueue.queue import DONE, Result, WorkQueue

DELETION_GRACE_SECONDS: Final = 0.25
"""Seconds to wait after the deletion of a child: its AppStack may be deleted too, and the watch of it shows that."""

NAMESPACE_LAG_SECONDS: Final = 0.2
"""Seconds to wait until the Namespace informer has observed the namespace of an AppStack."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One AppStack and its children, as the caches show them at the start of a reconcile."""

    key: Key
    stack: StoredAppStack
    manifest: Manifest
    observed: Observed
    dependencies: Dependencies = NO_DEPENDENCIES

    @property
    def owner(self) -> Owner:
        """The AppStack as its children refer to it."""
        return Owner(name=self.key.name, uid=self.stack.uid, spec=self.manifest["spec"])

    @property
    def recorded(self) -> dict[Ref, Applied]:
        """The last apply of each child, which the status records, or will record."""
        status = self.manifest.get("status") or {}
        return recorded_children(status, self.key.namespace) | {one.ref: one for one in self.stack.state.unrecorded}


class Reconciler:
    """Brings AppStacks to their desired state. It keeps nothing itself: see ReconcileState."""

    def __init__(
        self,
        *,
        settings: Settings,
        client: Client,
        appstacks: AppStackStore,
        objects: ObjectStore,
        queue: WorkQueue[Key],
        status_writer: StatusWriter,
        discover: Callable[[Container[Kind], str], Awaitable[None]],
    ) -> None:
        self._client = client
        self._appstacks = appstacks
        self._objects = objects
        self._queue = queue
        self._status_writer = status_writer
        self._discover = discover  # finds out whether the cluster serves these kinds in a namespace by now
        self._desired_states = DesiredStateCache(settings)
        self._applier = Applier(client=client, objects=objects)
        self._large = LargeAppStacks()

    async def reconcile(self, key: Key) -> Result:
        """Apply the children of an AppStack and submit its status; return when to reconcile it again."""
        async with self._large.reconcile(key.namespace, self._appstacks.get(key)):
            return await self._reconcile(key)

    async def _reconcile(self, key: Key) -> Result:
        await self._status_writer.drop_pending(key)
        snapshot = await self._observe(key)
        if isinstance(snapshot, Result):
            return snapshot
        snapshot, desired = await self._desire(snapshot)
        changes = await self._apply(snapshot, desired)
        cache_is_current = await self._applier.wait_for_cache(changes)
        after = self._objects.observed(key)
        self._update_state(snapshot, desired, after, changes)
        status = self._build_status(snapshot, desired, after, _as_observed(changes) if cache_is_current else changes)
        result = self._result(snapshot, after, changes, cache_is_current=cache_is_current)
        return await self._status_writer.submit(key, snapshot.stack, status, result)

    async def _observe(self, key: Key) -> Snapshot | Result:
        """Return the snapshot to work on, or the result where there is nothing to do now."""
        stack = await self._current(key)
        if stack is None or stack.deleting or self._objects.is_terminating(key.namespace):
            return DONE  # Kubernetes collects the children, by their owner references or with the namespace
        wait = stack.state.last_child_deletion + DELETION_GRACE_SECONDS - time.monotonic()
        if wait > 0:
            return Result(requeue_after=wait, keep_backoff=True)
        observed = self._objects.observed(key)
        if not observed.namespace_uid:
            return Result(requeue_after=NAMESPACE_LAG_SECONDS, keep_backoff=True)
        return Snapshot(key, stack, stack.manifest, observed)

    async def _current(self, key: Key) -> StoredAppStack | None:
        """Return the AppStack from the store; a stale one is read from the API server first."""
        stack = self._appstacks.get(key)
        if stack is None or not stack.stale:
            return stack
        try:
            found = await self._client.send(requests.get(key.ref))
            current = self._appstacks.get(key)
            if current is not None and current.uid == stack.uid:  # else the watch was faster
                self._appstacks.update(found)
        except ApiRejected as error:
            if error.status != 404:
                raise
            self._appstacks.delete(key, uid=stack.uid)
        return self._appstacks.get(key)

    async def _desire(self, snapshot: Snapshot) -> tuple[Snapshot, DesiredState]:
        """Return the desired state, and the snapshot again after discovery of the kinds that it needs."""
        refusal = snapshot.stack.refusal
        if refusal is not None:
            snapshot.stack.state.not_served = frozenset()
            return snapshot, DesiredState(None, (refusal,))
        steps = self._desired_states.steps(
            snapshot.manifest,
            namespace_uid=snapshot.observed.namespace_uid,
            namespace_labels=snapshot.observed.namespace_labels,
        )
        desired = await self._large.compute(snapshot.key.namespace, snapshot.stack, steps)
        not_served = self._objects.not_served(desired.manifests)
        if not_served:
            await self._discover(not_served, snapshot.key.namespace)
            snapshot = replace(snapshot, observed=self._objects.observed(snapshot.key))
        still_not_served = self._objects.not_served(desired.manifests)
        snapshot.stack.state.not_served = frozenset((kind.api_version, kind.kind) for kind in still_not_served)
        snapshot = replace(snapshot, dependencies=self._appstacks.dependencies(snapshot.key))
        return snapshot, _with_dependencies(desired.with_live_checks(snapshot.observed), snapshot)

    async def _apply(self, snapshot: Snapshot, desired: DesiredState) -> tuple[Change, ...]:
        """Apply the plan, unless the spec is invalid or paused; return the change of each child."""
        if desired.invalid:
            return ()
        state, now = snapshot.stack.state, time.time()
        drift = state.drift.persistent(generation=snapshot.stack.generation, now=now)
        steps = plan(
            snapshot.owner,
            desired=desired.manifests,
            observed=snapshot.observed,
            recorded=snapshot.recorded,
            backing_off={ref for ref, record in drift.items() if record.is_backing_off(now)},
        )
        if desired.paused:
            return skipped(steps)
        changes = await self._applier.apply(steps, snapshot.owner)
        changes = tuple(_with_author_fields(change, desired, snapshot.manifest["spec"]) for change in changes)
        log_and_count(changes)
        await self._status_writer.record_events(snapshot.manifest, replacement_events(changes))
        return changes

    def _update_state(
        self, snapshot: Snapshot, desired: DesiredState, after: Observed, changes: Sequence[Change]
    ) -> None:
        """Update the ReconcileState of the AppStack."""
        stack, state = snapshot.stack, snapshot.stack.state
        state.violations = desired.violations
        written = [change for change in changes if change.action in WRITTEN]
        state.record_applied({change.ref: change.applied for change in written if change.applied})
        if any(isinstance(change.error, ApiUnavailable) for change in changes):
            state.consecutive_outages += 1
        else:
            state.consecutive_outages = 0
        if stack.status_is_current and written:
            causes = {change.ref: change.cause for change in written if change.cause}
            state.drift = state.drift.with_repairs(causes, generation=stack.generation, now=time.time())
            if not any(change.error for change in changes):
                state.last_status_write = time.monotonic()  # a repair that settles within the debounce needs no status
        is_unchanged = (
            self._appstacks.is_unchanged(snapshot.key, stack)
            and self._appstacks.dependencies(snapshot.key) == snapshot.dependencies
        )
        if is_unchanged and only_own_writes(snapshot.observed, after, changes):
            self._queue.clear_dirty(snapshot.key)

    def _build_status(
        self, snapshot: Snapshot, desired: DesiredState, after: Observed, changes: tuple[Change, ...]
    ) -> dict[str, Any]:
        stack = snapshot.stack
        drift = stack.state.drift.persistent(generation=stack.generation, now=time.time())
        return build_status(
            snapshot.manifest,
            desired=desired,
            observed=after,
            changes=changes,
            drift_problems=drift_problems(drift, changes),
            unrecorded=stack.state.unrecorded,
            now=timestamp(datetime.now(UTC)),
        )

    def _result(
        self, snapshot: Snapshot, after: Observed, changes: Sequence[Change], *, cache_is_current: bool
    ) -> Result:
        """Return when to reconcile again: with back-off after an error, else when something is due.

        A kind that is not served is no error here: the informer of that kind enqueues the AppStacks that want it.
        """
        served = [change for change in changes if not _is_known_not_served(change, snapshot.observed)]
        errors = [change.error for change in served if change.error is not None]
        if errors:
            waits = [error.retry_after or 0.0 for error in errors if isinstance(error, ApiUnavailable)]
            return Result(requeue_after=max(waits, default=None), failed=True)
        now = datetime.now(UTC)
        drift = snapshot.stack.state.drift.persistent(generation=snapshot.stack.generation, now=now.timestamp())
        due = requeue_after(drift, changes, now.timestamp())
        delays = [] if due is None else [due]
        if not cache_is_current or is_restarting(after.pods, now=timestamp(now)):
            delays.append(RESTART_STABLE_SECONDS)
        diagnosis_due = seconds_until_due(after, now=timestamp(now))
        if diagnosis_due is not None:
            delays.append(diagnosis_due)
        return Result(requeue_after=min(delays)) if delays else DONE


def _with_dependencies(desired: DesiredState, snapshot: Snapshot) -> DesiredState:
    """Return the desired state without the workload while it waits for other AppStacks, and note whether it does.

    Nothing is awaited here between the look-up of the dependencies and the note: a dependency that becomes ready after
    the look-up enqueues the AppStack.
    """
    dependencies = snapshot.dependencies
    if dependencies is NO_DEPENDENCIES:
        snapshot.stack.state.awaits_dependencies = False
        return desired
    awaited = awaited_dependencies(dependencies, snapshot.owner, observed=snapshot.observed, recorded=snapshot.recorded)
    snapshot.stack.state.awaits_dependencies = bool(awaited)
    return desired.with_dependencies(dependencies, awaited=awaited)


def _is_known_not_served(change: Change, observed: Observed) -> bool:
    gvk = (change.ref.api_version, change.ref.kind)
    return isinstance(change.error, KindNotServed) and gvk in observed.not_served


def _with_author_fields(change: Change, desired: DesiredState, spec: dict[str, Any]) -> Change:
    """Return the change with a rejection that names the author's fields in place of rendered ones."""
    error = change.error
    if type(error) is not ApiRejected:
        return change
    manifest = next((one for one in desired.manifests if Ref.of(one) == change.ref), None)
    if manifest is None:
        return change
    message = translate_field_paths(error.message, manifest, spec)
    return replace(change, error=ApiRejected(error.ref, status=error.status, reason=error.reason, message=message))


def _as_observed(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Return the changes as the informers have observed them: written children are up to date."""
    return tuple(replace(change, action=Action.UNCHANGED) if change.action in WRITTEN else change for change in changes)

"""Plan of a reconcile: apply, replace, leave or prune each child, from the desired and the observed state.

The table of rules is tests/unit/test_plan.py; docs/architecture.md explains how drift is detected.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from appstack.k8s.metadata import Manifest, Ref, digest
from appstack.k8s.observed import Child, Observed, Owner
from appstack.planning.changes import Applied, Cause
from appstack.planning.drift import drift_cause

REPLACEABLE: Final = frozenset({"Job", "Pod"})
"""Kinds that run once: an object that the API server does not allow to change is deleted and recreated."""

_NON_POD_FIELDS: Final = frozenset({"dependsOn", "httpRoute", "ingress", "networkPolicy", "paused", "serviceMonitor"})
"""Fields of an AppStack's spec that have no effect on its pods."""


class ApplyReason(StrEnum):
    """Why a child is applied."""

    CREATE = "create"  # it does not exist
    CONFIGURE = "configure"  # its manifest differs from the last applied one, or no apply is recorded
    REPAIR = "repair"  # another client has changed fields that AppStack owns
    ADOPT = "adopt"  # an annotation on it asks AppStack to take it over


@dataclass(frozen=True, slots=True)
class Apply:
    """Apply the manifest: create the object if `live` is None, else change the object with the uid of `live`."""

    ref: Ref
    manifest: Manifest
    rendered: str
    reason: ApplyReason
    live: Child | None = None
    last_applied: Applied | None = None
    spec_hash: str = ""  # of a Job or Pod: see Applied

    @property
    def relinquishes_replicas(self) -> bool:
        """Whether AppStack owns spec.replicas and the manifest leaves it out: the number has to stay as it is."""
        return self.live is not None and self.live.owns_replicas and "replicas" not in self.manifest.get("spec", {})

    @property
    def replaceable(self) -> bool:
        """Whether the object may be deleted and recreated if the API server rejects the change."""
        return self.ref.kind in REPLACEABLE and self.live is not None


@dataclass(frozen=True, slots=True)
class Leave:
    """Write nothing: the child is as desired, or it has ended."""

    ref: Ref
    applied: Applied | None


@dataclass(frozen=True, slots=True)
class AwaitDeletion:
    """Write nothing: the child is being deleted, and recreated when the deletion is complete."""

    ref: Ref
    last_applied: Applied | None


@dataclass(frozen=True, slots=True)
class Replace:
    """Delete the child; it is recreated when the deletion is complete."""

    ref: Ref
    manifest: Manifest
    live: Child
    last_applied: Applied | None
    reason: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Write nothing: an object with this name exists that the AppStack does not own."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class NotServed:
    """Write nothing: the cluster does not serve the kind, or it is disabled in the settings."""

    ref: Ref
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class BackOff:
    """Write nothing for now: the child was repaired too often recently."""

    ref: Ref
    last_applied: Applied | None
    cause: Cause


Step = Apply | Leave | AwaitDeletion | Replace | BackOff | Conflict | NotServed


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in apply order, and the children to prune after all steps have succeeded."""

    steps: tuple[Step, ...]
    prune: tuple[Child, ...]


def plan(
    owner: Owner,
    *,
    desired: Sequence[Manifest],
    observed: Observed,
    recorded: Mapping[Ref, Applied],
    backing_off: Container[Ref] = (),
) -> Plan:
    """Return the steps from `observed` to `desired`.

    `recorded` has the last apply of each child. Children in `backing_off` are not written. Nothing is pruned before
    pending replacements are complete: an old child may still be needed.
    """
    decided = (_step(owner, manifest, observed, recorded.get(Ref.of(manifest))) for manifest in desired)
    steps = tuple(_back_off(step) if step.ref in backing_off else step for step in decided)
    if any(isinstance(step, AwaitDeletion | Replace) for step in steps):
        return Plan(steps, ())
    desired_refs = {step.ref for step in steps}
    undesired = (child for ref, child in sorted(observed.children.items()) if ref not in desired_refs)
    return Plan(steps, tuple(child for child in undesired if _is_prunable(child, owner, observed)))


def _step(owner: Owner, manifest: Manifest, observed: Observed, last_applied: Applied | None) -> Step:
    ref = Ref.of(manifest)
    if (ref.api_version, ref.kind) in observed.not_served:
        return NotServed(ref, disabled=(ref.api_version, ref.kind) in observed.disabled)
    child, ended = observed.children.get(ref), observed.ended.get(ref)
    if child is None and ended is not None and last_applied is not None and ended.owner_uid == owner.uid:
        last_applied = replace(last_applied, ended=ended.ended)  # it was deleted before a status recorded its end
    return decide(owner, manifest=manifest, child=child, last_applied=last_applied)


def _back_off(step: Step) -> Step:
    """Return a BackOff in place of a step that would write."""
    match step:
        case Apply() | Replace():
            return BackOff(step.ref, step.last_applied, drift_cause(step.live, step.manifest))
        case _:
            return step


def decide(owner: Owner, *, manifest: Manifest, child: Child | None, last_applied: Applied | None) -> Step:
    """Return the step for one manifest; `child` is the object of that name, None if there is none."""
    ref, rendered = Ref.of(manifest), digest(manifest)
    spec_hash = _spec_hash(owner) if ref.kind in REPLACEABLE else ""
    last_applied = _with_present_rendering(last_applied, rendered=rendered, spec_hash=spec_hash)
    ended = _ended_record(child, owner, rendered, last_applied)
    terminating = child is not None and (child.deleting or _owned_by_previous_uid(child, owner))
    if ended is not None and (child is None or terminating or child.owner_uid == owner.uid):
        return Leave(ref, ended)
    if child is None:
        return Apply(ref, manifest, rendered, ApplyReason.CREATE, last_applied=last_applied, spec_hash=spec_hash)
    if terminating:
        return AwaitDeletion(ref, last_applied)
    if not _is_controlled(child, owner, last_applied):
        adopt = Apply(ref, manifest, rendered, ApplyReason.ADOPT, live=child, spec_hash=spec_hash)
        return adopt if child.adopt else Conflict(ref)
    reason = _apply_reason(child, rendered, last_applied)
    if reason is None:
        return Leave(ref, last_applied)
    apply = Apply(ref, manifest, rendered, reason, live=child, last_applied=last_applied, spec_hash=spec_hash)
    return _apply_or_replace(apply, child)


def _apply_or_replace(step: Apply, child: Child) -> Step:
    """Return the given step, or a Replace if an apply to the existing object would have no effect."""
    changed = step.reason is ApplyReason.CONFIGURE and step.last_applied is not None
    reason = _replace_reason(child, step.manifest) if changed else ""
    return Replace(step.ref, step.manifest, child, step.last_applied, reason) if reason else step


def _spec_hash(owner: Owner) -> str:
    """Return the digest of the spec without fields that have no effect on pods."""
    return digest({name: value for name, value in owner.spec.items() if name not in _NON_POD_FIELDS})


def _with_present_rendering(last_applied: Applied | None, *, rendered: str, spec_hash: str) -> Applied | None:
    """Return the record of a Job or Pod with the present digests if it was created for the present spec.

    An operator of another version or with other settings may render the same spec otherwise. That must not run a Job
    or Pod again.
    """
    if last_applied is None or not spec_hash:
        return last_applied
    if last_applied.rendered != rendered and last_applied.spec_hash != spec_hash:
        return last_applied
    return replace(last_applied, rendered=rendered, spec_hash=spec_hash)


def _ended_record(child: Child | None, owner: Owner, rendered: str, last_applied: Applied | None) -> Applied | None:
    """Return the record of a Job or Pod that has ended for the present manifest; None if it has not."""
    if last_applied is None or last_applied.rendered != rendered:
        return None
    if child is not None and child.owner_uid == owner.uid:
        return replace(last_applied, ended=child.ended) if child.ended else None
    return last_applied if last_applied.ended else None


def _replace_reason(child: Child, manifest: Manifest) -> str:
    """Return why a changed manifest needs a new object even if the API server would accept the change; "" if not."""
    if child.ended:
        return f"the previous run has ended ({child.ended}), and the spec has changed"
    init_containers = manifest.get("spec", {}).get("initContainers", ())
    if child.ref.kind == "Pod" and any("restartPolicy" not in container for container in init_containers):
        return "its init containers run only when a pod starts, and the spec has changed"
    return ""


def _apply_reason(child: Child, rendered: str, last_applied: Applied | None) -> ApplyReason | None:
    """Return why an existing child has to be applied; None if it is as desired."""
    if last_applied is None or last_applied.rendered != rendered:
        return ApplyReason.CONFIGURE
    return ApplyReason.REPAIR if last_applied.fields != child.fields else None


def _is_controlled(child: Child, owner: Owner, last_applied: Applied | None) -> bool:
    """Return whether the AppStack owns the child, or no controller does and AppStack's field manager applied it."""
    if child.owner_uid:
        return child.owner_uid == owner.uid
    return bool(child.fields) and (child.stack == owner.name or last_applied is not None)


def _owned_by_previous_uid(child: Child, owner: Owner) -> bool:
    """Return whether a deleted AppStack of the same name owns the child: it is about to be garbage-collected."""
    return child.owner_stack == owner.name and child.owner_uid != owner.uid


def _is_prunable(child: Child, owner: Owner, observed: Observed) -> bool:
    if child.owner_uid != owner.uid or child.retained or child.deleting:
        return False
    return child.ref.kind != "ConfigMap" or child.files not in _file_revisions_in_use(observed)


def _file_revisions_in_use(observed: Observed) -> frozenset[str]:
    """Return the revisions of files that pods, running Jobs and rollback targets mount."""
    jobs = (child for ref, child in observed.children.items() if ref.kind == "Job")
    users: Iterable[Child] = (*observed.revisions, *observed.pods, *jobs)
    return frozenset(user.files for user in users if user.files and not user.ended)

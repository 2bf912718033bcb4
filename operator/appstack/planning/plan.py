"""Desired and observed become what to do: apply, replace, leave, prune. PURE.

The rules are a table in tests/unit/test_plan.py; why drift is exact stands in docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from appstack.k8s.metadata import Manifest, Ref, digest
from appstack.k8s.observed import Child, Observed, Owner
from appstack.planning.changes import Applied, Cause
from appstack.planning.drift import cause

REPLACEABLE: Final = frozenset({"Job", "Pod"})
"""Kinds that run once: where the API server will not change one, it is deleted and made anew."""


_AROUND: Final = frozenset({"httpRoute", "ingress", "networkPolicy", "paused"})


class ApplyReason(StrEnum):
    """Why a child is applied."""

    CREATE = "create"  # no such child was seen
    CONFIGURE = "configure"  # it is rendered otherwise than what was applied, or nothing tells what was
    REPAIR = "repair"  # somebody has changed what we set
    ADOPT = "adopt"  # its owner hands it over


@dataclass(frozen=True, slots=True)
class Apply:
    """Send the whole manifest: to nothing (`onto` is None), or onto that very object and no other."""

    ref: Ref
    manifest: Manifest
    rendered: str
    reason: ApplyReason
    live: Child | None = None
    last_applied: Applied | None = None
    wish: str = ""  # of work that runs once: see Applied

    @property
    def relinquishes_replicas(self) -> bool:
        """Whether it no longer holds the number of replicas that we held: that has to stay as it is."""
        return self.live is not None and self.live.owns_replicas and "replicas" not in self.manifest.get("spec", {})

    @property
    def replaceable(self) -> bool:
        """Whether the object may be made anew where it can't be changed."""
        return self.ref.kind in REPLACEABLE and self.live is not None


@dataclass(frozen=True, slots=True)
class Leave:
    """Write nothing: it is as it should be, or it came to its end."""

    ref: Ref
    applied: Applied | None


@dataclass(frozen=True, slots=True)
class AwaitDeletion:
    """Write nothing: it is on its way out, and made anew when it is gone."""

    ref: Ref
    last_applied: Applied | None


@dataclass(frozen=True, slots=True)
class Replace:
    """Delete it: it is made anew when it is gone."""

    ref: Ref
    manifest: Manifest
    child: Child
    last_applied: Applied | None
    reason: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Write nothing: the object of this name is somebody else's."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class NotServed:
    """Write nothing: the cluster does not know the kind."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class BackOff:
    """Write nothing for now: it was written too often of late."""

    ref: Ref
    last_applied: Applied | None
    cause: Cause


Step = Apply | Leave | AwaitDeletion | Replace | BackOff | Conflict | NotServed


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in apply order, and what goes once every one of them has succeeded."""

    steps: tuple[Step, ...]
    prune: tuple[Child, ...]


def plan(
    owner: Owner,
    *,
    desired: Sequence[Manifest],
    observed: Observed,
    recorded: Mapping[Ref, Applied],
    resting: Container[Ref] = (),
) -> Plan:
    """Return what brings the cluster from `observed` to `desired`; `recorded` is what was applied before."""
    found = (_step(owner, manifest, observed, recorded.get(Ref.of(manifest))) for manifest in desired)
    steps = tuple(_rest(step) if step.ref in resting else step for step in found)
    if any(isinstance(step, AwaitDeletion | Replace) for step in steps):
        return Plan(steps, ())
    wanted = {step.ref for step in steps}
    superfluous = (child for ref, child in sorted(observed.children.items()) if ref not in wanted)
    return Plan(steps, tuple(child for child in superfluous if _may_go(child, owner, observed)))


def _step(owner: Owner, manifest: Manifest, observed: Observed, last_applied: Applied | None) -> Step:
    ref = Ref.of(manifest)
    if (ref.api_version, ref.kind) in observed.missing:
        return NotServed(ref)
    child, last = observed.children.get(ref), observed.ended.get(ref)
    if child is None and last is not None and last_applied is not None and last.owner_uid == owner.uid:
        last_applied = replace(last_applied, ended=last.ended)  # it ended and was deleted before anybody noted the end
    return decide(owner, manifest=manifest, child=child, last_applied=last_applied)


def _rest(step: Step) -> Step:
    match step:
        case Apply():
            return BackOff(step.ref, step.last_applied, cause(step.live, step.manifest))
        case Replace():
            return BackOff(step.ref, step.last_applied, cause(step.child, step.manifest))
        case _:
            return step


def decide(owner: Owner, *, manifest: Manifest, child: Child | None, last_applied: Applied | None) -> Step:
    """Return the step for one manifest and the object that bears its name."""
    ref, rendered = Ref.of(manifest), digest(manifest)
    wish = _wish(owner) if ref.kind in REPLACEABLE else ""
    last_applied = _still_wanted(last_applied, rendered=rendered, wish=wish)
    done = _done(child, owner, rendered, last_applied)
    going = child is not None and (child.deleting or _left_over(child, owner))
    if done is not None and (child is None or going or child.owner_uid == owner.uid):
        return Leave(ref, done)
    if child is None:
        return Apply(ref, manifest, rendered, ApplyReason.CREATE, last_applied=last_applied, wish=wish)
    if going:
        return AwaitDeletion(ref, last_applied)
    if not _is_ours(child, owner, last_applied):
        return (
            Apply(ref, manifest, rendered, ApplyReason.ADOPT, live=child, wish=wish) if child.adopt else Conflict(ref)
        )
    reason = _why(child, rendered, last_applied)
    if reason is None:
        return Leave(ref, last_applied)
    return _change(Apply(ref, manifest, rendered, reason, live=child, last_applied=last_applied, wish=wish), child)


def _change(step: Apply, child: Child) -> Step:
    """Return how a child becomes what is wanted: in place, or by another object."""
    reason = (
        _past_changing(child, step.manifest)
        if step.reason is ApplyReason.CONFIGURE and step.last_applied is not None
        else ""
    )
    return Replace(step.ref, step.manifest, child, step.last_applied, reason) if reason else step


def _wish(owner: Owner) -> str:
    """Return the digest of what the author wrote, less what no pod ever sees."""
    return digest({name: value for name, value in owner.spec.items() if name not in _AROUND})


def _still_wanted(last_applied: Applied | None, *, rendered: str, wish: str) -> Applied | None:
    """Return the record, brought up to date where it tells of the same wish.

    The same wish that is rendered otherwise is the operator's doing (an upgrade, a setting), and no reason to do work
    again.
    """
    if last_applied is None or not wish or (last_applied.rendered != rendered and last_applied.wish != wish):
        return last_applied
    return replace(last_applied, rendered=rendered, wish=wish)


def _done(child: Child | None, owner: Owner, rendered: str, last_applied: Applied | None) -> Applied | None:
    """Return the record of work that came to its end for this very rendering; None while it has not."""
    if last_applied is None or last_applied.rendered != rendered:
        return None
    if child is not None and child.owner_uid == owner.uid:
        return replace(last_applied, ended=child.ended) if child.ended else None
    return last_applied if last_applied.ended else None


def _past_changing(child: Child, manifest: Manifest) -> str:
    """Return why a changed rendering needs a new object, whatever the API server would allow."""
    if child.ended:
        return f"the former one has ended ({child.ended}), and the spec has changed"
    prepared = (one for one in manifest.get("spec", {}).get("initContainers", ()) if "restartPolicy" not in one)
    if child.ref.kind == "Pod" and any(prepared):
        return "its init containers run only when a pod starts, and the spec has changed"
    return ""


def _why(child: Child, rendered: str, last_applied: Applied | None) -> ApplyReason | None:
    """Return why a child of ours is applied again; None when it is as it should be."""
    if last_applied is None or last_applied.rendered != rendered:
        return ApplyReason.CONFIGURE
    return ApplyReason.REPAIR if last_applied.fields != child.fields else None


def _is_ours(child: Child, owner: Owner, last_applied: Applied | None) -> bool:
    """Tell whether we made it: we own it, or nobody does and it still carries what we applied."""
    if child.owner_uid:
        return child.owner_uid == owner.uid
    return bool(child.fields) and (child.stack == owner.name or last_applied is not None)


def _left_over(child: Child, owner: Owner) -> bool:
    """Tell whether it was made for an earlier stack of this name: it goes with that one's owner reference."""
    return child.owner_stack == owner.name and child.owner_uid != owner.uid


def _may_go(child: Child, owner: Owner, observed: Observed) -> bool:
    if child.owner_uid != owner.uid or child.retained or child.deleting:
        return False
    return child.ref.kind != "ConfigMap" or child.files not in _files_in_use(observed)


def _files_in_use(observed: Observed) -> frozenset[str]:
    """Return the revisions of files that something running, or something to roll back to, still needs."""
    jobs = (child for ref, child in observed.children.items() if ref.kind == "Job")
    bearers: Iterable[Child] = (*observed.revisions, *observed.pods, *jobs)
    return frozenset(bearer.files for bearer in bearers if bearer.files and not bearer.ended)

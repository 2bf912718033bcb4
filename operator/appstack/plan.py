"""Desired and observed become what to do: apply, leave, prune. PURE.

The rules are a table in tests/unit/test_plan.py; why drift is exact stands in docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from appstack.meta import Manifest, Ref, digest
from appstack.observed import Applied, Child, Observed


class Why(StrEnum):
    """Why a child is applied."""

    CREATE = "create"  # no such child was seen
    CONFIGURE = "configure"  # it is rendered otherwise than what was applied, or nothing tells what was
    REPAIR = "repair"  # somebody has changed what we set
    ADOPT = "adopt"  # its owner hands it over


@dataclass(frozen=True, slots=True)
class Owner:
    """The stack as its children know it."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Apply:
    """Send the whole manifest: to nothing (`onto` is None), or onto that very object and no other."""

    ref: Ref
    manifest: Manifest
    rendered: str
    why: Why
    onto: Child | None = None
    former: Applied | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """Write nothing: it is as it should be, or on its way out and made anew when it is gone."""

    ref: Ref
    applied: Applied | None


@dataclass(frozen=True, slots=True)
class Foreign:
    """Write nothing: the object of this name is somebody else's."""

    ref: Ref


Step = Apply | Leave | Foreign


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
) -> Plan:
    """Return what brings the cluster from `observed` to `desired`; `recorded` is what was applied before."""
    steps = tuple(
        decide(
            owner,
            manifest=manifest,
            child=observed.children.get(Ref.of(manifest)),
            former=recorded.get(Ref.of(manifest)),
        )
        for manifest in desired
    )
    wanted = {step.ref for step in steps}
    superfluous = (child for ref, child in sorted(observed.children.items()) if ref not in wanted)
    return Plan(steps, tuple(child for child in superfluous if _may_go(child, owner, observed)))


def decide(owner: Owner, *, manifest: Manifest, child: Child | None, former: Applied | None) -> Step:
    """Return the step for one manifest and the object that bears its name."""
    ref, rendered = Ref.of(manifest), digest(manifest)
    if child is None:
        return Apply(ref, manifest, rendered, Why.CREATE, former=former)
    if child.deleting or _left_over(child, owner):
        return Leave(ref, former)
    if not _is_ours(child, owner, former):
        return Apply(ref, manifest, rendered, Why.ADOPT, onto=child) if child.adopt else Foreign(ref)
    why = _why(child, rendered, former)
    return Leave(ref, former) if why is None else Apply(ref, manifest, rendered, why, onto=child, former=former)


def _why(child: Child, rendered: str, former: Applied | None) -> Why | None:
    """Return why a child of ours is applied again; None when it is as it should be."""
    if former is None or former.rendered != rendered:
        return Why.CONFIGURE
    return Why.REPAIR if former.fields != child.fields else None


def _is_ours(child: Child, owner: Owner, former: Applied | None) -> bool:
    """Tell whether we made it: we own it, or nobody does and it still carries what we applied."""
    if child.owner_uid:
        return child.owner_uid == owner.uid
    return bool(child.fields) and (child.stack == owner.name or former is not None)


def _left_over(child: Child, owner: Owner) -> bool:
    """Tell whether it was made for an earlier stack of this name: it goes with that one's owner reference."""
    return child.owner_stack == owner.name and child.owner_uid != owner.uid


def _may_go(child: Child, owner: Owner, observed: Observed) -> bool:
    if child.owner_uid != owner.uid or child.retained or child.deleting:
        return False
    return not (child.files and child.files in _files_in_use((*observed.revisions, *observed.pods)))


def _files_in_use(bearers: Iterable[Child]) -> frozenset[str]:
    """Return the revisions of files that something running, or something to roll back to, still needs."""
    return frozenset(bearer.files for bearer in bearers if bearer.files)

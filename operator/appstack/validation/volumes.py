"""Volumes: one source each, mounted by somebody, and shared by as many pods as they can be. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from appstack.api.volumes import Claim, Volume
from appstack.errors import Severity, ValidationIssue
from appstack.k8s.metadata import RESERVED_PREFIX
from appstack.validation.subject import Subject, repeated

_MODES: Final = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")


def _located(subject: Subject) -> list[tuple[str, Volume]]:
    return [(f"spec.volumes[{index}]", volume) for index, volume in enumerate(subject.spec.volumes)]


def names(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield names that are AppStack's, and names that another volume has."""
    located = [(f"{where}.name", volume.name) for where, volume in _located(subject)]
    for where, name in located:
        if name.startswith(RESERVED_PREFIX):
            yield ValidationIssue(
                where, f"names that begin with {RESERVED_PREFIX!r} are AppStack's own", "choose another"
            )
    yield from repeated(located, key=str, what=lambda name: f"a volume {name!r}")


def sources(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield volumes with no source or several, and what the kind of volume itself refuses."""
    for where, volume in _located(subject):
        written = volume.sources()
        if not written:
            hint = "for example emptyDir: {}, nodeCache: {} or claim: {resources: {requests: {storage: 1Gi}}}"
            yield ValidationIssue(where, "does not say what it is", hint)
        elif len(written) > 1:
            yield ValidationIssue(where, f"is several things at once: {', '.join(written)}", "keep one of them")
        else:
            yield from volume.kind.issues(f"{where}.{written[0]}", subject.settings)


def unused(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield volumes that no container mounts."""
    seen = {name for member in subject.members for name in subject.seen_volumes(member)}
    for where, volume in _located(subject):
        if volume.name not in seen:
            yield ValidationIssue(
                where, f"no container mounts {volume.name!r}", "mount it, or leave it out", Severity.WARNING
            )


def access(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield access modes that are none, and claims that not all pods of the stack can mount at once."""
    for where, volume in _located(subject):
        if volume.claim is None:
            continue
        field = f"{where}.claim.accessModes"
        modes = _modes(volume.claim)
        for mode in modes:
            if mode not in _MODES:
                yield ValidationIssue(field, f"{mode!r} is not an access mode", f"one of {', '.join(_MODES)}")
        if not modes:
            yield ValidationIssue(field, "is empty", "leave it out for ReadWriteOnce")
        elif "ReadWriteOncePod" in modes and len(modes) > 1:
            yield ValidationIssue(field, "ReadWriteOncePod excludes all others", "keep one of them")
        elif not (volume.claim.per_replica or {"ReadWriteMany", "ReadOnlyMany"} & set(modes)):
            yield from _shared(subject, field, alone="ReadWriteOncePod" in modes)


def _shared(subject: Subject, field: str, *, alone: bool) -> Iterator[ValidationIssue]:
    """Yield a claim that several pods want, though it is made for one node or (`alone`) one pod."""
    pods = subject.most_pods
    if pods is None or pods > 1:
        what = f"{pods} replicas can only share it where all their pods run on one node"
        if pods is None:
            what = "only one node can mount it, and a DaemonSet has a pod on each"
        elif alone:
            what = f"only one of {pods} replicas can ever mount it"
        yield ValidationIssue(field, what, "ReadWriteMany, where the storage class has it", Severity.WARNING)
    elif alone and _rolls(subject):
        what = "while pods roll, the new one waits for the claim that the old one keeps until the new one is ready"
        yield ValidationIssue(field, what, "spec.workload.deployment.strategy: {type: Recreate}", Severity.WARNING)


def _modes(claim: Claim) -> list[str]:
    return ["ReadWriteOnce"] if claim.access_modes is None else claim.access_modes


def _rolls(subject: Subject) -> bool:
    """Tell whether a new pod starts beside the old one: so it does unless the author wrote another strategy."""
    workload = subject.spec.workload
    strategy = workload.deployment.strategy if workload.deployment else None
    recreated = strategy is not None and (strategy.type == "Recreate" or strategy.rolling_update is not None)
    return workload.kind == "Deployment" and not recreated


def per_replica(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield claims per replica that a StatefulSet can't tell apart, and retention that it can't give them."""
    located = [(f"{where}.claim", volume.name, volume.claim) for where, volume in _located(subject) if volume.claim]
    own = [(where, name, claim) for where, name, claim in located if claim.per_replica]
    for where, _, claim in located:
        if claim.retention_policy.when_scaled == "Delete" and not claim.per_replica:
            what = "only a claim per replica goes when a replica goes"
            yield ValidationIssue(f"{where}.retentionPolicy.whenScaled", what, "leave it out, or set perReplica: true")
    for where, _, claim in own:
        if claim.retention_policy != own[0][2].retention_policy:
            what = f"must be that of {own[0][0]}: a StatefulSet has one for all its claims"
            yield ValidationIssue(f"{where}.retentionPolicy", what, "write the same at both")
    stack = subject.stack.metadata.name
    for where, name, claim in located:
        for other, each, _ in own:
            shared = claim.claim_name(name, stack)
            if not claim.per_replica and re.fullmatch(rf"{re.escape(f'{each}-{stack}-')}\d+", shared):
                yield ValidationIssue(
                    where, f"its claim {shared!r} is also a replica's of {other}", "rename one of the volumes"
                )


CHECKS: Final = (names, sources, unused, access, per_replica)

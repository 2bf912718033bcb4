"""Checks of `spec.volumes`: names, sources, use, access modes and claims per replica."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from appstack.api.volumes import Claim, Volume
from appstack.errors import Severity, ValidationIssue
from appstack.k8s.metadata import RESERVED_PREFIX
from appstack.validation.context import ValidationContext
from appstack.validation.issues import duplicate_issues, enum_issues, reserved_name_issue

_ACCESS_MODES: Final = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")


def _located(context: ValidationContext) -> list[tuple[str, Volume]]:
    return [(f"spec.volumes[{index}]", volume) for index, volume in enumerate(context.spec.volumes)]


def names(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each volume name that is reserved or that another volume has."""
    located = [(f"{field}.name", volume.name) for field, volume in _located(context)]
    for field, name in located:
        if name.startswith(RESERVED_PREFIX):
            yield reserved_name_issue(field)
    yield from duplicate_issues(located, key=str, describe=lambda name: f"the volume {name!r}")


def sources(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each volume with several sources, a warning for one without, and those of the source."""
    for field, volume in _located(context):
        written = volume.sources()
        if not written:
            hint = "write emptyDir: {}, or the source that is meant"
            yield ValidationIssue(field, "has no source, so it is an emptyDir", hint, Severity.WARNING)
        elif len(written) > 1:
            yield ValidationIssue(field, f"has several sources: {', '.join(written)}", "keep one of them")
        else:
            yield from volume.kind.issues(f"{field}.{written[0]}", context.settings)


def unused(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield a warning for each volume that no container mounts."""
    for field, volume in _located(context):
        if not context.users_of_volume[volume.name]:
            message = f"no container mounts {volume.name!r}"
            yield ValidationIssue(field, message, "mount the volume, or remove it", Severity.WARNING)


def access_modes(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for invalid access modes, and a warning for a claim that not all pods can mount at once."""
    for volume_field, volume in _located(context):
        if volume.claim is None:
            continue
        field = f"{volume_field}.claim.accessModes"
        modes = _modes(volume.claim)
        for mode in modes:
            yield from enum_issues(field, mode, _ACCESS_MODES, noun="an access mode")
        if not modes:
            yield ValidationIssue(field, "must not be empty", "remove the field to use ReadWriteOnce")
        elif "ReadWriteOncePod" in modes and len(modes) > 1:
            message = "ReadWriteOncePod cannot be combined with other access modes"
            yield ValidationIssue(field, message, "keep one of them")
        elif not (volume.claim.per_replica or {"ReadWriteMany", "ReadOnlyMany"} & set(modes)):
            yield from _shared_claim(context, field, single_pod="ReadWriteOncePod" in modes)


def _shared_claim(context: ValidationContext, field: str, *, single_pod: bool) -> Iterator[ValidationIssue]:
    """Yield a warning for a claim that several pods mount although its mode allows one node, or one pod, only."""
    pods = context.max_pods
    if pods is None or pods > 1:
        message = f"{pods} replicas can share this claim only while all their pods run on one node"
        if pods is None:
            message = "only one node can mount this claim, and a DaemonSet runs a pod on every node"
        elif single_pod:
            message = f"only one of {pods} replicas can ever mount this claim"
        yield ValidationIssue(field, message, "use ReadWriteMany if the storage class supports it", Severity.WARNING)
    elif _rolls_with_surge(context):
        message = (
            "in a rolling update the new pod waits for this claim, which the old pod holds until the new pod is ready"
        )
        if not single_pod:
            message = "in a rolling update a new pod on another node waits for this claim, which the old pod holds"
        yield ValidationIssue(
            field, message, "set spec.workload.deployment.strategy: {type: Recreate}", Severity.WARNING
        )


def _modes(claim: Claim) -> list[str]:
    return ["ReadWriteOnce"] if claim.access_modes is None else claim.access_modes


def _rolls_with_surge(context: ValidationContext) -> bool:
    """Return whether a rollout starts the new pod before the old one ends, the default of a Deployment."""
    workload = context.spec.workload
    strategy = workload.deployment.strategy if workload.deployment else None
    rolling = strategy.rolling_update if strategy else None
    stops_first = rolling is not None and rolling.max_unavailable not in (None, 0, "0%")
    recreates = strategy is not None and strategy.type == "Recreate"
    return workload.kind == "Deployment" and not (recreates or stops_first)


def claims_per_replica(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each retention policy that a StatefulSet cannot apply, and for each claim name used twice."""
    located = [(f"{field}.claim", volume.name, volume.claim) for field, volume in _located(context) if volume.claim]
    per_replica = [(field, name, claim) for field, name, claim in located if claim.per_replica]
    for field, _, claim in located:
        if claim.per_replica is None and context.spec.workload.kind == "StatefulSet":
            message = "must be written on a StatefulSet"
            hint = "true: a claim for each replica, as volumeClaimTemplates; false: one claim that all replicas share"
            yield ValidationIssue(f"{field}.perReplica", message, hint)
        if claim.retention_policy.when_scaled == "Delete" and not claim.per_replica:
            message = "Delete applies only to a claim per replica"
            hint = "remove the field, or set perReplica: true"
            yield ValidationIssue(f"{field}.retentionPolicy.whenScaled", message, hint)
    for field, _, claim in per_replica:
        first_field, _, first_claim = per_replica[0]
        if claim.retention_policy != first_claim.retention_policy:
            message = f"must equal the retentionPolicy of {first_field}: a StatefulSet has one for all its claims"
            yield ValidationIssue(f"{field}.retentionPolicy", message, "set the same retentionPolicy on both")
    yield from _claims_named_like_replicas(context, located)


def _claims_named_like_replicas(
    context: ValidationContext, located: list[tuple[str, str, Claim]]
) -> Iterator[ValidationIssue]:
    """Yield an issue for each claim whose name a StatefulSet gives to the claim of a replica: `data-shop-0`."""
    stack = context.stack.metadata.name
    per_replica = {f"{name}-{stack}": field for field, name, claim in located if claim.per_replica}
    for field, name, claim in located:
        claim_name = claim.claim_name(name, stack)
        base_name, _, ordinal = claim_name.rpartition("-")
        if base_name in per_replica and ordinal.isdecimal() and not claim.per_replica:
            other_field = per_replica[base_name]
            message = f"the PersistentVolumeClaim {claim_name!r} is also the claim of a replica of {other_field}"
            yield ValidationIssue(field, message, "rename one of the volumes")


CHECKS: Final = (names, sources, unused, access_modes, claims_per_replica)

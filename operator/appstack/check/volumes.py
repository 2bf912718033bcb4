"""Volumes: one source each, mounted by somebody, and shared by as many pods as they can be. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from appstack.check.subject import Subject, repeated
from appstack.errors import Fault, Severity
from appstack.meta import RESERVED_PREFIX
from appstack.model.volumes import Claim, Volume

_MODES: Final = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")


def _located(subject: Subject) -> list[tuple[str, Volume]]:
    return [(f"spec.volumes[{index}]", volume) for index, volume in enumerate(subject.spec.volumes)]


def names(subject: Subject) -> Iterator[Fault]:
    """Yield names that are AppStack's, and names that another volume has."""
    located = [(f"{where}.name", volume.name) for where, volume in _located(subject)]
    for where, name in located:
        if name.startswith(RESERVED_PREFIX):
            yield Fault(where, f"names that begin with {RESERVED_PREFIX!r} are AppStack's own", "choose another")
    yield from repeated(located, key=str, what=lambda name: f"a volume {name!r}")


def sources(subject: Subject) -> Iterator[Fault]:
    """Yield volumes with no source or several, and what the kind of volume itself refuses."""
    for where, volume in _located(subject):
        written = volume.sources()
        if not written:
            hint = "for example emptyDir: {}, nodeCache: {} or claim: {resources: {requests: {storage: 1Gi}}}"
            yield Fault(where, "does not say what it is", hint)
        elif len(written) > 1:
            yield Fault(where, f"is several things at once: {', '.join(written)}", "keep one of them")
        else:
            yield from volume.kind.faults(f"{where}.{written[0]}", subject.settings)


def unused(subject: Subject) -> Iterator[Fault]:
    """Yield volumes that no container mounts."""
    seen = {name for member in subject.members for name in subject.seen_volumes(member)}
    for where, volume in _located(subject):
        if volume.name not in seen:
            yield Fault(where, f"no container mounts {volume.name!r}", "mount it, or leave it out", Severity.WARNING)


def access(subject: Subject) -> Iterator[Fault]:
    """Yield access modes that are none, and claims that not all pods of the stack can mount at once."""
    for where, volume in _located(subject):
        if volume.claim is None:
            continue
        field = f"{where}.claim.accessModes"
        modes = _modes(volume.claim)
        for mode in modes:
            if mode not in _MODES:
                yield Fault(field, f"{mode!r} is not an access mode", f"one of {', '.join(_MODES)}")
        if not modes:
            yield Fault(field, "is empty", "leave it out for ReadWriteOnce")
        elif "ReadWriteOncePod" in modes and len(modes) > 1:
            yield Fault(field, "ReadWriteOncePod excludes all others", "keep one of them")
        elif (subject.spec.replicas or 1) > 1 and not {"ReadWriteMany", "ReadOnlyMany"} & set(modes):
            what = f"{subject.spec.replicas} replicas can only share it where all their pods run on one node"
            if "ReadWriteOncePod" in modes:
                what = f"only one of {subject.spec.replicas} replicas can ever mount it"
            yield Fault(field, what, "ReadWriteMany, where the storage class has it", Severity.WARNING)
        elif "ReadWriteOncePod" in modes and _rolls(subject):
            what = "while pods roll, the new one waits for the claim that the old one keeps until the new one is ready"
            yield Fault(field, what, "spec.workload.deployment.strategy: {type: Recreate}", Severity.WARNING)


def _modes(claim: Claim) -> list[str]:
    return ["ReadWriteOnce"] if claim.access_modes is None else claim.access_modes


def _rolls(subject: Subject) -> bool:
    """Tell whether a new pod starts beside the old one: of one replica, a share unavailable is rounded to none."""
    strategy = subject.spec.workload.chosen.strategy
    return strategy is None or (strategy.type != "Recreate" and strategy.rolling_update is None)


CHECKS: Final = (names, sources, unused, access)

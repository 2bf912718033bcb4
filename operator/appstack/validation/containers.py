"""Names, roles and the start order of containers. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from appstack.api.containers import BACKEND, PROXY, Sidecar, SidecarRole
from appstack.errors import Severity, ValidationIssue
from appstack.k8s.metadata import RESERVED_PREFIX
from appstack.validation.subject import Member, Subject, repeated

_NOT_FOR_INIT: Final = ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle", "resizePolicy")


def names(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield names that are AppStack's, and names that another container has."""
    chosen = [(f"{member.field}.name", member.name) for member in subject.members if _named_by_author(member)]
    for field, name in chosen:
        if name.startswith(RESERVED_PREFIX):
            yield ValidationIssue(
                field, f"names that begin with {RESERVED_PREFIX!r} are AppStack's own", "choose another"
            )
        elif name in (BACKEND, PROXY):
            yield ValidationIssue(field, f"{name!r} is the container of spec.{name}", "choose another")
    yield from repeated(chosen, key=str, what=lambda name: f"a container {name!r}")


def _named_by_author(member: Member) -> bool:
    return member.field.endswith("]")


def images(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield images that are written and empty: without the field a container inherits the backend's."""
    for member in subject.members:
        if member.container.image == "":
            yield ValidationIssue(f"{member.field}.image", "is empty", "name an image, or leave the field out")


def run_to_their_end(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield what a container can't have that ends before the backend starts."""
    for member in subject.members:
        if not member.runs_to_its_end:
            continue
        written = member.container.dump()
        for name in _NOT_FOR_INIT:
            if name in written:
                yield ValidationIssue(
                    f"{member.field}.{name}",
                    "an init container runs to its end and has none",
                    "leave it out, or make it a native sidecar with restartPolicy: Always",
                )


def roles(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield sidecars that can't do what their role is."""
    for member in subject.members:
        match member.container:
            case Sidecar(role=SidecarRole.AMBASSADOR):
                yield from _ambassador(subject, member, member.container)
            case Sidecar(role=SidecarRole.ADAPTER):
                yield from _adapter(subject, member)
            case _:
                pass


def _ambassador(subject: Subject, member: Member, sidecar: Sidecar) -> Iterator[ValidationIssue]:
    if not sidecar.ports:
        yield ValidationIssue(f"{member.field}.ports", "an Ambassador must declare the port on which it listens")
    if subject.spec.pod.host_network:
        yield ValidationIssue(
            f"{member.field}.role",
            "an Ambassador can't stand on spec.pod.hostNetwork: loopback is the node's there, open to all its pods",
            "leave out hostNetwork, or the ambassador",
        )
    if not sidecar.native:
        yield ValidationIssue(
            f"{member.field}.native",
            "an ordinary container starts together with the backend, so this Ambassador is not up before it",
            "leave out native: false",
            Severity.WARNING,
        )
    elif sidecar.startup_probe is None:
        yield ValidationIssue(
            f"{member.field}.startupProbe",
            'without one, "up before the backend" means only that the Ambassador\'s process was started',
            "write one; where it listens on loopback only, an exec",
            Severity.WARNING,
        )


def _adapter(subject: Subject, member: Member) -> Iterator[ValidationIssue]:
    mine = subject.seen_volumes(member)
    shared = any(mine & subject.seen_volumes(other) for other in subject.members if other is not member)
    if not (shared or member.container.ports):
        yield ValidationIssue(
            member.field,
            "an Adapter must share a volume with another container, or declare a port",
            "mount the volume that the other one writes to",
        )


def environments(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield variables that a container sets twice, or that nobody could set."""
    for member in subject.members:
        written = [
            (f"{member.field}.env[{index}].name", variable.name)
            for index, variable in enumerate(member.container.env or [])
        ]
        yield from repeated(written, key=str, what=lambda name: f"the variable {name!r}")
        for where, name in written:
            if not name or "=" in name:
                yield ValidationIssue(where, f"{name!r} is not a variable's name", "at least one character, and no '='")


CHECKS: Final = (names, images, run_to_their_end, roles, environments)

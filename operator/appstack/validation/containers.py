"""Checks of containers: names, images, init containers, sidecar roles and environment variables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from appstack.api.containers import Sidecar, SidecarRole
from appstack.errors import Severity, ValidationIssue
from appstack.k8s.metadata import RESERVED_PREFIX
from appstack.validation.context import ContainerView, ValidationContext
from appstack.validation.issues import duplicate_issues, reserved_name_issue

SHARED_LOOPBACK: Final = (
    "cannot run with spec.pod.hostNetwork: the loopback interface is then the node's and not private to the pod"
)

_ROLES: Final = ("spec.backend", "spec.proxy")
_UNSUPPORTED_ON_INIT: Final = ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle", "resizePolicy")


def names(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each container name that is reserved, or that is the name or the role of another container."""
    roles = {container.role: container.field for container in context.containers if container.field in _ROLES}
    named: list[tuple[str, str]] = []
    for container in context.containers:
        field, name = f"{container.field}.name", container.name
        if name.startswith(RESERVED_PREFIX):
            yield reserved_name_issue(field)
        elif roles.get(name, container.field) != container.field:
            message = f"{name!r} is the name by which AppStack refers to the container of {roles[name]}"
            yield ValidationIssue(field, message, "choose another name")
        else:
            named.append((field, name))
    yield from duplicate_issues(named, key=str, describe=lambda name: f"the container {name!r}")


def images(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each empty image; only a container without the field inherits the backend's image."""
    for container in context.containers:
        if container.spec.image == "":
            yield ValidationIssue(
                f"{container.field}.image",
                "must not be empty",
                "set an image, or remove the field to use the backend's",
            )


def init_containers(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each field that an init container that runs to completion does not support."""
    for container in context.containers:
        if not container.runs_to_completion:
            continue
        written = container.spec.dump()
        for name in _UNSUPPORTED_ON_INIT:
            if name in written:
                yield ValidationIssue(
                    f"{container.field}.{name}",
                    "is not supported on an init container that runs to completion",
                    "remove the field, or set restartPolicy: Always to make the container a native sidecar",
                )


def sidecar_roles(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each sidecar that lacks a requirement of its role."""
    for container in context.containers:
        match container.spec:
            case Sidecar(role=SidecarRole.AMBASSADOR):
                yield from _ambassador(context, container, container.spec)
            case Sidecar(role=SidecarRole.ADAPTER):
                yield from _adapter(context, container)
            case _:
                pass


def _ambassador(context: ValidationContext, container: ContainerView, sidecar: Sidecar) -> Iterator[ValidationIssue]:
    if not sidecar.ports:
        yield ValidationIssue(
            f"{container.field}.ports", "an Ambassador must declare the port on which it listens", "add the port"
        )
    if context.spec.pod.host_network:
        yield ValidationIssue(
            f"{container.field}.role",
            f"an Ambassador {SHARED_LOOPBACK}",
            "remove spec.pod.hostNetwork, or the Ambassador",
        )
    if not sidecar.native:
        yield ValidationIssue(
            f"{container.field}.native",
            "an ordinary container starts together with the backend, so the backend may run before this Ambassador",
            "remove native: false",
            Severity.WARNING,
        )
    elif sidecar.startup_probe is None:
        yield ValidationIssue(
            f"{container.field}.startupProbe",
            "without a startup probe the backend waits only until the Ambassador's process has started",
            "add a startup probe; use exec if the Ambassador listens on loopback only",
            Severity.WARNING,
        )


def _adapter(context: ValidationContext, container: ContainerView) -> Iterator[ValidationIssue]:
    shared = any(context.users_of_volume[name] > 1 for name in context.visible_volumes[container.field])
    if not (shared or container.spec.ports):
        yield ValidationIssue(
            container.field,
            "an Adapter must share a volume with another container, or declare a port",
            "mount the volume that the other container writes to",
        )


def environment_variables(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each environment variable that is set twice or has an invalid name."""
    for container in context.containers:
        written = [
            (f"{container.field}.env[{index}].name", variable.name)
            for index, variable in enumerate(container.spec.env or [])
        ]
        yield from duplicate_issues(written, key=str, describe=lambda name: f"the environment variable {name!r}")
        for field, name in written:
            if not name or "=" in name:
                yield ValidationIssue(
                    field,
                    f"{name!r} is not a valid name of an environment variable",
                    "use at least one character, and no '='",
                )


CHECKS: Final = (names, images, init_containers, sidecar_roles, environment_variables)

"""Checks of container ports; all containers of a pod share one network address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from appstack.errors import Severity, ValidationIssue
from appstack.k8s.metadata import RESERVED_PREFIX
from appstack.validation.context import ContainerView, Listener, ValidationContext
from appstack.validation.issues import reserved_name_issue

_PORT_NAME: Final = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def declared_ports(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each number, protocol and name of a container port that Kubernetes rejects."""
    for container in context.containers:
        for field, port in container.ports:
            yield from port_number_issues(f"{field}.containerPort", port.container_port)
            yield from port_number_issues(f"{field}.hostPort", port.host_port)
            yield from protocol_issues(f"{field}.protocol", port.protocol)
            yield from _port_name_issues(f"{field}.name", port.name)


def port_number_issues(field: str, value: int | None) -> Iterator[ValidationIssue]:
    """Yield an issue if the number is out of range."""
    if value is not None and not 1 <= value <= 65535:
        yield ValidationIssue(field, f"{value} is not a valid port number", "use 1 to 65535")


def protocol_issues(field: str, value: str | None) -> Iterator[ValidationIssue]:
    """Yield an issue if the protocol is unknown."""
    if value not in (None, "TCP", "UDP", "SCTP"):
        yield ValidationIssue(field, f"{value!r} is not a valid protocol", "use TCP, UDP or SCTP")


def _port_name_issues(field: str, value: str | None) -> Iterator[ValidationIssue]:
    if value is None:
        return
    if value.startswith(RESERVED_PREFIX):
        yield reserved_name_issue(field)
    elif len(value) > 15 or not _PORT_NAME.fullmatch(value):
        hint = "use at most 15 of a-z, 0-9 and '-', with at least one letter and no leading, trailing or double '-'"
        yield ValidationIssue(field, f"{value!r} is not a valid port name", hint)


_NGINX: Final = frozenset({"spec.proxy.port", "spec.proxy.healthPort"})


def conflicting_ports(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each port that a container declares twice, a warning where another container declares it.

    Two containers may listen on different addresses of the pod. nginx listens on all of them.
    """
    shared: dict[tuple[int, str], Listener] = {}
    owner_of: dict[Listener, ContainerView] = {}
    for container in context.containers:
        used = {} if container.runs_to_completion else shared
        for listener in container.listeners:
            owner_of[listener] = container
            first = used.setdefault((listener.number, listener.protocol), listener)
            if first is listener:
                continue
            hint = "choose another number; the containers of a pod share their ports"
            works = owner_of[first] is not container and not {first.field, listener.field} & _NGINX
            severity = Severity.WARNING if works else Severity.ERROR
            yield ValidationIssue(listener.field, f"{listener} is already used by {first.field}", hint, severity)


def host_ports(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each hostPort that is used twice or that hostNetwork rules out."""
    used: dict[tuple[int, str, str], Listener] = {}
    for container in context.containers:
        for listener in container.listeners:
            if listener.host_port is None:
                continue
            field = listener.field.replace("containerPort", "hostPort")
            first = used.setdefault((listener.host_port, listener.protocol, listener.host_ip), listener)
            if first is not listener:
                message = f"{listener.host_port}/{listener.protocol} of the node is already used by {first.field}"
                yield ValidationIssue(field, message, "choose another number")
            elif context.spec.pod.host_network and listener.host_port != listener.number:
                message = f"must equal the containerPort {listener.number} with spec.pod.hostNetwork"
                yield ValidationIssue(field, message, "remove hostPort")


def port_names(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each duplicate port name: an error within a container, a warning across containers."""
    for container in context.containers:
        first_fields: dict[str, str] = {}
        for listener in container.listeners:
            first_field = first_fields.setdefault(listener.name, listener.field)
            if listener.name and first_field != listener.field:
                field = listener.field.replace("containerPort", "name")
                message = f"{listener.name!r} is already the name of {first_field}"
                yield ValidationIssue(field, message, "choose another name")
    yield from _names_across_containers(context)


def _names_across_containers(context: ValidationContext) -> Iterator[ValidationIssue]:
    first: dict[str, tuple[str, str]] = {}
    for container in context.concurrent_containers:
        for listener in container.listeners:
            first_container, first_field = first.setdefault(listener.name, (container.field, listener.field))
            if listener.name and first_container != container.field:
                field = listener.field.replace("containerPort", "name")
                message = (
                    f"{listener.name!r} is also the name of {first_field}, so a targetPort with this name is ambiguous"
                )
                yield ValidationIssue(field, message, "choose another name", Severity.WARNING)


CHECKS: Final = (declared_ports, conflicting_ports, host_ports, port_names)

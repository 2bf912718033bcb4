"""Ports: all containers of a pod share one address. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from appstack.errors import Severity, ValidationIssue
from appstack.k8s.metadata import RESERVED_PREFIX
from appstack.validation.subject import Listener, Subject

_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SHARED: Final = "containers of a pod share their ports: choose another number"


def shapes(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield ports that Kubernetes would refuse one by one."""
    for member in subject.members:
        for field, port in member.ports():
            yield from number(f"{field}.containerPort", port.container_port)
            yield from number(f"{field}.hostPort", port.host_port)
            yield from protocol(f"{field}.protocol", port.protocol)
            yield from _name(f"{field}.name", port.name)


def number(where: str, value: int | None) -> Iterator[ValidationIssue]:
    """Yield a number that is no port's."""
    if value is not None and not 1 <= value <= 65535:
        yield ValidationIssue(where, f"{value} is not a port's number", "1 to 65535")


def protocol(where: str, value: str | None) -> Iterator[ValidationIssue]:
    """Yield a protocol that Kubernetes does not know."""
    if value not in (None, "TCP", "UDP", "SCTP"):
        yield ValidationIssue(where, f"{value!r} is not a protocol of ports", "TCP, UDP or SCTP")


def _name(where: str, value: str | None) -> Iterator[ValidationIssue]:
    if value is None:
        return
    if value.startswith(RESERVED_PREFIX):
        yield ValidationIssue(where, f"names that begin with {RESERVED_PREFIX!r} are AppStack's own", "choose another")
    elif len(value) > 15 or not _NAME.fullmatch(value):
        hint = "at most 15 of a-z, 0-9 and -, with a letter, and no - at an end or beside another"
        yield ValidationIssue(where, f"{value!r} is not a port's name", hint)


def listeners(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield ports on which a second container, or the same one twice, would listen."""
    shared: dict[tuple[int, str], Listener] = {}
    for member in subject.members:
        taken = {} if member.runs_to_its_end else shared
        for listener in subject.listeners(member):
            former = taken.setdefault((listener.number, listener.protocol), listener)
            if former is not listener:
                yield ValidationIssue(listener.field, f"{listener} is taken already by {former.field}", _SHARED)


def host_ports(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield ports of the node that are asked for twice, or that hostNetwork makes impossible."""
    taken: dict[tuple[int, str, str], Listener] = {}
    for member in subject.members:
        for listener in subject.listeners(member):
            if listener.host_port is None:
                continue
            where = listener.field.replace("containerPort", "hostPort")
            former = taken.setdefault((listener.host_port, listener.protocol, listener.host_ip), listener)
            if former is not listener:
                what = f"{listener.host_port}/{listener.protocol} of the node is taken already by {former.field}"
                yield ValidationIssue(where, what, "choose another number")
            elif subject.spec.pod.host_network and listener.host_port != listener.number:
                what = f"on spec.pod.hostNetwork it can only be the containerPort {listener.number}"
                yield ValidationIssue(where, what, "leave it out")


def names(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield names of ports that stand twice: in one container they are refused, in two a Service can't tell them."""
    for member in subject.members:
        first: dict[str, str] = {}
        for listener in subject.listeners(member):
            former = first.setdefault(listener.name, listener.field)
            if listener.name and former != listener.field:
                where = listener.field.replace("containerPort", "name")
                yield ValidationIssue(where, f"{listener.name!r} is the name of {former} already", "choose another")
    yield from _names_of_two(subject)


def _names_of_two(subject: Subject) -> Iterator[ValidationIssue]:
    first: dict[str, tuple[str, str]] = {}
    for member in subject.together:
        for listener in subject.listeners(member):
            holder, former = first.setdefault(listener.name, (member.field, listener.field))
            if listener.name and holder != member.field:
                where = listener.field.replace("containerPort", "name")
                what = f"{listener.name!r} is also the name of {former}: a targetPort of this name leads to one of them"
                yield ValidationIssue(where, what, "choose another", Severity.WARNING)


CHECKS: Final = (shapes, listeners, host_ports, names)

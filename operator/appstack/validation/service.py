"""The Service and the ServiceAccount. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from appstack.api.kube import ServicePort
from appstack.api.service import USUAL, Service
from appstack.errors import Severity, ValidationIssue
from appstack.validation.ports import number, protocol
from appstack.validation.subject import Listener, Subject, choices, repeated

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _wanted(subject: Subject) -> Service | None:
    """Return the Service that is to be made; None when it is switched off."""
    service = subject.spec.service or USUAL
    return service if service.enabled else None


def something(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield a Service that is asked for where nothing listens."""
    service = subject.spec.service
    if service is None or not service.enabled or service.ports or service.external_name:
        return
    if subject.spec.proxy is None and not subject.spec.backend.ports:
        hint = "declare spec.backend.ports, or set spec.service.enabled: false"
        yield ValidationIssue(
            "spec.service", "leads nowhere: the backend declares no port, and there is no proxy", hint
        )


def stack_name(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield a stack's name that a Service can't have everywhere: before Kubernetes relaxed it, a letter came first."""
    name = subject.stack.metadata.name
    if subject.has_service and name[0].isdecimal():
        what = f"{name!r} begins with a digit, and older Kubernetes takes no Service of such a name"
        hint = "rename the stack, or set spec.service.enabled: false"
        yield ValidationIssue("metadata.name", what, hint, Severity.WARNING)


def ports(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield ports of the Service that lead nowhere."""
    service = _wanted(subject)
    listeners = [each for member in subject.together for each in subject.listeners(member)]
    for index, port in enumerate((service and service.ports) or []):
        where = f"spec.service.ports[{index}]"
        yield from number(f"{where}.port", port.port)
        yield from protocol(f"{where}.protocol", port.protocol)
        if port.name is not None and not _LABEL.fullmatch(port.name):
            yield ValidationIssue(f"{where}.name", f"{port.name!r} is not a name", "at most 63 of a-z, 0-9 and -")
        yield from _target(
            subject, where, port, [each for each in listeners if each.protocol == (port.protocol or "TCP")]
        )


def _target(subject: Subject, where: str, port: ServicePort, offered: list[Listener]) -> Iterator[ValidationIssue]:
    over = port.protocol or "TCP"
    proxy = subject.spec.proxy
    if port.target_port is None:
        taker = [each for each in offered if proxy or each.field.startswith(subject.backend.field)]
        if not taker:
            what = f"{'the proxy' if proxy else 'the backend'} listens on no port over {over}"
            yield ValidationIssue(f"{where}.targetPort", what, _offer(subject, offered))
    elif proxy is not None and (port.target_port, over) == (proxy.health_port, "TCP"):
        yield ValidationIssue(
            f"{where}.targetPort", "no Service leads to the port that only kubelets ask", "choose another"
        )
    elif not any(port.target_port in (each.number, each.name) for each in offered):
        yield ValidationIssue(
            f"{where}.targetPort", f"nobody offers {port.target_port}/{over}", _offer(subject, offered)
        )


def _offer(subject: Subject, offered: list[Listener]) -> str:
    hidden = subject.spec.proxy.health_port if subject.spec.proxy else None
    shown = [
        f"{each.name} ({each.number})" if each.name else str(each.number) for each in offered if each.number != hidden
    ]
    return choices(shown, none="declare the port at the container that listens")


def keys(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield ports of the Service that stand twice."""
    service = _wanted(subject)
    located = [(f"spec.service.ports[{index}]", port) for index, port in enumerate((service and service.ports) or [])]
    numbers = [(f"{where}.port", f"{port.port}/{port.protocol or 'TCP'}") for where, port in located]
    yield from repeated(numbers, key=str, what=lambda shown: f"port {shown}")
    names = [(f"{where}.name", port.name) for where, port in located if port.name]
    yield from repeated(names, key=str, what=lambda name: f"the name {name!r}")


def unnamed(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield ports that a Service of several could not tell apart, its own or those of the backend."""
    service = _wanted(subject)
    written = (service and service.ports) or []
    named = [(f"spec.service.ports[{index}].name", port.name) for index, port in enumerate(written)]
    if subject.spec.proxy is None and (subject.has_headless or (service is not None and not named)):
        yield from _nameless([(f"{where}.name", port.name) for where, port in subject.backend.ports()])
    yield from _nameless(named)


def _nameless(ports: list[tuple[str, str | None]]) -> Iterator[ValidationIssue]:
    for where, name in ports:
        if len(ports) > 1 and not name:
            yield ValidationIssue(where, "a Service of several ports needs a name for each", "write one")


def account(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield a ServiceAccount that is neither made nor named, and one whose metadata nobody would write."""
    account = subject.spec.service_account
    if account is None or account.create:
        return
    if account.name is None:
        hint = "name the one that exists, or leave out spec.serviceAccount for the namespace's default"
        yield ValidationIssue("spec.serviceAccount.name", "is required with create: false", hint)
    if account.metadata is not None:
        yield ValidationIssue("spec.serviceAccount.metadata", "with create: false AppStack writes none", "leave it out")


CHECKS: Final = (something, stack_name, ports, keys, unnamed, account)

"""Checks of the Service and the ServiceAccount."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from appstack.api.kube import ServicePort
from appstack.api.service import DEFAULT_SERVICE, Service
from appstack.errors import Severity, ValidationIssue
from appstack.validation.context import Listener, ValidationContext
from appstack.validation.issues import available_hint, duplicate_issues
from appstack.validation.ports import port_number_issues, protocol_issues

_DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _enabled_service(context: ValidationContext) -> Service | None:
    service = context.spec.service or DEFAULT_SERVICE
    return service if service.enabled else None


def service_without_ports(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for a Service that is set although no container listens."""
    service = context.spec.service
    if service is None or not service.enabled or service.ports or service.external_name:
        return
    if not context.spec.has_default_ports:
        message = "exposes nothing: the backend declares no port, and there is no proxy"
        hint = "declare spec.backend.ports, or set spec.service.enabled: false"
        yield ValidationIssue("spec.service", message, hint)


def service_name(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield a warning for a Service name with a leading digit, which only recent versions of Kubernetes accept."""
    name = context.stack.metadata.name
    if context.has_service and name[0].isdecimal():
        message = f"{name!r} starts with a digit, and older versions of Kubernetes reject a Service of this name"
        hint = "rename the AppStack, or set spec.service.enabled: false"
        yield ValidationIssue("metadata.name", message, hint, Severity.WARNING)


@dataclass(frozen=True)
class _Targets:
    """The ports of one protocol on which the pod listens, to which a Service can send."""

    context: ValidationContext
    protocol: str

    @cached_property
    def listeners(self) -> tuple[Listener, ...]:
        """The ports on which containers listen."""
        return tuple(each for each in self.context.listeners if each.protocol == self.protocol)

    @cached_property
    def numbers_and_names(self) -> frozenset[int | str]:
        """The values of `targetPort` that exist."""
        return frozenset((*(each.number for each in self.listeners), *(each.name for each in self.listeners)))

    @cached_property
    def has_default(self) -> bool:
        """Whether a port without `targetPort` has a target: a port of the proxy's pod, else of the backend."""
        proxy, backend = self.context.spec.proxy, self.context.backend.field
        return any(proxy or each.field.startswith(backend) for each in self.listeners)

    @cached_property
    def hint(self) -> str:
        """A hint that lists the targets."""
        proxy = self.context.spec.proxy
        names = (
            f"{each.name} ({each.number})" if each.name else str(each.number)
            for each in self.listeners
            if proxy is None or each.number != proxy.health_port
        )
        return available_hint(names, if_none="declare the port in the ports of the container that listens on it")


def service_ports(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each port of the Service that is invalid or has no container that listens on it."""
    service = _enabled_service(context)
    targets: dict[str, _Targets] = {}
    for index, port in enumerate((service and service.ports) or []):
        field = f"spec.service.ports[{index}]"
        protocol = port.protocol or "TCP"
        yield from port_number_issues(f"{field}.port", port.port)
        yield from protocol_issues(f"{field}.protocol", port.protocol)
        if port.name is not None and not _DNS_LABEL.fullmatch(port.name):
            message = f"{port.name!r} is not a valid name of a Service port"
            yield ValidationIssue(f"{field}.name", message, "use at most 63 of a-z, 0-9 and '-'")
        yield from _target_port(f"{field}.targetPort", port, targets.setdefault(protocol, _Targets(context, protocol)))


def _target_port(field: str, port: ServicePort, targets: _Targets) -> Iterator[ValidationIssue]:
    proxy = targets.context.spec.proxy
    if port.target_port is None:
        if not targets.has_default:
            message = f"{'the proxy' if proxy else 'the backend'} has no {targets.protocol} port"
            yield ValidationIssue(field, message, targets.hint)
    elif proxy is not None and (port.target_port, targets.protocol) == (proxy.health_port, "TCP"):
        message = "a Service cannot expose the health port, which is for the kubelet only"
        yield ValidationIssue(field, message, "choose another port")
    elif port.target_port not in targets.numbers_and_names:
        message = f"no container listens on {port.target_port}/{targets.protocol}"
        yield ValidationIssue(field, message, targets.hint)


def duplicate_ports(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each number and name of a Service port that an earlier port has."""
    service = _enabled_service(context)
    located = [(f"spec.service.ports[{index}]", port) for index, port in enumerate((service and service.ports) or [])]
    numbers = [(f"{field}.port", f"{port.port}/{port.protocol or 'TCP'}") for field, port in located]
    yield from duplicate_issues(numbers, key=str, describe=lambda number: f"port {number}")
    names = [(f"{field}.name", port.name) for field, port in located if port.name]
    yield from duplicate_issues(names, key=str, describe=lambda name: f"the name {name!r}")


def unnamed_ports(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each unnamed port of a Service with several ports, its own or those of the backend."""
    service = _enabled_service(context)
    own_ports = (service and service.ports) or []
    own_names = [(f"spec.service.ports[{index}].name", port.name) for index, port in enumerate(own_ports)]
    if context.spec.proxy is None and (context.has_headless_service or (service is not None and not own_names)):
        yield from _missing_names([(f"{field}.name", port.name) for field, port in context.backend.ports])
    yield from _missing_names(own_names)


def _missing_names(names: list[tuple[str, str | None]]) -> Iterator[ValidationIssue]:
    for field, name in names:
        if len(names) > 1 and not name:
            yield ValidationIssue(
                field, "is required: a Service with several ports needs a name for each", "set a name"
            )


def service_account(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for a ServiceAccount that is neither created nor named, or has metadata but is not created."""
    account = context.spec.service_account
    if account is None or account.create:
        return
    if account.name is None:
        hint = "set the name of an existing one, or remove spec.serviceAccount to use the namespace's default"
        yield ValidationIssue("spec.serviceAccount.name", "is required with create: false", hint)
    if account.metadata is not None:
        message = "has no effect with create: false"
        yield ValidationIssue("spec.serviceAccount.metadata", message, "remove the field")


CHECKS: Final = (service_without_ports, service_name, service_ports, duplicate_ports, unnamed_ports, service_account)

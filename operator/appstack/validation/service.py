"""Checks of the Service and the ServiceAccount."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from appstack.api.kube import ServicePort
from appstack.api.service import FurtherService
from appstack.errors import Severity, ValidationIssue
from appstack.validation.context import Listener, ValidationContext
from appstack.validation.issues import available_hint, duplicate_issues
from appstack.validation.ports import port_number_issues, protocol_issues

_DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def service_without_ports(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each Service without ports that needs one."""
    for service in context.services:
        if service.spec.ports or service.spec.external_name or service.spec.cluster_ip == "None":
            continue
        if isinstance(service.spec, FurtherService):
            message = "is required, except of a headless Service (clusterIP: None)"
            yield ValidationIssue(f"{service.field}.ports", message, "list the ports of the Service")
        elif context.spec.service is not None and not context.spec.has_default_ports:
            message = "exposes nothing: the backend declares no port, and there is no proxy"
            hint = "declare spec.backend.ports, or set spec.service.enabled: false"
            yield ValidationIssue(service.field, message, hint)


def leading_digits(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield a warning for each name of a Service with a leading digit, which only recent Kubernetes accepts."""
    is_named = context.spec.service is not None and context.spec.service.name
    own_field, own_hint = ("spec.service.name", "rename it") if is_named else ("metadata.name", "set spec.service.name")
    named = [(own_field, context.stack.service_name, own_hint)] if context.has_service else []
    named += ((f"spec.services[{i}].name", each.name, "rename it") for i, each in enumerate(context.spec.services))
    for field, name, hint in named:
        if name[0].isdecimal():
            message = f"{name!r} starts with a digit, and older versions of Kubernetes reject a Service of this name"
            yield ValidationIssue(field, message, hint, Severity.WARNING)


def further_service_names(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each name in `spec.services` that another Service of the AppStack has."""
    stack, own = context.stack, context.spec.service
    taken: dict[str, str] = {}
    if context.has_service or (own and own.enabled and own.external_name):
        taken[stack.service_name] = "the AppStack's own Service"
    for index, service in enumerate(context.spec.services):
        field = f"spec.services[{index}].name"
        if (other := taken.setdefault(service.name, field)) != field:
            yield ValidationIssue(field, f"{service.name!r} is already the name of {other}", "choose another name")


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
    """Yield an issue for each port of a Service that is invalid or has no container that listens on it."""
    targets: dict[str, _Targets] = {}
    for service, field, port in ((each, *located) for each in context.services for located in each.ports):
        protocol = port.protocol or "TCP"
        yield from port_number_issues(f"{field}.port", port.port)
        yield from protocol_issues(f"{field}.protocol", port.protocol)
        if port.name is not None and not _DNS_LABEL.fullmatch(port.name):
            message = f"{port.name!r} is not a valid name of a Service port"
            yield ValidationIssue(f"{field}.name", message, "use at most 63 of a-z, 0-9 and '-'")
        of_protocol = targets.setdefault(protocol, _Targets(context, protocol))
        yield from _target_port(f"{field}.targetPort", port, of_protocol, is_headless=service.spec.cluster_ip == "None")


def _target_port(field: str, port: ServicePort, targets: _Targets, *, is_headless: bool) -> Iterator[ValidationIssue]:
    """Yield an issue for a name that no container declares, and a warning for such a number: it may still listen.

    Clients of a headless Service connect to the pods themselves, so that a name is a warning as well.
    """
    proxy = targets.context.spec.proxy
    target_port = port.target_port
    if target_port is None or target_port == "":
        if proxy is not None and targets.protocol == "TCP":
            return  # the proxy
        target_port = port.port
    if proxy is not None and (target_port, targets.protocol) == (proxy.health_port, "TCP"):
        message = "a Service cannot expose the health port, which is for the kubelet only"
        yield ValidationIssue(field, message, "choose another port")
    elif target_port not in targets.numbers_and_names:
        message = f"no container declares {target_port}/{targets.protocol}"
        severity = Severity.WARNING if is_headless or isinstance(target_port, int) else Severity.ERROR
        yield ValidationIssue(field, message, targets.hint, severity)


def duplicate_ports(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each number and name of a Service port that an earlier port of that Service has."""
    for service in context.services:
        numbers = [(f"{field}.port", f"{port.port}/{port.protocol or 'TCP'}") for field, port in service.ports]
        yield from duplicate_issues(numbers, key=str, describe=lambda number: f"port {number}")
        names = [(f"{field}.name", port.name) for field, port in service.ports if port.name]
        yield from duplicate_issues(names, key=str, describe=lambda name: f"the name {name!r}")


def unnamed_ports(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each unnamed port of a Service with several ports."""
    for service in context.services:
        unnamed = [field for field, port in service.ports if not port.name]
        for field in unnamed if len(service.spec.ports or ()) > 1 else ():
            message = "is required: a Service with several ports needs a name for each"
            yield ValidationIssue(f"{field}.name", message, "set a name")


def pod_service(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield a warning for a StatefulSet whose serviceName is that of a Service that is not headless."""
    if context.spec.workload.kind != "StatefulSet":
        return
    name = context.stack.pod_service_name
    for service in context.services:
        is_rendered = service.field != "spec.service" or context.has_service
        if service.name == name and is_rendered and service.spec.cluster_ip != "None":
            message = f"gives the pods no DNS names: the Service {name!r} of {service.field} is not headless"
            hint = f"set {service.field}.clusterIP: None, or another serviceName"
            yield ValidationIssue("spec.workload.statefulSet.serviceName", message, hint, Severity.WARNING)


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


CHECKS: Final = (
    service_without_ports,
    leading_digits,
    further_service_names,
    service_ports,
    duplicate_ports,
    unnamed_ports,
    pod_service,
    service_account,
)

"""Checks of the ServiceMonitor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from appstack.api.monitoring import ScrapeEndpoint
from appstack.errors import Severity, ValidationIssue
from appstack.k8s import metadata as meta
from appstack.render.service import default_ports
from appstack.validation.context import ValidationContext
from appstack.validation.issues import available_hint

_FILES: Final = {
    "bearerTokenFile": ("bearer_token_file", "use authorization.credentials, a key of a Secret"),
    "tlsConfig.caFile": ("ca_file", "use ca, a key of a Secret or ConfigMap"),
    "tlsConfig.certFile": ("cert_file", "use cert, a key of a Secret or ConfigMap"),
    "tlsConfig.keyFile": ("key_file", "use keySecret, a key of a Secret"),
}
"""Fields of an endpoint that name a file of Prometheus: its attribute, and what to use in its place."""


def monitored_service(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for a ServiceMonitor without a Service of the AppStack's own that leads to the pods."""
    if context.spec.service_monitor is None:
        return
    service = context.spec.service
    if service is not None and service.enabled and service.type == "ExternalName":
        message = "selects the Service of the AppStack, which is an alias of another host"
        yield ValidationIssue("spec.serviceMonitor", message, "use another type of Service")
    elif not context.has_service_ports:
        message = "selects the Service of the AppStack, and there is none with a port"
        hint = "declare spec.backend.ports, and do not disable spec.service"
        yield ValidationIssue("spec.serviceMonitor", message, hint)


def scraped_ports(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each endpoint without a port, or with one that does not exist."""
    monitor = context.spec.service_monitor
    if monitor is None or not context.has_service_ports:
        return
    names = dict.fromkeys(_service_port_names(context))
    hint = available_hint(names, if_none="give the port a name in spec.service.ports, or set targetPort")
    declared = {each.name for each in context.listeners} | {each.number for each in context.listeners}
    for index, endpoint in enumerate(monitor.endpoints):
        field = f"spec.serviceMonitor.endpoints[{index}]"
        if endpoint.port is None and endpoint.target_port is None:
            message = "is required: without it, every port of the pods is scraped"
            yield ValidationIssue(f"{field}.port", message, hint)
        elif endpoint.port is not None and endpoint.port not in names:
            message = f"the Service has no port of the name {endpoint.port!r}"
            yield ValidationIssue(f"{field}.port", message, hint)
        elif endpoint.port is None and endpoint.target_port not in declared:
            message = f"no container declares the port {endpoint.target_port}, so Prometheus does not find it"
            yield ValidationIssue(f"{field}.targetPort", message, "declare it in the ports of the container")
        if endpoint.port is not None and endpoint.target_port is not None:
            message = "has no effect beside port"
            yield ValidationIssue(f"{field}.targetPort", message, "remove one of the two", Severity.WARNING)


def _service_port_names(context: ValidationContext) -> Iterator[str]:
    """Yield the names of the ports of the AppStack's own Service."""
    own = (context.spec.service and context.spec.service.ports) or []
    names = [port.name for port in own] if own else [port.get("name") for port in default_ports(context.spec)]
    yield from (name for name in names if name)


def files_of_prometheus(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each field that names a file of Prometheus, for example its own token.

    The author of an AppStack could send the content of the file to a pod.
    """
    monitor = context.spec.service_monitor
    for index, endpoint in enumerate(monitor.endpoints if monitor else ()):
        for field, hint in _written_files(endpoint):
            path = f"spec.serviceMonitor.endpoints[{index}].{field}"
            yield ValidationIssue(path, "names a file of Prometheus, which an AppStack must not use", hint)


def _written_files(endpoint: ScrapeEndpoint) -> Iterator[tuple[str, str]]:
    for field, (attribute, hint) in _FILES.items():
        holder = endpoint.tls_config if field.startswith("tlsConfig.") else endpoint
        if getattr(holder, attribute, None) is not None:
            yield field, hint


def monitored_namespaces(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each selected namespace other than the AppStack's: Services there may have the same label."""
    monitor = context.spec.service_monitor
    if monitor is None or monitor.namespace_selector is None:
        return
    field, own = "spec.serviceMonitor.namespaceSelector", context.stack.metadata.namespace
    if monitor.namespace_selector.any:
        yield ValidationIssue(f"{field}.any", "selects Services of other namespaces", "remove the field")
    for index, name in enumerate(monitor.namespace_selector.match_names or ()):
        if name != own:
            message = f"{name!r} is not the namespace of the AppStack, {own!r}"
            yield ValidationIssue(f"{field}.matchNames[{index}]", message, "remove the field")


def labels_of_the_service(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield a warning for each label that the AppStack's own Service does not have."""
    monitor, service = context.spec.service_monitor, context.spec.service
    if monitor is None or not context.has_service_ports:
        return
    metadata = service.metadata if service else None
    labels = {**meta.labels(context.stack.metadata.name), **((metadata and metadata.labels) or {})}
    named = [("jobLabel", monitor.job_label)] if monitor.job_label else []
    named += [(f"targetLabels[{index}]", label) for index, label in enumerate(monitor.target_labels or ())]
    for field, label in named:
        if label not in labels:
            message = f"the Service has no label {label!r}"
            hint = "add it to spec.service.metadata.labels, or remove it here"
            yield ValidationIssue(f"spec.serviceMonitor.{field}", message, hint, Severity.WARNING)


CHECKS: Final = (
    monitored_service,
    scraped_ports,
    files_of_prometheus,
    monitored_namespaces,
    labels_of_the_service,
)

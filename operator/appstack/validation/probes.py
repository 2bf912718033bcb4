"""Checks of probes and lifecycle handlers: one action each, and a port that exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from appstack.api.containers import HTTPGet, LifecycleHandler, Probe, TCPSocket
from appstack.errors import Severity, ValidationIssue
from appstack.validation.context import ContainerView, ValidationContext
from appstack.validation.issues import available_hint
from appstack.validation.ports import port_number_issues

_ACTIONS: Final = {
    "exec": "var_exec",
    "httpGet": "http_get",
    "tcpSocket": "tcp_socket",
    "grpc": "grpc",
    "sleep": "sleep",
}
_HEADER_NAME: Final = re.compile(r"[-A-Za-z0-9]+")
_CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class ProbeSite:
    """A probe or a lifecycle handler, its container, and the field that declares it."""

    field: str  # spec.backend.livenessProbe
    container: ContainerView
    handler: Probe | LifecycleHandler

    def actions(self) -> list[str]:
        """Return the API names of the actions that are set."""
        return [name for name, attribute in _ACTIONS.items() if getattr(self.handler, attribute, None) is not None]

    @property
    def is_probe(self) -> bool:
        """Whether this is a probe, and not a lifecycle handler."""
        return isinstance(self.handler, Probe)


def _sites(context: ValidationContext) -> Iterator[ProbeSite]:
    for container in context.containers:
        for name, probe in container.spec.probes().items():
            yield ProbeSite(f"{container.field}.{name}", container, probe)
        for name, handler in container.spec.handlers().items():
            yield ProbeSite(f"{container.field}.lifecycle.{name}", container, handler)


def actions(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each probe and handler without exactly one action, and for each action that cannot work."""
    for site in _sites(context):
        written = site.actions()
        allowed = "exec, httpGet, tcpSocket or grpc" if site.is_probe else "exec, httpGet or sleep"
        if not written:
            yield ValidationIssue(site.field, "defines no action", f"set {allowed}")
        elif len(written) > 1:
            yield ValidationIssue(site.field, f"defines several actions: {', '.join(written)}", "keep one of them")
        if site.handler.var_exec is not None and not site.handler.var_exec.command:
            yield ValidationIssue(f"{site.field}.exec.command", "is required")
        for index, header in enumerate((site.handler.http_get and site.handler.http_get.http_headers) or []):
            if not _HEADER_NAME.fullmatch(header.name):
                field = f"{site.field}.httpGet.httpHeaders[{index}].name"
                message = f"{header.name!r} is not a valid header name"
                yield ValidationIssue(field, message, "use letters, digits and '-'")
            if _CONTROL_CHARACTER.search(header.value):
                field = f"{site.field}.httpGet.httpHeaders[{index}].value"
                yield ValidationIssue(field, "contains a control character", "remove it; no header can contain it")
        if "tcpSocket" in written and not site.is_probe:
            message = "the kubelet does not support tcpSocket in a lifecycle handler"
            yield ValidationIssue(f"{site.field}.tcpSocket", message, "use exec or httpGet")


def proxied_probes(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each probe and handler of the backend that the proxy cannot forward to it."""
    if context.spec.proxy is None:
        return
    for site in _sites(context):
        if site.container is not context.backend:
            continue
        for action in ("tcpSocket", "grpc") if site.is_probe else ():
            if action in site.actions():
                message = "only the proxy can reach the backend, and it forwards httpGet only"
                yield ValidationIssue(f"{site.field}.{action}", message, "use httpGet or exec, or remove spec.proxy")
        if site.handler.http_get is not None and site.handler.http_get.host:
            message = "the proxy forwards httpGet to the backend of its own pod only"
            yield ValidationIssue(
                f"{site.field}.httpGet.host", message, "remove host; set a Host header in httpHeaders"
            )


def ports(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each probe and handler of a port name that does not exist, a warning for such a number."""
    for site in _sites(context):
        if site.container.runs_to_completion:
            continue  # supports no probes, which the check of init containers reports
        for name, action in (("httpGet", site.handler.http_get), ("tcpSocket", site.handler.tcp_socket)):
            if action is not None:
                yield from _port_issues(context, site, f"{site.field}.{name}.port", action)
        grpc = site.handler.grpc if isinstance(site.handler, Probe) else None
        if grpc is not None:
            yield from _number_issues(context, site, f"{site.field}.grpc.port", grpc.port)


def _port_issues(
    context: ValidationContext, site: ProbeSite, field: str, action: HTTPGet | TCPSocket
) -> Iterator[ValidationIssue]:
    listeners = site.container.listeners
    behind_proxy = site.container is context.backend and context.spec.proxy is not None
    if behind_proxy and action.port is None and context.spec.proxy and context.spec.proxy.socket:
        return  # nginx sends the request to the socket
    if not listeners and action.port is None:
        hint = f"declare the port in {site.container.field}.ports"
        yield ValidationIssue(field, "the container declares no port", hint)
    elif isinstance(action.port, str):
        names = dict.fromkeys(listener.name for listener in listeners if listener.name)
        if action.port not in names:
            hint = available_hint(names, if_none=f"declare a port with this name in {site.container.field}.ports")
            yield ValidationIssue(field, f"the container has no port {action.port!r}", hint)
    elif action.port is not None and not (action.host and not behind_proxy):
        yield from _number_issues(context, site, field, action.port)


def _number_issues(context: ValidationContext, site: ProbeSite, field: str, port: int) -> Iterator[ValidationIssue]:
    """Yield a warning if no container declares the port; a container without declared ports may listen on any."""
    yield from port_number_issues(field, port)
    if site.container.listeners and port not in context.tcp_ports:
        hint = available_hint(map(str, site.container.listeners), if_none="")
        yield ValidationIssue(field, f"no container declares {port}/TCP", hint, Severity.WARNING)


def probe_specific_fields(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each field that Kubernetes supports on other types of probes only."""
    for site in _sites(context):
        if not isinstance(site.handler, Probe):
            continue
        is_readiness = site.field.endswith("readinessProbe")
        if not is_readiness and site.handler.success_threshold not in (None, 1):
            yield ValidationIssue(
                f"{site.field}.successThreshold", "must be 1 on a liveness or startup probe", "remove the field"
            )
        if is_readiness and site.handler.termination_grace_period_seconds is not None:
            field = f"{site.field}.terminationGracePeriodSeconds"
            message = "is not supported on a readiness probe, which never restarts a container"
            yield ValidationIssue(field, message, "remove the field")


CHECKS: Final = (actions, proxied_probes, ports, probe_specific_fields)

"""Services and ServiceAccount of an AppStack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from appstack.api.service import DEFAULT_SERVICE, FurtherService, Service
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from appstack.render.context import Context
from appstack.render.proxy import HTTP_PORT

_NOT_IN_SPEC: Final = ("enabled", "metadata", "name")
"""Fields of a Service of the AppStack that its ServiceSpec does not have."""


def service(context: Context) -> Manifest | None:
    """Return the Service, or None if it is disabled or no container declares a port."""
    desired = context.spec.service or DEFAULT_SERVICE
    default_ports = _default_ports(context)
    if not desired.enabled or not (desired.ports or default_ports or desired.external_name):
        return None
    return _service(context, desired, name=context.name, default_ports=default_ports)


def further_services(context: Context) -> list[Manifest]:
    """Return the Services of `spec.services`."""
    return [_service(context, desired, name=desired.name) for desired in context.spec.services]


def _service(
    context: Context, desired: Service | FurtherService, *, name: str, default_ports: Sequence[Manifest] = ()
) -> Manifest:
    fields = {key: value for key, value in desired.dump().items() if key not in _NOT_IN_SPEC}
    ports = fields.pop("ports", None) or default_ports
    spec = {
        **fields,
        "selector": meta.selector(context.name),
        "ports": [_with_target_port(context, port) for port in ports],
    }
    return {**context.child("v1", "Service", name=name, extra=desired.metadata), "spec": spec}


def headless_service(context: Context) -> Manifest | None:
    """Return the headless Service of a StatefulSet; None for other kinds, or if its own Service is headless."""
    name = context.stack.pod_service_name
    if context.spec.workload.kind != "StatefulSet" or name == context.name:
        return None
    ports = [_with_target_port(context, port) for port in _default_ports(context)]
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,  # members of a cluster resolve each other before they are ready
        "selector": meta.selector(context.name),
        **({"ports": ports} if ports else {}),
    }
    return {**context.child("v1", "Service", name=name), "spec": spec}


def _default_ports(context: Context) -> list[Manifest]:
    if context.spec.proxy is not None:
        return [{"name": "http", "port": 80}]
    return [
        {
            **({"name": port.name} if port.name else {}),
            "port": port.container_port,
            **({"protocol": port.protocol} if port.protocol else {}),
        }
        for port in context.spec.backend.ports or []
    ]


def _with_target_port(context: Context, port: Manifest) -> Manifest:
    """Return a Service port with its targetPort: the proxy, else the backend's port of that number, else its first."""
    if "targetPort" in port:
        return port
    if context.spec.proxy is not None:
        return {**port, "targetPort": HTTP_PORT}
    numbers = context.backend_ports
    target = port["port"] if port["port"] in numbers else next(iter(numbers), port["port"])
    return {**port, "targetPort": target}


def service_account(context: Context) -> Manifest | None:
    """Return the ServiceAccount, or None if the spec has none or refers to an existing one."""
    account = context.spec.service_account
    if account is None or not account.create:
        return None
    name = account.name or context.name
    return context.child("v1", "ServiceAccount", name=name, extra=account.metadata)

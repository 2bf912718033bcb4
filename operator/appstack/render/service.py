"""Services and ServiceAccount of an AppStack."""

from __future__ import annotations

from appstack.api.service import DEFAULT_SERVICE
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from appstack.render.context import Context
from appstack.render.proxy import HTTP_PORT


def service(context: Context) -> Manifest | None:
    """Return the Service, or None if it is disabled or no container declares a port."""
    spec_service = context.spec.service or DEFAULT_SERVICE
    fields = spec_service.dump()
    fields.pop("metadata", None)
    ports = fields.pop("ports", None) or _default_ports(context)
    if not fields.pop("enabled") or not (ports or fields.get("externalName")):
        return None
    head = context.child("v1", "Service", name=context.name, extra=spec_service.metadata)
    spec = {
        **fields,
        "selector": meta.selector(context.name),
        "ports": [_with_target_port(context, port) for port in ports],
    }
    return {**head, "spec": spec}


def headless_name(context: Context) -> str:
    """Return the name of the headless Service that gives each pod of a StatefulSet a DNS name."""
    spec_service = context.spec.service
    is_headless = spec_service is not None and spec_service.enabled and spec_service.cluster_ip == "None"
    return context.name if is_headless else f"{context.name}-pods"


def headless_service(context: Context) -> Manifest | None:
    """Return the headless Service of a StatefulSet; None for other kinds, or if its own Service is headless."""
    name = headless_name(context)
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

"""The Service before the pods, and the ServiceAccount under which they run. PURE."""

from __future__ import annotations

from appstack.api.service import USUAL
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from appstack.render.context import Context
from appstack.render.proxy import HTTP_PORT


def service(context: Context) -> Manifest | None:
    """Return the Service; None when it is switched off, or when nothing listens."""
    written = context.spec.service or USUAL
    fields = written.dump()
    fields.pop("metadata", None)
    ports = fields.pop("ports", None) or _default_ports(context)
    if not fields.pop("enabled") or not (ports or fields.get("externalName")):
        return None
    whole = context.child("v1", "Service", name=context.name, extra=written.metadata)
    spec = {
        **fields,
        "selector": meta.selector(context.name),
        "ports": [_led(context, port) for port in ports],
    }
    return {**whole, "spec": spec}


def headless_name(context: Context) -> str:
    """Return the name of the Service under which each pod of a StatefulSet has a name of its own."""
    written = context.spec.service
    itself = written is not None and written.enabled and written.cluster_ip == "None"
    return context.name if itself else f"{context.name}-pods"


def headless(context: Context) -> Manifest | None:
    """Return that Service; None for other kinds, and where the stack's own Service is headless already."""
    name = headless_name(context)
    if context.spec.workload.kind != "StatefulSet" or name == context.name:
        return None
    ports = [_led(context, port) for port in _default_ports(context)]
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,  # members of a cluster look for each other before they are ready
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


def _led(context: Context, port: Manifest) -> Manifest:
    """Return a port with its target: the proxy, else the backend's port of that number, else its first."""
    if "targetPort" in port:
        return port
    if context.spec.proxy is not None:
        return {**port, "targetPort": HTTP_PORT}
    numbers = [each.container_port for each in context.spec.backend.ports or []]
    target = port["port"] if port["port"] in numbers else next(iter(numbers), port["port"])
    return {**port, "targetPort": target}


def service_account(context: Context) -> Manifest | None:
    """Return the ServiceAccount; None when none is asked for, or when it exists already."""
    account = context.spec.service_account
    if account is None or not account.create:
        return None
    name = account.name or context.name
    return context.child("v1", "ServiceAccount", name=name, extra=account.metadata)

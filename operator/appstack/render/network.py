"""Ingress, HTTPRoute and NetworkPolicy: who reaches the stack's Service. PURE."""

from __future__ import annotations

from appstack.api.containers import Container
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from appstack.render.context import Context
from appstack.render.proxy import HTTP_PORT


def _first_port(service: Manifest | None) -> int:
    """Return the Service's first port: where requests from outside go."""
    ports = service["spec"]["ports"] if service else []
    return int(ports[0]["port"]) if ports else 80


def ingress(context: Context, service: Manifest | None) -> Manifest | None:
    """Return the Ingress; None when none is asked for."""
    wanted = context.spec.ingress
    if wanted is None:
        return None
    backend = {"service": {"name": context.name, "port": {"number": _first_port(service)}}}
    http = {"http": {"paths": [{"path": wanted.path, "pathType": "Prefix", "backend": backend}]}}
    spec: Manifest = {"rules": [{"host": host, **http} for host in wanted.hosts] or [http]}
    if wanted.ingress_class_name:
        spec["ingressClassName"] = wanted.ingress_class_name
    if wanted.tls:
        hosts = {"hosts": list(wanted.hosts)} if wanted.hosts else {}
        spec["tls"] = [{**hosts, "secretName": wanted.tls.secret_name}]
    head = context.child("networking.k8s.io/v1", "Ingress", name=context.name, extra=wanted.metadata)
    return {**head, "spec": spec}


def http_route(context: Context, service: Manifest | None) -> Manifest | None:
    """Return the HTTPRoute; None when none is asked for."""
    wanted = context.spec.http_route
    if wanted is None:
        return None
    spec: Manifest = {
        "parentRefs": [each.dump() for each in wanted.parent_refs],
        "rules": [{"backendRefs": [{"name": context.name, "port": _first_port(service)}]}],
    }
    if wanted.hostnames:
        spec["hostnames"] = list(wanted.hostnames)
    head = context.child("gateway.networking.k8s.io/v1", "HTTPRoute", name=context.name, extra=wanted.metadata)
    return {**head, "spec": spec}


def network_policy(context: Context, *services: Manifest | None) -> Manifest | None:
    """Return the NetworkPolicy: the ports that the stack's Services and host ports lead to, and no other.

    Ports are numbers: not everything that enforces a policy looks for a name among native sidecars.
    """
    wanted = context.spec.network_policy
    if wanted is None or not wanted.enabled:
        return None
    ports = [*(port for service in services for port in _led_to(context, service)), *_host_ports(context)]
    distinct = list({(port["port"], port["protocol"]): port for port in ports}.values())
    admitted: Manifest = {"ports": distinct}
    if wanted.from_:
        admitted["from"] = wanted.peers()
    spec = {
        "podSelector": {"matchLabels": meta.selector(context.name)},
        "policyTypes": ["Ingress"],
        "ingress": [admitted] if distinct else [],
    }
    return {**context.child("networking.k8s.io/v1", "NetworkPolicy", name=context.name), "spec": spec}


def _led_to(context: Context, service: Manifest | None) -> list[Manifest]:
    ports = service["spec"].get("ports", []) if service else []
    return [
        {"port": _number(context, each["targetPort"], protocol), "protocol": protocol}
        for each in ports
        for protocol in (each.get("protocol", "TCP"),)
    ]


def _number(context: Context, target: int | str, protocol: str) -> int | str:
    """Return the number of a Service's target, which may be the name of a port of any container."""
    proxy = context.spec.proxy
    named = {HTTP_PORT: proxy.port} if proxy and protocol == "TCP" else {}
    for container in _containers(context):
        for port in container.ports or []:
            if port.name and (port.protocol or "TCP") == protocol:
                named.setdefault(port.name, port.container_port)
    return named.get(str(target), target)


def _host_ports(context: Context) -> list[Manifest]:
    return [
        {"port": port.container_port, "protocol": port.protocol or "TCP"}
        for container in _containers(context)
        for port in container.ports or []
        if port.host_port
    ]


def _containers(context: Context) -> tuple[Container, ...]:
    spec = context.spec
    proxy = [spec.proxy] if spec.proxy else []
    beside = [each for each in spec.init_containers if each.restart_policy]
    return (spec.backend, *proxy, *beside, *spec.sidecars)

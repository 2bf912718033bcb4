"""Ingress, HTTPRoute and NetworkPolicy of an AppStack."""

from __future__ import annotations

from collections.abc import Mapping

from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from appstack.render.context import Context
from appstack.render.proxy import HTTP_PORT, HTTPS_PORT


def _first_port(service: Manifest | None) -> int:
    """Return the first port of the Service, to which Ingress and HTTPRoute send requests."""
    ports = service["spec"].get("ports") if service else []
    return int(ports[0]["port"]) if ports else 80


def ingress(context: Context, service: Manifest | None) -> Manifest | None:
    """Return the Ingress, or None if the spec has none."""
    spec_ingress = context.spec.ingress
    if spec_ingress is None:
        return None
    backend = {"service": {"name": context.stack.service_name, "port": {"number": _first_port(service)}}}
    http = {"http": {"paths": [{"path": spec_ingress.path, "pathType": "Prefix", "backend": backend}]}}
    spec: Manifest = {"rules": [{"host": host, **http} for host in spec_ingress.hosts] or [http]}
    if spec_ingress.ingress_class_name:
        spec["ingressClassName"] = spec_ingress.ingress_class_name
    if spec_ingress.tls:
        hosts = {"hosts": list(spec_ingress.hosts)} if spec_ingress.hosts else {}
        spec["tls"] = [{**hosts, "secretName": spec_ingress.tls.secret_name}]
    head = context.child("networking.k8s.io/v1", "Ingress", name=context.name, extra=spec_ingress.metadata)
    return {**head, "spec": spec}


def http_route(context: Context, service: Manifest | None) -> Manifest | None:
    """Return the HTTPRoute, or None if the spec has none."""
    route = context.spec.http_route
    if route is None:
        return None
    spec: Manifest = {
        "parentRefs": [parent.dump() for parent in route.parent_refs],
        "rules": [{"backendRefs": [{"name": context.stack.service_name, "port": _first_port(service)}]}],
    }
    if route.hostnames:
        spec["hostnames"] = list(route.hostnames)
    head = context.child("gateway.networking.k8s.io/v1", "HTTPRoute", name=context.name, extra=route.metadata)
    return {**head, "spec": spec}


def network_policy(context: Context, *services: Manifest | None) -> Manifest | None:
    """Return the NetworkPolicy, which by default admits only the target ports of the Services and the host ports.

    Ports are numbers: some implementations of NetworkPolicy do not resolve port names of native sidecars.
    """
    policy = context.spec.network_policy
    if policy is None or not policy.enabled:
        return None
    named_ports = _named_ports(context)
    ports = [*(port for service in services for port in _target_ports(service, named_ports)), *_host_ports(context)]
    distinct_ports = list({(port["port"], port["protocol"]): port for port in ports}.values())
    rule: Manifest = {"ports": distinct_ports}
    if policy.from_:
        rule["from"] = policy.peers()
    spec: Manifest = {
        "podSelector": {"matchLabels": meta.selector(context.name)},
        "policyTypes": list(policy.types),
    }
    if "Ingress" in policy.types:
        own_rules = list(policy.dump().get("ingress", ()))
        spec["ingress"] = ([rule] if distinct_ports else []) if policy.allows_default_ingress else own_rules
    if policy.egress is not None:
        spec["egress"] = list(policy.dump()["egress"])
    return {
        **context.child("networking.k8s.io/v1", "NetworkPolicy", name=context.name, extra=policy.metadata),
        "spec": spec,
    }


def _target_ports(service: Manifest | None, named_ports: Mapping[tuple[str, str], int]) -> list[Manifest]:
    """Return the target ports of a Service, as a NetworkPolicy lists them."""
    ports = service["spec"].get("ports", []) if service else []
    return [
        {"port": named_ports.get((str(port["targetPort"]), protocol), port["targetPort"]), "protocol": protocol}
        for port in ports
        for protocol in (port.get("protocol", "TCP"),)
    ]


def _named_ports(context: Context) -> dict[tuple[str, str], int]:
    """Return the numbers of all ports that a Service's targetPort can name, by name and protocol."""
    proxy = context.spec.proxy
    numbers = {(HTTP_PORT, "TCP"): proxy.port} if proxy else {}
    if proxy and proxy.tls:
        numbers[(HTTPS_PORT, "TCP")] = proxy.tls.port
    for container in context.spec.concurrent_containers:
        for port in container.ports or []:
            if port.name:
                numbers.setdefault((port.name, port.protocol or "TCP"), port.container_port)
    return numbers


def _host_ports(context: Context) -> list[Manifest]:
    return [
        {"port": port.container_port, "protocol": port.protocol or "TCP"}
        for container in context.spec.concurrent_containers
        for port in container.ports or []
        if port.host_port
    ]

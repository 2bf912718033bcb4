"""Ports, names and DNS of a service."""

from __future__ import annotations

import re
from typing import Final

from appstack.convert.compose.draft import ServiceDraft
from appstack.convert.compose.model import Port
from appstack.convert.compose.values import port_numbers
from appstack.convert.naming import valid_name
from appstack.k8s.metadata import Manifest

_IMAGE_NAME: Final = re.compile(r"(?:.*/)?([^:@/]+)")
IMAGE_PORTS: Final = {
    **dict.fromkeys(("postgres", "postgis", "timescaledb"), 5432),
    **dict.fromkeys(("mysql", "mariadb", "mysql-server", "percona"), 3306),
    **dict.fromkeys(("redis", "valkey"), 6379),
    **dict.fromkeys(("mongo", "mongodb"), 27017),
    **{"rabbitmq": 5672, "memcached": 11211, "elasticsearch": 9200, "nats": 4222, "minio": 9000},
    **dict.fromkeys(("nginx", "httpd", "caddy", "wordpress", "phpmyadmin", "nextcloud"), 80),
}
"""The port of well-known public images, which compose files often leave to the image."""


def convert_network(draft: ServiceDraft) -> None:
    """Convert ports, host names and DNS options."""
    service = draft.service
    ports = _container_ports(draft)
    draft.set("backend.ports", ports)
    if service.hostname and service.hostname != draft.key:
        draft.set("pod.hostname", service.hostname)
    aliases = [
        {"ip": address, "hostnames": [host]}
        for host, addresses in service.extra_hosts.items()
        for address in addresses
        if address != "host-gateway"
    ]
    draft.set("pod.hostAliases", aliases)
    if any("host-gateway" in addresses for addresses in service.extra_hosts.values()):
        draft.unsupported("extra_hosts", "a pod has no name for its node")
    options = [dict(zip(("name", "value"), each.split(":", 1), strict=False)) for each in service.dns_opt]
    config = {"nameservers": service.dns, "searches": service.dns_search, "options": options}
    draft.set("pod.dnsConfig", {key: value for key, value in config.items() if value})
    _namespaces(draft)
    _networks(draft)


def _container_ports(draft: ServiceDraft) -> list[Manifest]:
    """Return the ports that the container listens on: published, exposed, or known for its image."""
    service = draft.service
    numbers: dict[tuple[int, str], None] = {}
    for index, port in enumerate(service.ports):
        number = int(str(port.target))
        numbers[number, port.protocol.upper()] = None
        _published_note(draft, port, f"ports[{index}]")
    for text in service.expose:
        number_text, _, protocol = text.partition("/")
        first, _, last = number_text.partition("-")
        for number in port_numbers(first, last or first):
            numbers[number, (protocol or "tcp").upper()] = None
    if not numbers:
        numbers = _image_ports(draft)
    named = len(numbers) > 1
    return [
        {
            **({"name": f"{protocol.lower()}-{number}"} if named else {}),
            "containerPort": number,
            **({"protocol": protocol} if protocol != "TCP" else {}),
        }
        for number, protocol in numbers
    ]


def _published_note(draft: ServiceDraft, port: Port, path: str) -> None:
    published = f"{port.host_ip}:{port.published or ''}" if port.host_ip else port.published
    if published is None:
        return
    message = f"the host's port {published} leads to no pod: add spec.ingress, or spec.service.type: LoadBalancer"
    draft.changed(path, "spec.service", f"the Service has the container's port {port.target}; {message}")


def _image_ports(draft: ServiceDraft) -> dict[tuple[int, str], None]:
    image = _IMAGE_NAME.match(draft.service.image or "")
    number = IMAGE_PORTS.get(image[1]) if image else None
    others = [key for key, service in draft.project.services.items() if draft.key in service.depends_on]
    if number is not None:
        message = f"{number} is the port of the public image {image[1] if image else ''}"
        draft.changed("expose", "spec.backend.ports", f"is not written: {message}")
        return {(number, "TCP"): None}
    if others:
        message = f"write the port on which it listens, if {', '.join(others)} connects to it"
        draft.required("expose", "spec.backend.ports", message)
    return {}


def _namespaces(draft: ServiceDraft) -> None:
    service = draft.service
    if service.network_mode == "host":
        draft.set("pod.hostNetwork", value=True)
    elif service.network_mode not in (None, "bridge", "default"):
        draft.unsupported("network_mode", f"{service.network_mode}: a pod has a network of its own")
    for field, value, target in (("pid", service.pid, "hostPID"), ("ipc", service.ipc, "hostIPC")):
        if value == "host":
            draft.set(f"pod.{target}", value=True)
        elif value not in (None, "private", "shareable"):
            draft.unsupported(field, f"{value}: containers share it only in one pod")


def _networks(draft: ServiceDraft) -> None:
    service = draft.service
    further = [each for each in service.networks if each != "default"]
    if further:
        message = "all pods of a cluster reach each other; spec.networkPolicy restricts the connections"
        draft.unsupported("networks", f"{', '.join(further)}: {message}")
    ports = draft.spec["backend"].get("ports", [])
    for key, options in service.networks.items():
        for alias in options.get("aliases") or []:
            if alias in (draft.key, draft.name):
                continue
            if not ports or valid_name(alias) != alias:
                draft.unsupported(f"networks.{key}.aliases", f"{alias} cannot be the name of a Service")
                continue
            entries = [_service_port(port) for port in ports]
            if alias not in [each["name"] for each in draft.spec.get("services", [])]:
                draft.add("services", {"name": alias, "ports": entries})
        if rest := sorted(options.keys() - {"aliases"}):
            draft.unsupported(f"networks.{key}", f"a pod has no {', '.join(rest)}")


def _service_port(port: Manifest) -> Manifest:
    return {**{key: port[key] for key in ("name", "protocol") if key in port}, "port": port["containerPort"]}

"""Expensive ports, probes and metrics."""

from __future__ import annotations

from typing import Final

from bench.worst_cases.spec import Spec, inheriting, make_backend


def make_ports(n: int) -> list[Spec]:
    return [{"containerPort": index + 1} for index in range(n)]


def probed_ports(n: int) -> Spec:
    """Ports of the backend, and probes of 64 containers of ports that no container declares."""
    probe = {"tcpSocket": {"port": 65000}}
    containers = inheriting(
        ports=[{"containerPort": 65001}], startupProbe=probe, livenessProbe=probe, readinessProbe=probe
    )
    return {"backend": make_backend(ports=make_ports(n)), **containers}


def probed_own_ports(n: int) -> Spec:
    """Probes of ports that no container declares, in containers with many ports each: the hint lists them."""
    probe = {"tcpSocket": {"port": 65000}}
    ports = [{"containerPort": index + 1} for index in range(n // 64 + 1)]
    return {"backend": make_backend(), **inheriting(ports=ports, startupProbe=probe, livenessProbe=probe)}


def probed_port_names(n: int) -> Spec:
    """Probes of port names that do not exist."""
    ports = [{"containerPort": index + 1, "name": f"p{index}"} for index in range(n // 64 + 1)]
    probe = {"tcpSocket": {"port": "x"}}
    return {"backend": make_backend(), **inheriting(ports=ports, startupProbe=probe, livenessProbe=probe)}


def host_ports(n: int) -> Spec:
    """Host ports of several pods: a warning for each."""
    ports = [{"containerPort": index + 1, "hostPort": index + 1} for index in range(n)]
    return {"backend": make_backend(ports=ports), "replicas": 3}


def service_ports(n: int) -> Spec:
    """Ports of the Service with a target that does not exist, beside ports of the backend: the hint lists them."""
    ports = [{"name": f"p{index}", "port": index + 1, "targetPort": 65000} for index in range(n)]
    return {"backend": make_backend(ports=make_ports(n)), "service": {"ports": ports}}


def exposed_ports(n: int) -> Spec:
    """Ports of the backend that a Service, a headless Service and a NetworkPolicy expose."""
    ports = [{"name": f"p{index}", "containerPort": index + 1} for index in range(n)]
    service = {"ports": [{"name": f"p{index}", "port": index + 1, "targetPort": f"p{index}"} for index in range(n)]}
    workload = {"kind": "StatefulSet"}
    return {"backend": make_backend(ports=ports), "service": service, "networkPolicy": {}, "workload": workload}


def further_services(n: int) -> Spec:
    """Ports of further Services with a target that does not exist, beside ports of the backend."""
    ports = [{"name": f"p{index}", "port": index + 1, "targetPort": 65000} for index in range(n // 32 + 1)]
    services = [{"name": f"s{index}", "ports": ports} for index in range(32)]
    return {"backend": make_backend(ports=make_ports(n // 2)), "services": services}


def exposed_further_services(n: int) -> Spec:
    """Named ports of the backend that further Services and a NetworkPolicy expose, and Services without ports."""
    names = [f"p{index}" for index in range(n // 32 + 1)]
    ports = [{"name": name, "containerPort": index + 1} for index, name in enumerate(names)]
    exposed = [{"name": name, "port": index + 1, "targetPort": name} for index, name in enumerate(names)]
    services = [{"name": f"s{index}", "ports": exposed} for index in range(31)]
    headless = {"name": "s31", "clusterIP": "None"}
    return {"backend": make_backend(ports=ports), "services": [*services, headless], "networkPolicy": {}}


def scraped_ports(n: int) -> Spec:
    """Endpoints of a ServiceMonitor with rules, whose port does not exist, beside ports of the Service."""
    ports = [{"name": f"p{index}", "containerPort": index + 1} for index in range(n)]
    endpoints = [{"port": "x", "relabelings": [{"regex": "a"}] * min(64, n // 32 + 1)} for _ in range(32)]
    return {"backend": make_backend(ports=ports), "serviceMonitor": {"endpoints": endpoints}}


def metrics(n: int) -> Spec:
    """Metrics of the autoscaler, each of which needs a request of each of 64 containers."""
    target = {"type": "Utilization", "averageUtilization": 5}
    listed = [{"type": "Resource", "resource": {"name": f"r{index}", "target": target}} for index in range(n)]
    return {"backend": make_backend(), "autoscaling": {"maxReplicas": 2, "metrics": listed}, **inheriting()}


def container_metrics(n: int) -> Spec:
    """Metrics of the autoscaler for a container that does not exist: the hint lists all."""
    target = {"type": "Utilization", "averageUtilization": 5}
    resource = {"name": "cpu", "container": "x", "target": target}
    listed = [{"type": "ContainerResource", "containerResource": resource} for index in range(n)]
    return {"backend": make_backend(), "autoscaling": {"maxReplicas": 2, "metrics": listed}, **inheriting()}


CASES: Final = (
    probed_ports,
    probed_own_ports,
    probed_port_names,
    host_ports,
    service_ports,
    exposed_ports,
    further_services,
    exposed_further_services,
    scraped_ports,
    metrics,
    container_metrics,
)

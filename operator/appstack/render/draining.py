"""Graceful termination and rolling updates: preStop delay, default readiness probe, Deployment strategy.

A deleted pod still receives requests until every node has removed it from the endpoints of the Service. Its preStop
hook therefore delays SIGTERM to the backend for some seconds. nginx, a native sidecar, terminates after the backend.
Within the delay nginx closes every keep-alive connection with a response that announces it, so no client keeps a
connection to a terminating pod.
"""

from __future__ import annotations

from collections.abc import Iterable

from appstack.api.pod import DRAIN_SECONDS
from appstack.k8s.metadata import Manifest
from appstack.render.context import Context


def with_pre_stop(context: Context, fields: Manifest, *, exposed: bool) -> Manifest:
    """Return the rendered fields of the backend, with a preStop delay if a Service selects the pod."""
    lifecycle = fields.get("lifecycle", {})
    if not exposed or "preStop" in lifecycle or not _delay_fits_grace_period(context):
        return fields
    return {**fields, "lifecycle": {**lifecycle, "preStop": {"sleep": {"seconds": DRAIN_SECONDS}}}}


def _delay_fits_grace_period(context: Context) -> bool:
    """Return whether the termination grace period, which includes preStop, is longer than the delay."""
    grace_period_seconds = context.spec.pod.termination_grace_period_seconds
    return grace_period_seconds is None or grace_period_seconds > DRAIN_SECONDS


def with_default_readiness(context: Context, fields: Manifest, services: Iterable[Manifest]) -> Manifest:
    """Return the rendered fields of the backend, with a tcpSocket readiness probe if nothing else checks the backend.

    The probe asks the port to which the first Service sends requests; without it, a backend that does not listen yet
    would receive some. A backend without a Service gets none: its protocol is unknown.
    """
    if context.spec.proxy is not None or context.spec.backend.readiness_probe is not None:
        return fields
    port = _backend_port(context, services)
    return fields if port is None else {**fields, "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 2}}


def _backend_port(context: Context, services: Iterable[Manifest]) -> int | None:
    """Return the number of the first TCP port of a Service that leads to the backend; None if none does."""
    others = [c for c in context.spec.concurrent_containers if c is not context.spec.backend]
    taken = {port.container_port for container in others for port in container.ports or ()}
    named = {port.name: port.container_port for port in context.spec.backend.ports or () if port.name}
    for port in (port for service in services for port in service["spec"].get("ports", ())):
        target = port["targetPort"]
        number = named.get(target) if isinstance(target, str) else target
        if port.get("protocol", "TCP") == "TCP" and number is not None and number not in taken:
            return int(number)
    return None


def default_strategy(context: Context) -> Manifest:
    """Return the default strategy of a Deployment: no pod terminates before its successor is ready.

    Return {}, Kubernetes' own default, where a successor may find no node while the old pod runs: pods with host ports,
    of which a node has one, and pods that must not share a node with each other.
    """
    proxy = [context.spec.proxy] if context.spec.proxy else []
    containers = (context.spec.backend, *proxy, *context.spec.sidecars)
    has_host_port = any(port.host_port for container in containers for port in container.ports or [])
    affinity = context.spec.pod.affinity
    apart = affinity and affinity.pod_anti_affinity
    if (
        context.spec.pod.host_network
        or has_host_port
        or (apart and apart.required_during_scheduling_ignored_during_execution)
    ):
        return {}
    return {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}}

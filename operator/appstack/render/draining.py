"""Graceful termination and rolling updates: preStop delay, default readiness probe, Deployment strategy.

A deleted pod still receives requests until every node has removed it from the endpoints of the Service. Its preStop
hook therefore delays SIGTERM to the backend for some seconds. nginx, a native sidecar, terminates after the backend.
Within the delay nginx closes every keep-alive connection with a response that announces it, so no client keeps a
connection to a terminating pod.
"""

from __future__ import annotations

from typing import Any

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


def with_default_readiness(context: Context, fields: Manifest, *, exposed: bool) -> Manifest:
    """Return the rendered fields of the backend, with a tcpSocket readiness probe if nothing else checks the backend.

    Without the probe, a Service would send requests to a backend that does not listen yet.
    """
    backend = context.spec.backend
    unchecked = context.spec.proxy is None and backend.readiness_probe is None
    ports = [port.container_port for port in backend.ports or [] if port.protocol in (None, "TCP")]
    if not (exposed and unchecked and ports):
        return fields
    probe: dict[str, Any] = {"tcpSocket": {"port": ports[0]}, "periodSeconds": 2}
    return {**fields, "readinessProbe": probe}


def default_strategy(context: Context) -> Manifest:
    """Return the default strategy of a Deployment: no pod terminates before its successor is ready.

    Return {}, Kubernetes' own default, where pods use host ports: two pods on one node cannot bind the same host port,
    so the old pod has to terminate first.
    """
    proxy = [context.spec.proxy] if context.spec.proxy else []
    containers = (context.spec.backend, *proxy, *context.spec.sidecars)
    has_host_port = any(port.host_port for container in containers for port in container.ports or [])
    if context.spec.pod.host_network or has_host_port:
        return {}
    return {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}}

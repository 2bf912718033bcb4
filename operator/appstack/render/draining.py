"""How a pod goes without losing a request, and how one comes. PURE.

A pod that is deleted still gets requests until every node has taken it out of the Service. So the backend stays for
some seconds before it is told to stop, and nginx, a native sidecar, stays longer than the backend. nginx ends each
kept connection within those seconds, by an answer that says so; nobody then holds one to a pod that goes.
"""

from __future__ import annotations

from typing import Any

from appstack.api.pod import DRAIN_SECONDS
from appstack.k8s.metadata import Manifest
from appstack.render.context import Context


def drained(context: Context, fields: Manifest, *, led_to: bool) -> Manifest:
    """Return the backend's rendered fields: where a Service leads to the pod it waits before it stops."""
    lifecycle = fields.get("lifecycle", {})
    if not led_to or "preStop" in lifecycle or not _stays(context):
        return fields
    return {**fields, "lifecycle": {**lifecycle, "preStop": {"sleep": {"seconds": DRAIN_SECONDS}}}}


def _stays(context: Context) -> bool:
    """Tell whether the pod has the time: the wait is part of its grace period."""
    grace = context.spec.pod.termination_grace_period_seconds
    return grace is None or grace > DRAIN_SECONDS


def ready_when_listening(context: Context, fields: Manifest, *, led_to: bool) -> Manifest:
    """Return the backend's fields, not ready before it listens: without a proxy nothing else would know."""
    backend = context.spec.backend
    unknown = context.spec.proxy is None and backend.readiness_probe is None
    ports = [port.container_port for port in backend.ports or [] if port.protocol in (None, "TCP")]
    if not (led_to and unknown and ports):
        return fields
    probe: dict[str, Any] = {"tcpSocket": {"port": ports[0]}, "periodSeconds": 2}
    return {**fields, "readinessProbe": probe}


def strategy(context: Context) -> Manifest:
    """Return a Deployment's default strategy: no pod goes before its successor is ready.

    A port of the node can be had once only, so there a pod has to go first: Kubernetes' own default stays.
    """
    proxy = [context.spec.proxy] if context.spec.proxy else []
    containers = (context.spec.backend, *proxy, *context.spec.sidecars)
    if context.spec.pod.host_network or any(port.host_port for each in containers for port in each.ports or []):
        return {}
    return {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}}

"""Small AppStacks that several tests begin with."""

from __future__ import annotations

from typing import Any

from tests.e2e.harness import Manifest

BACKEND_IMAGE = "appstack.dev/demo-backend:1.0.0"
BARE_IMAGE = "appstack.dev/demo-backend:1.0.0-bare"  # no shell, no cp, and no root


def open_backend(name: str, image: str = BACKEND_IMAGE, **spec: Any) -> Manifest:
    """Return an AppStack of a demo backend alone, which listens for everybody; `backend` is merged into it."""
    backend = {
        "image": image,
        "ports": [{"name": "http", "containerPort": 8000}],
        "env": [{"name": "LISTEN", "value": ":8000"}],
        "readinessProbe": {"httpGet": {"path": "/ready"}, "periodSeconds": 1, "timeoutSeconds": 10},
        **spec.pop("backend", {}),
    }
    # Long enough for the wait that lets a Service forget the pod, and no longer.
    pod = {"terminationGracePeriodSeconds": 6, **spec.pop("pod", {})}
    whole = {"replicas": 1, "backend": backend, "pod": pod, **spec}
    return {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": {"name": name}, "spec": whole}


def private_backend(name: str, **spec: Any) -> Manifest:
    """Return an AppStack of a backend on 127.0.0.1 and nginx in front of it; `backend` is merged into it."""
    backend = {"image": BACKEND_IMAGE, "ports": [{"containerPort": 8000}], **spec.pop("backend", {})}
    whole = {"replicas": 1, "backend": backend, "proxy": {}, **spec}
    return {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": {"name": name}, "spec": whole}


def on_node(node: str) -> Manifest:
    """Return what binds pods to one node."""
    return {"nodeSelector": {"kubernetes.io/hostname": node}}


def nodes_of(items: list[Manifest]) -> list[str]:
    """Return the names of nodes."""
    return sorted(node["metadata"]["name"] for node in items)

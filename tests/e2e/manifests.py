"""Small AppStacks that several end-to-end tests deploy."""

from __future__ import annotations

from typing import Any

from tests.e2e.namespace import Manifest

BACKEND_IMAGE = "appstack.dev/demo-backend:1.0.0"
SHELL_LESS_IMAGE = "appstack.dev/demo-backend:1.0.0-bare"  # no shell, no cp, not root


def public_backend(name: str, image: str = BACKEND_IMAGE, **spec: Any) -> Manifest:
    """Return an AppStack of a demo backend alone, which listens on every address; `backend` is merged into it."""
    backend = {
        "image": image,
        "ports": [{"name": "http", "containerPort": 8000}],
        "env": [{"name": "LISTEN", "value": ":8000"}],
        "readinessProbe": {"httpGet": {"path": "/ready"}, "periodSeconds": 1, "timeoutSeconds": 10},
        **spec.pop("backend", {}),
    }
    # Long enough for the preStop delay, in which the Service removes the pod from its endpoints, and no longer.
    pod = {"terminationGracePeriodSeconds": 6, **spec.pop("pod", {})}
    return appstack(name, **{"replicas": 1, **spec}, backend=backend, pod=pod)


def private_backend(name: str, **spec: Any) -> Manifest:
    """Return an AppStack of a backend on 127.0.0.1 behind nginx; `backend` is merged into it."""
    backend = {"image": BACKEND_IMAGE, "ports": [{"containerPort": 8000}], **spec.pop("backend", {})}
    return appstack(name, **{"replicas": 1, "proxy": {}, **spec}, backend=backend)


def appstack(name: str, **spec: Any) -> Manifest:
    """Return an AppStack with this spec."""
    return {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": {"name": name}, "spec": spec}


def on_node(node: str) -> Manifest:
    """Return the fields of a pod that bind it to a node."""
    return {"nodeSelector": {"kubernetes.io/hostname": node}}


def node_names(nodes: list[Manifest]) -> list[str]:
    """Return the sorted names of nodes."""
    return sorted(node["metadata"]["name"] for node in nodes)

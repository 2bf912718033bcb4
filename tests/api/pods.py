"""Pods that no node runs: the tests write the status that a kubelet would write."""

from __future__ import annotations

from typing import Any

from tests.api.cluster import Manifest, Namespace

UNSCHEDULABLE = {"nodeSelector": {"no": "where"}}
TASK = {"image": "busybox:1.35.0", "command": ["true"]}
SERVER = {**TASK, "ports": [{"containerPort": 8000}]}
RUN_TO_COMPLETION: dict[str, Any] = {"replicas": None, "backend": TASK, "pod": UNSCHEDULABLE}
"""Fields of an AppStack whose workload is a Job, a CronJob or a Pod."""


def pods(namespace: Namespace) -> list[Manifest]:
    """Return the pods of AppStacks that are not terminating."""
    every_pod = namespace.list("Pod", labelSelector="appstack.dev/stack")
    return [pod for pod in every_pod if "deletionTimestamp" not in pod["metadata"]]


def finish_pod(namespace: Namespace, name: str, phase: str, *, exit_code: int = 0, message: str = "") -> None:
    """Write the status of a pod whose container has terminated; `message` is its termination message."""
    end = {"exitCode": exit_code, "finishedAt": "2026-11-21T07:00:00Z", "reason": "Error", "message": message}
    state = {"terminated": end}
    container = {"name": "backend", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    status = {"phase": phase, "containerStatuses": [container]}
    namespace.patch("Pod", name, {"status": status}, subresource="status")


def make_pod_ready(namespace: Namespace, name: str) -> None:
    """Write the status of a pod that is running and Ready."""
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-21T07:00:00Z"}
    namespace.patch("Pod", name, {"status": {"phase": "Running", "conditions": [condition]}}, subresource="status")

"""Start order, health check, restarts and replicas of a service."""

from __future__ import annotations

import math
from typing import Final

from appstack.convert.compose.draft import ServiceDraft
from appstack.convert.compose.model import Healthcheck
from appstack.k8s.metadata import Manifest

_COMPLETED: Final = "service_completed_successfully"
_COMPOSE_SECONDS, _KUBERNETES_SECONDS = 30, {"periodSeconds": 10, "timeoutSeconds": 1}


def convert_lifecycle(draft: ServiceDraft) -> None:
    """Convert the kind of the workload, its dependencies, its health check and its replicas."""
    service = draft.service
    _kind(draft)
    _dependencies(draft)
    if service.healthcheck is not None:
        _healthcheck(draft, service.healthcheck)
    if service.stop_grace_period is not None:
        draft.set("pod.terminationGracePeriodSeconds", math.ceil(service.stop_grace_period))
    deploy = service.deploy
    if deploy.placement:
        draft.unsupported("deploy.placement", "write spec.pod.nodeSelector, affinity or topologySpreadConstraints")
    if deploy.endpoint_mode:
        draft.unsupported("deploy.endpoint_mode", "a Service has a virtual address, unless its clusterIP is None")
    if deploy.rollback_config:
        draft.unsupported("deploy.rollback_config", "Kubernetes does not roll back by itself")
    if deploy.update_config:
        draft.unsupported("deploy.update_config", "write spec.workload.deployment.strategy")
    for field, labels in (("labels", service.labels), ("deploy.labels", deploy.labels)):
        if labels:
            message = "write those that are of use in Kubernetes as spec.pod.metadata"
            draft.unsupported(field, f"{', '.join(labels)}: {message}")
    draft.set("pod.metadata.annotations", dict(service.annotations))


def _kind(draft: ServiceDraft) -> None:
    """Set the kind: a Job for a service that others wait for until its end, a DaemonSet for one on every node."""
    service = draft.service
    dependents = [
        key
        for key, other in draft.project.services.items()
        if draft.key in other.depends_on and other.depends_on[draft.key].condition == _COMPLETED
    ]
    mode = service.deploy.mode
    replicas = service.deploy.replicas if service.deploy.replicas is not None else service.scale
    policy = str(service.deploy.restart_policy.get("condition") or service.restart or "no").partition(":")[0]
    if dependents or mode == "replicated-job":
        draft.set("workload.kind", "Job")
        draft.set("service.enabled", value=False)
        if replicas not in (None, 1):
            draft.set("workload.job", {"completions": replicas, "parallelism": replicas})
        if policy in ("no", "none"):
            draft.set("pod.restartPolicy", "Never")
        if dependents:
            draft.changed("", "spec.workload.kind", f"is a Job: {', '.join(dependents)} waits for its end")
        return
    if mode == "global":
        draft.set("workload.kind", "DaemonSet")
    elif mode == "global-job":
        draft.unsupported("deploy.mode", "Kubernetes has no job on every node")
    else:
        draft.set("replicas", replicas)
        _strategy(draft)
    written = "restart" in service.model_fields_set or service.deploy.restart_policy
    if written and policy in ("no", "none", "on-failure"):
        draft.changed("restart", "spec.workload", f"{policy!r}: a {mode} service is restarted whenever it ends")


def _strategy(draft: ServiceDraft) -> None:
    """Stop the old pod before the new one starts where a claim can be mounted on one node only, as compose does."""
    claims = [volume["claim"] for volume in draft.spec.get("volumes", []) if "claim" in volume]
    if any("accessModes" not in claim for claim in claims):
        draft.set("workload.deployment.strategy", {"type": "Recreate"})


def _dependencies(draft: ServiceDraft) -> None:
    names = []
    for key, dependency in draft.service.depends_on.items():
        path = f"depends_on.{key}"
        name = draft.names.get(key)
        if name is None:
            if dependency.required:
                draft.unsupported(path, f"the service {key} is not part of the active profiles")
            continue
        names.append({"name": name})
        if dependency.condition == "service_started":
            draft.changed(path, "spec.dependsOn", "waits until the other AppStack is Ready, not only started")
        if dependency.restart:
            draft.unsupported(f"{path}.restart", "pods are not restarted with those that they depend on")
    draft.set("dependsOn", names)


def _healthcheck(draft: ServiceDraft, check: Healthcheck) -> None:
    """Convert a health check to a readiness probe: it decides whether others connect, and restarts nothing."""
    command = _command(check)
    if command is None:
        return
    written = {"periodSeconds": check.interval, "timeoutSeconds": check.timeout}
    seconds = {name: max(1, math.ceil(_COMPOSE_SECONDS if value is None else value)) for name, value in written.items()}
    probe: Manifest = {
        "exec": {"command": command},
        **{name: value for name, value in seconds.items() if value != _KUBERNETES_SECONDS[name]},
        **({"failureThreshold": check.retries} if check.retries not in (None, 3) else {}),
    }
    draft.set("backend.readinessProbe", probe)
    message = "Services lead to the pod only while it succeeds; Kubernetes restarts a pod only for a livenessProbe"
    draft.changed("healthcheck", "spec.backend.readinessProbe", message)
    for name, value in (("start_period", check.start_period), ("start_interval", check.start_interval)):
        if value is not None:
            draft.unsupported(f"healthcheck.{name}", "a failing readiness probe has no consequence during the start")


def _command(check: Healthcheck) -> list[str] | None:
    if check.disable or check.test is None:
        return None
    if isinstance(check.test, str):
        return ["/bin/sh", "-c", check.test.replace("$(", "$$(")]
    kind, *rest = check.test or ["NONE"]
    arguments = [each.replace("$(", "$$(") for each in rest]
    if kind == "CMD-SHELL":
        return ["/bin/sh", "-c", *arguments]
    return arguments if kind == "CMD" else None

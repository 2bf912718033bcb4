"""Problems of whole pods: unschedulable, mounts that fail, eviction, a node that is gone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from appstack.api.status import Problem
from appstack.k8s.observed import Child, Observed, WarningEvent
from appstack.k8s.text import truncate
from appstack.status.detection import missing_object, missing_volume_key
from appstack.status.references import volume_field

_SCHEDULING_CAUSES: Final[tuple[tuple[str, str, str], ...]] = (
    (
        r"persistentvolumeclaim \"(?P<name>[^\"]+)\" not found",
        "volumes",
        "Create the claim, or let AppStack create it: volumes[].claim",
    ),
    (
        r"unbound immediate PersistentVolumeClaims|volume node affinity conflict|available persistent volumes to bind|"
        r"persistentvolumeclaim|volume\(s\)",
        "volumes",
        "The claim has no volume on a node that the pod may use: check the claim's storageClassName and its Events",
    ),
    (
        r"Insufficient (?P<resource>[-./\w]*\w)|Too many pods",
        "resources",
        "No node has this much free: lower resources.requests, or add a node",
    ),
    (
        r"free ports for the requested pod ports",
        "hostPort",
        "Another pod uses the host port on each node: change hostPort",
    ),
    (
        r"had untolerated taint",
        "tolerations",
        "Each node has a taint: add the toleration to spec.pod.tolerations, or use other nodes",
    ),
    (
        r"didn't match pod topology spread constraints",
        "topologySpreadConstraints",
        "Correct spec.pod.topologySpreadConstraints, for example whenUnsatisfiable: ScheduleAnyway",
    ),
    (
        r"didn't match pod (anti-)?affinity|existing pods anti-affinity",
        "affinity",
        "Correct spec.pod.affinity, or run fewer replicas",
    ),
    (
        r"didn't match Pod's node affinity/selector",
        "nodeSelector",
        "No node has these labels: correct spec.pod.nodeSelector or affinity, or label a node",
    ),
    (r"unschedulable", "", "The nodes are cordoned: kubectl uncordon NODE"),
)
"""Patterns of the scheduler's message, the subject of the field, and the hint; causes in the AppStack come first."""

_MOUNT_REASONS: Final = ("FailedMount", "FailedAttachVolume", "FailedMapVolume", "VolumeResizeFailed")
_MOUNT_VOLUME: Final = re.compile(r'for volume "(?P<name>[^"]+)"')
_UNMOUNTED: Final = re.compile(r"unmounted volumes=\[(?P<name>[^],\s]+)")
_DEFAULT_MOUNT_HINT: Final = "Correct the volume; kubectl describe pod shows all attempts"
_MOUNT_HINTS: Final[tuple[tuple[str, str], ...]] = (
    (
        r"Multi-Attach error|already exclusively attached|already used by",
        "Another pod on another node uses the volume, which one node at a time may attach: set "
        "workload.deployment.strategy {type: Recreate}, or use the access mode ReadWriteMany",
    ),
    (r"hostPath type check failed", "The node has no such path of this type: correct hostPath.path or hostPath.type"),
    (r"timed out|DeadlineExceeded", "The storage does not answer: check the volume's driver and its server"),
    (r"permission denied|access denied", "The storage server refuses this node: check its exports and credentials"),
    (r"driver name .* not found|not found in the list of registered CSI drivers", "Install the CSI driver on the node"),
    (r"wrong fs type|bad option|bad superblock|mount failed", "Check the storage server, its path and fsType"),
)
_NETWORK_HINT: Final = "The network plugin cannot set up the pod: check its pods on this node"


def pod_problems(
    spec: Mapping[str, Any], pod: Child, *, observed: Observed, warnings: Iterable[WarningEvent], ready: bool
) -> Iterator[Problem]:
    """Yield the problems of a pod as a whole; `ready` if the workload does not need this pod."""
    if pod.status.get("phase") == "Failed":
        if not ready and pod.status.get("reason"):
            yield _failed(pod)
        return
    yield from _unschedulable(spec, pod, observed)
    yield from _node_not_ready(pod, warnings)
    if _is_starting(pod):
        yield from _mounts(spec, pod, warnings)


def _is_starting(pod: Child) -> bool:
    """Return whether the pod has a node and no container of it has started."""
    statuses = [*(pod.status.get("initContainerStatuses") or ()), *(pod.status.get("containerStatuses") or ())]
    return pod.status.get("phase") == "Pending" and all(not (one.get("state") or {}).get("running") for one in statuses)


def _failed(pod: Child) -> Problem:
    """Return the problem of a pod that the kubelet ended or refused."""
    reason = str(pod.status["reason"])
    hints = {
        "Evicted": "Set resources.requests to the need of the containers (ephemeral-storage, too): Kubernetes first "
        "evicts pods that use more than they request",
        "NodeAffinity": "The node's labels have changed: correct spec.pod.nodeSelector or affinity",
        "DeadlineExceeded": "The pod ran longer than activeDeadlineSeconds",
    }
    message = pod.status.get("message") or f"The pod failed: {reason}"
    field = {"DeadlineExceeded": "spec.pod.activeDeadlineSeconds", "Evicted": ""}.get(reason, "spec.pod")
    hint = hints.get(reason, "The kubelet of the node refused the pod: check the node")
    return Problem(pod=pod.ref.name, reason=reason, message=truncate(message), hint=hint, field=field)


def _unschedulable(spec: Mapping[str, Any], pod: Child, observed: Observed) -> Iterator[Problem]:
    """Yield the problem of an unschedulable pod with the scheduler's message."""
    if pod.status.get("phase", "Pending") != "Pending":
        return
    for condition in pod.status.get("conditions") or ():
        identity = (condition.get("type"), condition.get("status"))
        reason = condition.get("reason")
        if identity == ("PodScheduled", "False") and reason in ("Unschedulable", "SchedulingGated"):
            message = condition.get("message") or "No node accepts the pod"
            if reason == "SchedulingGated":
                hint = "A controller must remove the scheduling gates, or remove spec.pod.schedulingGates"
                field = "spec.pod.schedulingGates"
            else:
                hint, field = _scheduling_cause(spec, str(message), observed)
            yield Problem(pod=pod.ref.name, reason=reason, message=truncate(message), hint=hint, field=field)


def _scheduling_cause(spec: Mapping[str, Any], message: str, observed: Observed) -> tuple[str, str]:
    for pattern, subject, hint in _SCHEDULING_CAUSES:
        found = re.search(pattern, message)
        if found is not None:
            claims = pending_claims(spec, observed) if subject == "volumes" else {}
            if claims:
                name, field = next(iter(claims.items()))
                return f"The claim {name} is pending: check its storageClassName, size and access modes", field
            return hint, _scheduling_field(spec, subject, found.groupdict())
    return "Check resources.requests, PersistentVolumeClaims, and the scheduling fields of spec.pod", ""


def pending_claims(spec: Mapping[str, Any], observed: Observed) -> dict[str, str]:
    """Return the pending claims of an AppStack, with the field of the volume that each belongs to."""
    pending = (
        ref.name
        for ref, child in observed.children.items()
        if ref.kind == "PersistentVolumeClaim" and child.status.get("phase") == "Pending"
    )
    return {name: claim_field(spec, name) for name in pending}


def claim_field(spec: Mapping[str, Any], claim: str) -> str:
    """Return the field of the volume with this claim: a claim's name contains the volume's."""
    for index, volume in enumerate(spec.get("volumes") or ()):
        name = str(volume.get("name"))
        existing = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if existing == claim:
            return f"spec.volumes[{index}].persistentVolumeClaim.claimName"
        if "claim" in volume and (claim.endswith(f"-{name}") or claim.startswith(f"{name}-")):
            return f"spec.volumes[{index}].claim"
    return ""


def _scheduling_field(spec: Mapping[str, Any], subject: str, groups: Mapping[str, str]) -> str:
    if subject == "resources":
        return _requests_field(spec, groups.get("resource") or "")
    if subject == "volumes":
        return claim_field(spec, groups.get("name") or "")
    if subject == "hostPort":
        ports = ((spec.get("backend") or {}).get("ports")) or ()
        indexes = [index for index, port in enumerate(ports) if port.get("hostPort")]
        return f"spec.backend.ports[{indexes[0]}].hostPort" if indexes else ""
    if subject == "nodeSelector" and not (spec.get("pod") or {}).get("nodeSelector"):
        subject = "affinity"
    return f"spec.pod.{subject}" if subject else ""


def _requests_field(spec: Mapping[str, Any], resource: str) -> str:
    """Return the container's request for a resource; of several, the one with the most digits is the likeliest."""
    entries = {"spec.backend": spec.get("backend") or {}, "spec.proxy": spec.get("proxy") or {}}
    for key in ("sidecars", "initContainers"):
        entries |= {f"spec.{key}[{index}]": entry for index, entry in enumerate(spec.get(key) or ())}
    for field, entry in entries.items():
        resources = entry.get("resources") or {}
        for part in ("requests", "limits"):  # a limit without a request is the request, too
            if resource in (resources.get(part) or {}):
                return f"{field}.resources.{part}.{resource}"
    return ""


def _node_not_ready(pod: Child, warnings: Iterable[WarningEvent]) -> Iterator[Problem]:
    is_ready = any(
        (one.get("type"), one.get("status")) == ("Ready", "True") for one in pod.status.get("conditions") or ()
    )
    if not is_ready and pod.status.get("phase") == "Running":
        for event in warnings:
            if event.reason == "NodeNotReady":
                node = pod.spec.get("nodeName", "")
                hint = "Check the node; after five minutes Kubernetes replaces its pods, except those of a StatefulSet"
                message = f"Node {node} of pod {pod.ref.name} does not answer"
                yield Problem(pod=pod.ref.name, reason=event.reason, message=message, hint=hint)
                return


def _mounts(spec: Mapping[str, Any], pod: Child, warnings: Iterable[WarningEvent]) -> Iterator[Problem]:
    """Yield the problem of a mount that fails; the Event with the cause precedes the one that only counts volumes."""
    events = [event for event in warnings if event.reason in _MOUNT_REASONS]
    events.sort(key=lambda event: "unmounted volumes=" in event.message)
    for event in events[:1]:
        found = _MOUNT_VOLUME.search(event.message) or _UNMOUNTED.search(event.message)
        volume = found["name"] if found else ""
        hint, field = _mount_cause(spec, event.message, volume)
        message = truncate(event.message.partition(" : ")[2] or event.message)
        subject = f"Volume {volume}: " if volume and volume_field(spec, volume) else ""
        yield Problem(
            pod=pod.ref.name, reason=event.reason, message=truncate(f"{subject}{message}"), hint=hint, field=field
        )
        return
    for event in warnings:
        if event.reason == "FailedCreatePodSandBox":
            runtime_class = "RuntimeHandler" in event.message or "runtime handler" in event.message
            field = "spec.pod.runtimeClassName" if runtime_class else ""
            hint = "The node lacks the handler of this RuntimeClass" if runtime_class else _NETWORK_HINT
            yield Problem(
                pod=pod.ref.name, reason=event.reason, message=truncate(event.message), hint=hint, field=field
            )
            return


def _mount_cause(spec: Mapping[str, Any], message: str, volume: str) -> tuple[str, str]:
    own_field = volume_field(spec, volume)
    missing = missing_object(message, spec) or missing_volume_key(message, spec, _object_of_volume(spec, volume))
    if missing is not None:
        return missing.hint, missing.field or own_field
    hint = next((hint for pattern, hint in _MOUNT_HINTS if re.search(pattern, message)), _DEFAULT_MOUNT_HINT)
    return hint, own_field or (_only_claim(spec) if volume.startswith("pvc-") else "")


def _object_of_volume(spec: Mapping[str, Any], volume: str) -> tuple[str, str]:
    """Return kind and name of the ConfigMap or Secret of a volume; of a volume for `files`, by AppStack's own name."""
    for entry in spec.get("volumes") or ():
        if entry.get("name") == volume:
            if entry.get("secret"):
                return "secret", str(entry["secret"].get("secretName") or "")
            if entry.get("configMap"):
                return "configmap", str(entry["configMap"].get("name") or "")
    kind = "secret" if volume.startswith("appstack-secret-") else "configmap"
    selector_name = "secretKeyRef" if kind == "secret" else "configMapKeyRef"
    selectors = [(file.get("valueFrom") or {}).get(selector_name) for file in spec.get("files") or ()]
    names = {selector.get("name", "") for selector in selectors if selector}
    return kind, names.pop() if len(names) == 1 and volume.startswith("appstack-") else ""


def _only_claim(spec: Mapping[str, Any]) -> str:
    """Return the field of the claim if there is only one: an Event names a PersistentVolume, not the claim."""
    fields = [f"spec.volumes[{index}].claim" for index, one in enumerate(spec.get("volumes") or ()) if "claim" in one]
    return fields[0] if len(fields) == 1 else ""

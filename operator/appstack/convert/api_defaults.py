"""The API server's defaults: removal of fields that equal them, and completion of objects for a comparison."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from appstack.k8s.metadata import Manifest


@dataclass(frozen=True, slots=True)
class Default:
    """The value of a field that is not set."""

    value: Any


Shape = Mapping[str, Any]
"""For each field its `Default`, the shape of the object in it, or a list with the shape of its items."""

_FALSE: Final = Default(value=False)
_HTTP_GET: Final[Shape] = {"path": Default("/"), "scheme": Default("HTTP"), "httpHeaders": Default([])}
_PROBE: Final[Shape] = {
    "timeoutSeconds": Default(1),
    "periodSeconds": Default(10),
    "successThreshold": Default(1),
    "failureThreshold": Default(3),
    "initialDelaySeconds": Default(0),
    "httpGet": _HTTP_GET,
    "grpc": {"service": Default("")},
}
_FIELD_REF: Final[Shape] = {"apiVersion": Default("v1")}
_HANDLER: Final[Shape] = {"httpGet": _HTTP_GET}
CONTAINER: Final[Shape] = {
    **{name: Default([]) for name in ("command", "args", "env", "envFrom", "ports", "volumeMounts", "volumeDevices")},
    **dict.fromkeys(("stdin", "stdinOnce", "tty"), _FALSE),
    "terminationMessagePath": Default("/dev/termination-log"),
    "terminationMessagePolicy": Default("File"),
    "resources": Default({}),
    "securityContext": Default({}),
    "lifecycle": {"postStart": _HANDLER, "preStop": _HANDLER},
    **dict.fromkeys(("startupProbe", "livenessProbe", "readinessProbe"), _PROBE),
}
_CONTAINER_ITEMS: Final[Shape] = {
    "env": [{"value": Default(""), "valueFrom": {"fieldRef": _FIELD_REF}}],
    "ports": [{"protocol": Default("TCP")}],
    "volumeMounts": [{"readOnly": _FALSE}],
}
_MODE: Final[Shape] = {"defaultMode": Default(0o644), "optional": _FALSE, "items": Default([])}
VOLUME: Final[Shape] = {
    "configMap": _MODE,
    "secret": _MODE,
    "downwardAPI": {"defaultMode": Default(0o644), "items": [{"fieldRef": _FIELD_REF}]},
    "projected": {
        "defaultMode": Default(0o644),
        "sources": [
            {
                "serviceAccountToken": {"expirationSeconds": Default(3600)},
                "downwardAPI": {"items": [{"fieldRef": _FIELD_REF}]},
            }
        ],
    },
    "hostPath": {"type": Default("")},
    "emptyDir": {"medium": Default("")},
    "persistentVolumeClaim": {"readOnly": _FALSE},
}
POD: Final[Shape] = {
    "restartPolicy": Default("Always"),
    "terminationGracePeriodSeconds": Default(30),
    "dnsPolicy": Default("ClusterFirst"),
    "schedulerName": Default("default-scheduler"),
    "securityContext": Default({}),
    "enableServiceLinks": Default(value=True),
    **dict.fromkeys(("hostNetwork", "hostPID", "hostIPC"), _FALSE),
    **{name: Default({}) for name in ("nodeSelector", "affinity")},
    **{name: Default([]) for name in ("tolerations", "imagePullSecrets", "hostAliases")},
}
_PERCENT: Final[Shape] = {"maxUnavailable": Default("25%"), "maxSurge": Default("25%")}
WORKLOADS: Final[Mapping[str, Shape]] = {
    "Deployment": {
        "strategy": {"type": Default("RollingUpdate"), "rollingUpdate": _PERCENT},
        "revisionHistoryLimit": Default(10),
        "progressDeadlineSeconds": Default(600),
        "minReadySeconds": Default(0),
        "paused": _FALSE,
    },
    "StatefulSet": {
        "podManagementPolicy": Default("OrderedReady"),
        "updateStrategy": {"type": Default("RollingUpdate"), "rollingUpdate": {"partition": Default(0)}},
        "revisionHistoryLimit": Default(10),
        "minReadySeconds": Default(0),
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": Default("Retain"), "whenScaled": Default("Retain")},
    },
    "DaemonSet": {
        "updateStrategy": {
            "type": Default("RollingUpdate"),
            "rollingUpdate": {"maxUnavailable": Default(1), "maxSurge": Default(0)},
        },
        "revisionHistoryLimit": Default(10),
        "minReadySeconds": Default(0),
    },
    "Job": {
        "backoffLimit": Default(6),
        "completionMode": Default("NonIndexed"),
        "suspend": _FALSE,
        "manualSelector": _FALSE,
        "podReplacementPolicy": Default("TerminatingOrFailed"),
    },
    "CronJob": {
        "concurrencyPolicy": Default("Allow"),
        "suspend": _FALSE,
        "successfulJobsHistoryLimit": Default(3),
        "failedJobsHistoryLimit": Default(1),
    },
    "Pod": {},
}
SERVICE: Final[Shape] = {
    "type": Default("ClusterIP"),
    "sessionAffinity": Default("None"),
    "internalTrafficPolicy": Default("Cluster"),
    "externalTrafficPolicy": Default("Cluster"),
    "allocateLoadBalancerNodePorts": Default(value=True),
    "ipFamilyPolicy": Default("SingleStack"),
    "clusterIP": Default(""),
    "publishNotReadyAddresses": _FALSE,
    "externalIPs": Default([]),
    "ports": [{"protocol": Default("TCP")}],
}
CLAIM: Final[Shape] = {"volumeMode": Default("Filesystem")}
AUTOSCALER: Final[Shape] = {"minReplicas": Default(1)}
NETWORK_POLICY: Final[Shape] = {
    direction: [{"ports": [{"protocol": Default("TCP")}]}] for direction in ("ingress", "egress")
}

_TAG: Final = re.compile(r":([^/:@]+)$")


def without_defaults(value: Manifest, shape: Shape) -> Manifest:
    """Return an object without the fields that equal the API server's default, and without objects this empties."""
    short = {key: _without_defaults(inner, shape.get(key)) for key, inner in value.items()}
    return {
        key: inner
        for key, inner in short.items()
        if shape.get(key) != Default(inner) and not (inner == {} and key in _VANISHING)
    }


def _without_defaults(value: Any, shape: Any) -> Any:
    if isinstance(shape, list) and isinstance(value, list):
        return [without_defaults(item, shape[0]) if isinstance(item, dict) else item for item in value]
    return without_defaults(value, shape) if isinstance(shape, Mapping) and isinstance(value, dict) else value


_VANISHING: Final = frozenset({"strategy", "updateStrategy", "rollingUpdate", "persistentVolumeClaimRetentionPolicy"})
"""Objects that mean the same when they are empty and when they are not set."""


def with_defaults(value: Manifest, shape: Shape) -> Manifest:
    """Return an object with the API server's default for each field that is not set; inner objects if they are set."""
    result = dict(value)
    for key, field in shape.items():
        inner = value.get(key)
        if isinstance(field, Default):
            result.setdefault(key, field.value)
        elif isinstance(field, list) and isinstance(inner, list):
            result[key] = [with_defaults(item, field[0]) if isinstance(item, dict) else item for item in inner]
        elif isinstance(field, Mapping) and (isinstance(inner, dict) or key in _VANISHING):
            result[key] = with_defaults(inner or {}, field)
    return result


def short_container(container: Manifest) -> Manifest:
    """Return a container without the fields that equal the API server's default."""
    items = without_defaults(container, _CONTAINER_ITEMS)
    short = without_defaults(items, CONTAINER)
    if short.get("imagePullPolicy") == default_pull_policy(str(short.get("image", ""))):
        del short["imagePullPolicy"]
    return short


def full_container(container: Manifest) -> Manifest:
    """Return a container with the API server's default for each field that is not set."""
    full = with_defaults(with_defaults(container, CONTAINER), _CONTAINER_ITEMS)
    full.setdefault("imagePullPolicy", default_pull_policy(str(full.get("image", ""))))
    return full


def default_pull_policy(image: str) -> str:
    """Return the default imagePullPolicy of an image: `Always` for the tag `latest`, written or not."""
    if "@" in image:
        return "IfNotPresent"
    tag = _TAG.search(image)
    return "Always" if tag is None or tag[1] == "latest" else "IfNotPresent"


def short_pod(pod: Manifest) -> Manifest:
    """Return the fields of a PodSpec, containers and volumes aside, without those that equal the default."""
    return without_defaults(pod, POD)


def short_job(job: Manifest) -> Manifest:
    """Return a JobSpec without the fields that equal the default; `completions` defaults only with `parallelism`."""
    short = without_defaults(job, WORKLOADS["Job"])
    if (short.get("completions"), short.get("parallelism", 1)) == (1, 1):
        short.pop("completions")
        short.pop("parallelism", None)
    return short


def full_job(job: Manifest) -> Manifest:
    """Return a JobSpec with the API server's default for each field that is not set."""
    full = with_defaults(job, WORKLOADS["Job"])
    if "completions" not in full and full.get("parallelism", 1) == 1:
        full["completions"] = 1
    return {"parallelism": 1, **full}

"""The kinds of object that the operator watches: a row each. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from appstack.k8s.metadata import API_VERSION, KIND, PLURAL, Manifest, Ref


@dataclass(frozen=True, slots=True)
class Transformed:
    """What is kept of an object beside its metadata."""

    spec: Mapping[str, Any]
    status: Mapping[str, Any]


class ResourceRole(Enum):
    """What objects of a kind are to a stack."""

    STACK = "the AppStack itself"
    CHILD = "what is applied"
    REVISION = "what its controller keeps to roll back to"
    POD = "a pod"
    NAMESPACE = "where it lives"


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind is addressed, watched and kept."""

    api_version: str
    kind: str
    plural: str
    role: ResourceRole = ResourceRole.CHILD
    transform: Callable[[Manifest], Transformed] | None = None  # None: metadata only, and that's all that travels
    wave: int = 0  # what is applied in an earlier wave is there before
    optional: bool = False  # a cluster may not have it

    @property
    def applied(self) -> bool:
        """Whether a stack may become one: a Pod does, where it is the stack's whole workload."""
        return self.role in (ResourceRole.CHILD, ResourceRole.POD)

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the path of an object, or of the collection."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        parts = [root, *(("namespaces", namespace) if namespace else ()), self.plural, name, subresource]
        return "/".join(part for part in parts if part)

    def ref(self, manifest: Manifest) -> Ref:
        """Return the reference of an object of this kind, whatever the answer calls itself."""
        meta = manifest["metadata"]
        return Ref(self.api_version, self.kind, meta.get("namespace", ""), meta["name"])


def _keeping(*, spec: tuple[str, ...] = (), status: tuple[str, ...] | None = None) -> Callable[[Manifest], Transformed]:
    """Return what keeps these members of spec and status, or all of the status."""

    def transform(manifest: Manifest) -> Transformed:
        seen = manifest.get("status") or {}
        return Transformed(
            spec=_only(manifest.get("spec") or {}, spec),
            status=seen if status is None else _only(seen, status),
        )

    return transform


def _only(value: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: value[key] for key in keys if key in value}


_CONTAINER: Final = ("name", "image", "imageID", "ready", "started", "restartCount", "state", "lastState")
_CONDITIONS: Final = ("PodScheduled", "Initialized", "ContainersReady", "Ready")


def _pod(manifest: Manifest) -> Transformed:
    seen = manifest.get("status") or {}
    status = _only(seen, ("phase", "reason", "message", "startTime", "podIP"))
    status["conditions"] = [
        _only(condition, ("type", "status", "reason", "message"))
        for condition in seen.get("conditions") or ()
        if condition.get("type") in _CONDITIONS
    ]
    for key in ("initContainerStatuses", "containerStatuses"):
        status[key] = [_only(container, _CONTAINER) for container in seen.get(key) or ()]
    return Transformed(spec=_only(manifest.get("spec") or {}, ("nodeName",)), status=status)


def _stateful_set(manifest: Manifest) -> Transformed:
    spec = manifest.get("spec") or {}
    kept = _only(spec, ("replicas", "updateStrategy", "serviceName", "podManagementPolicy"))
    kept["volumeClaimTemplates"] = [
        {
            "metadata": {"name": (one.get("metadata") or {}).get("name", "")},
            "spec": _only(one.get("spec") or {}, ("resources", "storageClassName", "accessModes")),
        }
        for one in spec.get("volumeClaimTemplates") or ()
    ]
    return Transformed(spec=kept, status=manifest.get("status") or {})


STACK: Final = Kind(API_VERSION, KIND, PLURAL, ResourceRole.STACK)

WATCHED: Final[tuple[Kind, ...]] = (
    Kind("v1", "Namespace", "namespaces", ResourceRole.NAMESPACE),
    Kind("v1", "ConfigMap", "configmaps"),
    Kind("v1", "ServiceAccount", "serviceaccounts"),
    Kind(
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        transform=_keeping(spec=("resources", "storageClassName", "accessModes"), status=("phase",)),
    ),
    Kind("v1", "Service", "services", transform=_keeping(spec=("type", "ports", "clusterIP"))),
    Kind("apps/v1", "Deployment", "deployments", transform=_keeping(spec=("replicas",)), wave=1),
    Kind("apps/v1", "StatefulSet", "statefulsets", transform=_stateful_set, wave=1),
    Kind("apps/v1", "DaemonSet", "daemonsets", transform=_keeping(spec=("updateStrategy",)), wave=1),
    Kind("batch/v1", "Job", "jobs", transform=_keeping(), wave=1),
    Kind("batch/v1", "CronJob", "cronjobs", transform=_keeping(), wave=1),
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    Kind("networking.k8s.io/v1", "Ingress", "ingresses", transform=_keeping(spec=("rules", "tls")), wave=2),
    Kind(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        "httproutes",
        transform=_keeping(spec=("hostnames",), status=()),
        wave=2,
        optional=True,
    ),
    Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", transform=_keeping(), wave=2),
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", wave=2),
    Kind("apps/v1", "ReplicaSet", "replicasets", ResourceRole.REVISION),
    Kind("apps/v1", "ControllerRevision", "controllerrevisions", ResourceRole.REVISION),
    Kind("v1", "Pod", "pods", ResourceRole.POD, transform=_pod, wave=1),
)
"""Everything but the AppStacks themselves."""

_BY_NAME: Final = {(kind.api_version, kind.kind): kind for kind in (*WATCHED, STACK)}


def of(ref: Ref) -> Kind:
    """Return the kind of an object."""
    return _BY_NAME[ref.api_version, ref.kind]

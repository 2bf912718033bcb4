"""Table of the Kubernetes kinds that the operator watches and applies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from appstack.k8s.metadata import API_VERSION, KIND, PLURAL, Manifest, Ref


@dataclass(frozen=True, slots=True)
class Transformed:
    """The part of an object that an informer keeps beside its metadata."""

    spec: Mapping[str, Any]
    status: Mapping[str, Any]


class ResourceRole(Enum):
    """The role of a kind in an AppStack."""

    STACK = "the AppStack itself"
    CHILD = "an object that the operator applies"
    REVISION = "a ReplicaSet or ControllerRevision of a child"
    POD = "a pod of a child, or a bare Pod that the operator applies"
    NAMESPACE = "the namespace of the AppStack"


@dataclass(frozen=True, slots=True)
class Kind:
    """One Kubernetes kind: its API path, its role, and the part of its objects that an informer keeps."""

    api_version: str
    kind: str
    plural: str
    role: ResourceRole = ResourceRole.CHILD
    transform: Callable[[Manifest], Transformed] | None = None  # None: only metadata is requested
    wave: int = 0  # objects of a lower wave are applied first
    optional: bool = False  # its CRD may not be installed

    @property
    def applied(self) -> bool:
        """Whether the operator applies objects of this kind. It applies a Pod for the workload kind `Pod`."""
        return self.role in (ResourceRole.CHILD, ResourceRole.POD)

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the API path of an object, of its subresource, or without a name of the collection."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        parts = [root, *(("namespaces", namespace) if namespace else ()), self.plural, name, subresource]
        return "/".join(part for part in parts if part)

    def ref(self, manifest: Manifest) -> Ref:
        """Return the reference of an object of this kind. List items and PartialObjectMetadata lack the kind."""
        meta = manifest["metadata"]
        return Ref(self.api_version, self.kind, meta.get("namespace", ""), meta["name"])


def _keep(*, spec: tuple[str, ...] = (), status: tuple[str, ...] | None = None) -> Callable[[Manifest], Transformed]:
    """Return a transform that keeps these members of spec and status; `None` keeps the whole status."""

    def transform(manifest: Manifest) -> Transformed:
        whole_status = manifest.get("status") or {}
        return Transformed(
            spec=_select(manifest.get("spec") or {}, spec),
            status=whole_status if status is None else _select(whole_status, status),
        )

    return transform


def _select(value: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: value[key] for key in keys if key in value}


_CONTAINER_STATUS_FIELDS: Final = ("name", "image", "imageID", "ready", "started", "restartCount", "state", "lastState")
_POD_CONDITIONS: Final = ("PodScheduled", "Initialized", "ContainersReady", "Ready")


def _transform_pod(manifest: Manifest) -> Transformed:
    whole_status = manifest.get("status") or {}
    status = _select(whole_status, ("phase", "reason", "message", "startTime", "podIP"))
    status["conditions"] = [
        _select(condition, ("type", "status", "reason", "message"))
        for condition in whole_status.get("conditions") or ()
        if condition.get("type") in _POD_CONDITIONS
    ]
    for key in ("initContainerStatuses", "containerStatuses"):
        status[key] = [_select(container, _CONTAINER_STATUS_FIELDS) for container in whole_status.get(key) or ()]
    return Transformed(spec=_select(manifest.get("spec") or {}, ("nodeName",)), status=status)


def _transform_stateful_set(manifest: Manifest) -> Transformed:
    spec = manifest.get("spec") or {}
    kept = _select(spec, ("replicas", "updateStrategy", "serviceName", "podManagementPolicy"))
    kept["volumeClaimTemplates"] = [
        {
            "metadata": {"name": (template.get("metadata") or {}).get("name", "")},
            "spec": _select(template.get("spec") or {}, ("resources", "storageClassName", "accessModes")),
        }
        for template in spec.get("volumeClaimTemplates") or ()
    ]
    return Transformed(spec=kept, status=manifest.get("status") or {})


APPSTACKS: Final = Kind(API_VERSION, KIND, PLURAL, ResourceRole.STACK)

WATCHED_KINDS: Final[tuple[Kind, ...]] = (
    Kind("v1", "Namespace", "namespaces", ResourceRole.NAMESPACE),
    Kind("v1", "ConfigMap", "configmaps"),
    Kind("v1", "ServiceAccount", "serviceaccounts"),
    Kind(
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        transform=_keep(spec=("resources", "storageClassName", "accessModes"), status=("phase",)),
    ),
    Kind("v1", "Service", "services", transform=_keep(spec=("type", "ports", "clusterIP"))),
    Kind("apps/v1", "Deployment", "deployments", transform=_keep(spec=("replicas",)), wave=1),
    Kind("apps/v1", "StatefulSet", "statefulsets", transform=_transform_stateful_set, wave=1),
    Kind("apps/v1", "DaemonSet", "daemonsets", transform=_keep(spec=("updateStrategy",)), wave=1),
    Kind("batch/v1", "Job", "jobs", transform=_keep(), wave=1),
    Kind("batch/v1", "CronJob", "cronjobs", transform=_keep(), wave=1),
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    Kind("networking.k8s.io/v1", "Ingress", "ingresses", transform=_keep(spec=("rules", "tls")), wave=2),
    Kind(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        "httproutes",
        transform=_keep(spec=("hostnames",), status=("parents",)),
        wave=2,
        optional=True,
    ),
    Kind("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors", wave=2, optional=True),
    Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", transform=_keep(), wave=2),
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", wave=2),
    Kind("apps/v1", "ReplicaSet", "replicasets", ResourceRole.REVISION),
    Kind("apps/v1", "ControllerRevision", "controllerrevisions", ResourceRole.REVISION),
    Kind("v1", "Pod", "pods", ResourceRole.POD, transform=_transform_pod, wave=1),
)
"""Every watched kind except AppStack, whose watch is kopf's."""

_BY_API_VERSION_AND_KIND: Final = {(kind.api_version, kind.kind): kind for kind in (*WATCHED_KINDS, APPSTACKS)}


def kind_of(ref: Ref) -> Kind:
    """Return the kind of an object. Raise KeyError for a kind that is not in the table."""
    return _BY_API_VERSION_AND_KIND[ref.api_version, ref.kind]

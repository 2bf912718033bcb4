"""Objects to convert: their identity, and the fields that no part of the conversion has taken yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

from appstack.k8s.metadata import Manifest

_API_VERSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "Deployment": ("apps/v1", "apps/v1beta2", "apps/v1beta1", "extensions/v1beta1"),
    "StatefulSet": ("apps/v1", "apps/v1beta2", "apps/v1beta1"),
    "DaemonSet": ("apps/v1", "apps/v1beta2", "extensions/v1beta1"),
    "Job": ("batch/v1",),
    "CronJob": ("batch/v1", "batch/v1beta1"),
    "Pod": ("v1",),
    "Service": ("v1",),
    "ServiceAccount": ("v1",),
    "ConfigMap": ("v1",),
    "PersistentVolumeClaim": ("v1",),
    "Ingress": ("networking.k8s.io/v1",),
    "HTTPRoute": ("gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1"),
    "HorizontalPodAutoscaler": ("autoscaling/v2", "autoscaling/v2beta2", "autoscaling/v1"),
    "PodDisruptionBudget": ("policy/v1", "policy/v1beta1"),
    "NetworkPolicy": ("networking.k8s.io/v1",),
    "ServiceMonitor": ("monitoring.coreos.com/v1",),
}
"""The kinds that are converted, and the API versions with the same fields, the current one first."""

WORKLOAD_KINDS: Final = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod")

_NOISE: Final = (
    "status",
    *(f"metadata.{field}" for field in ("creationTimestamp", "generation", "managedFields", "resourceVersion")),
    *(f"metadata.{field}" for field in ("selfLink", "uid")),
)
"""Fields that the API server writes."""

_NOISE_KEYS: Final = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        "kubectl.kubernetes.io/restartedAt",
        "deployment.kubernetes.io/revision",
        "deprecated.daemonset.template.generation",
        *("pod-template-hash", "controller-revision-hash", "pod-template-generation"),
        *("controller-uid", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"),
        *("statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"),
        *("batch.kubernetes.io/job-tracking", "batch.kubernetes.io/cronjob-scheduled-timestamp"),
        *("pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"),
        *("volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner"),
        "volume.kubernetes.io/selected-node",
    }
)
"""Labels and annotations that kubectl and the controllers of Kubernetes write."""

_LIVE_NOISE: Final[Mapping[str, tuple[str, ...]]] = {
    "Service": ("spec.clusterIPs", "spec.healthCheckNodePort", "spec.ipFamilies"),
    "PersistentVolumeClaim": ("spec.volumeName", "metadata.finalizers"),
    "Job": ("spec.selector", "spec.manualSelector"),
    "Pod": ("spec.nodeName", "metadata.generateName"),
    "Ingress": (),
}
"""Fields that the API server assigns, in objects that were read from it."""


class Source:
    """A Kubernetes object that is converted.

    `take` removes the fields that the AppStack represents. `untaken` yields the others, so that none is dropped without
    a note.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.original: Final[Manifest] = deepcopy(dict(document))
        metadata = self.original.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        self.kind: Final = str(self.original.get("kind", ""))
        self.api_version: Final = str(self.original.get("apiVersion", ""))
        self.name: Final = str(metadata.get("name") or metadata.get("generateName", "").rstrip("-"))
        self.namespace: Final = str(metadata.get("namespace") or "")
        self.is_live: Final = "uid" in metadata
        self._rest: Manifest = without_nulls(self.original)
        self._drop_noise()

    def __str__(self) -> str:
        """Return kind and name as kubectl writes them."""
        return f"{self.kind}/{self.name}"

    @property
    def is_convertible(self) -> bool:
        """Whether the object is of a kind and version that can be part of an AppStack."""
        return self.api_version in _API_VERSIONS.get(self.kind, ())

    @property
    def has_former_version(self) -> bool:
        """Whether the API version has a successor with the same fields."""
        return self.is_convertible and self.api_version != _API_VERSIONS[self.kind][0]

    @property
    def current_version(self) -> str:
        """The current API version of the kind."""
        return _API_VERSIONS[self.kind][0]

    def get(self, path: str) -> Any:
        """Return the value at a dotted path, without taking it; None if the field is not set or was taken."""
        value: Any = self._rest
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def take(self, path: str) -> Any:
        """Remove and return the value at a dotted path; None if the field is not set or was taken."""
        parents: list[dict[str, Any]] = [self._rest]
        *outer, last = path.split(".")
        for key in outer:
            inner = parents[-1].get(key)
            if not isinstance(inner, dict):
                return None
            parents.append(inner)
        value = parents[-1].pop(last, None)
        for key, parent in zip(reversed(outer), reversed(parents[:-1]), strict=True):
            if parent[key] == {}:
                del parent[key]
        return value

    def untaken(self) -> Iterator[tuple[str, Any]]:
        """Yield path and value of each field that was not taken."""
        yield from _leaves(self._rest, "")

    def _drop_noise(self) -> None:
        for path in (*_NOISE, *(_LIVE_NOISE.get(self.kind, ()) if self.is_live else ())):
            self.take(path)
        if self.is_live and self.kind == "Service" and self.get("spec.clusterIP") != "None":
            self.take("spec.clusterIP")
        if self.is_live and self.get("spec.type") == "LoadBalancer":
            for port in self.get("spec.ports") or []:
                port.pop("nodePort", None)
        self.take("apiVersion")
        self.take("kind")
        keys = _NOISE_KEYS | ({"job-name"} if self.is_live and self.kind == "Job" else frozenset())
        for metadata in _metadata_of(self._rest):
            _drop_noise_keys(metadata, keys)


def _metadata_of(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the metadata of an object and of its templates."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "metadata" and isinstance(inner, dict):
                yield inner
            elif key in ("spec", "template", "jobTemplate"):
                yield from _metadata_of(inner)


def _drop_noise_keys(metadata: dict[str, Any], keys: frozenset[str]) -> None:
    metadata.pop("creationTimestamp", None)
    for field in ("labels", "annotations"):
        entries = metadata.get(field)
        if isinstance(entries, dict):
            for key in keys & entries.keys():
                del entries[key]
            if not entries:
                del metadata[field]


_EMPTY_IS_UNSET: Final = frozenset(
    {
        *("imagePullPolicy", "restartPolicy", "dnsPolicy", "podManagementPolicy", "concurrencyPolicy", "protocol"),
        *("terminationMessagePolicy", "externalTrafficPolicy", "internalTrafficPolicy", "sessionAffinity", "scheme"),
        *("serviceAccountName", "serviceAccount", "schedulerName", "priorityClassName", "runtimeClassName"),
        *("serviceName", "clusterIP", "loadBalancerIP", "ipFamilyPolicy", "subPath", "hostIP", "ingressClassName"),
    }
)
"""Fields of Kubernetes in which an empty string, which charts often render, is the same as no value."""


def without_nulls(value: Any) -> Any:
    """Return a copy of a value without the fields that Kubernetes reads as unset: null, and some empty strings."""
    if isinstance(value, dict):
        return {
            key: without_nulls(inner)
            for key, inner in value.items()
            if inner is not None and not (inner == "" and key in _EMPTY_IS_UNSET)
        }
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    elif path:
        yield path, value

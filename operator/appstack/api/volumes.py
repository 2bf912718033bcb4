"""Volume models. A class for each kind of volume holds its fields, its validation, and the objects it renders to.

To add a kind, add a class and a field on `Volume`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Final, Literal, Protocol

from pydantic import Field

from appstack.api import kube
from appstack.api.base import KubernetesModel, Model, Name, ObjectMetadata
from appstack.errors import ValidationIssue
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from appstack.settings import Settings

NO_NAMESPACE_UID: Final = "NAMESPACE-UID"
"""Placeholder in paths of node caches that are rendered offline, where the namespace's UID is unknown."""


@dataclass(frozen=True, slots=True)
class VolumeContext:
    """The AppStack, namespace and settings that a volume is rendered for."""

    stack: str
    namespace: str
    namespace_uid: str
    settings: Settings
    owner: Manifest | None = None  # owner reference; None offline, where the AppStack has no UID


class VolumeKind(Protocol):
    """The interface of every kind of volume."""

    def volume_source(self, name: str, context: VolumeContext) -> Manifest | None:
        """Return the entry of the pod's `spec.volumes`, without its name.

        Return None if each replica has its own, from the StatefulSet's volumeClaimTemplates.
        """

    def objects(self, name: str, context: VolumeContext) -> tuple[Manifest, ...]:
        """Return the objects that must exist before the pod."""

    def issues(self, path: str, settings: Settings) -> Iterator[ValidationIssue]:
        """Yield the volume's validation issues; `path` is the field that holds it."""


class NodeCache(Model):
    """A directory on the node that survives pods, unique for each namespace, AppStack and volume."""

    def volume_source(self, name: str, context: VolumeContext) -> Manifest:
        """Return a hostPath with the namespace's UID: a later namespace of the same name gets another path."""
        namespace = f"{context.namespace}_{context.namespace_uid}"  # a namespace's name has no underscore
        path = PurePosixPath(context.settings.cache_root, namespace, context.stack, name)
        return {"hostPath": {"path": str(path), "type": "DirectoryOrCreate"}}

    def objects(self, name: str, context: VolumeContext) -> tuple[Manifest, ...]:
        """Return nothing: the kubelet creates the directory."""
        return ()

    def issues(self, path: str, settings: Settings) -> Iterator[ValidationIssue]:
        """Yield nothing: a node cache has no fields."""
        yield from ()


class RetentionPolicy(Model):
    """Whether PersistentVolumeClaims are retained or deleted."""

    when_deleted: Literal["Retain", "Delete"] = "Retain"
    """Policy when the AppStack, or this volume, is deleted."""
    when_scaled: Literal["Retain", "Delete"] = "Retain"
    """Policy when the number of replicas is reduced. Only with `perReplica`."""


class Claim(KubernetesModel, kube.PersistentVolumeClaimSpec):
    """A PersistentVolumeClaim that AppStack creates."""

    per_replica: bool | None = None
    """True creates one PersistentVolumeClaim for each replica, as volumeClaimTemplates do; false one for all. Required
    on a StatefulSet, which alone supports true."""
    retention_policy: RetentionPolicy = RetentionPolicy()
    """Whether the PersistentVolumeClaim is retained or deleted. Default: Retain."""
    metadata: ObjectMetadata | None = None
    """Labels and annotations to add to the PersistentVolumeClaim."""

    def claim_name(self, name: str, stack: str) -> str:
        """Return the name of the PersistentVolumeClaim."""
        return f"{stack}-{name}"

    def volume_source(self, name: str, context: VolumeContext) -> Manifest | None:
        """Return a reference to the claim; None for a claim per replica, which the StatefulSet adds to its pods."""
        if self.per_replica:
            return None
        return {"persistentVolumeClaim": {"claimName": self.claim_name(name, context.stack)}}

    def objects(self, name: str, context: VolumeContext) -> tuple[Manifest, ...]:
        """Return the claim; without an owner reference if it is retained when the AppStack is deleted."""
        if self.per_replica:
            return ()
        claim = self.template(name, context)
        metadata = {
            "name": self.claim_name(name, context.stack),
            "namespace": context.namespace,
            **{key: value for key, value in claim["metadata"].items() if key != "name"},
        }
        if self.retention_policy.when_deleted == "Delete" and context.owner:
            metadata["ownerReferences"] = [context.owner]
        return ({"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim, "metadata": metadata},)

    def template(self, name: str, context: VolumeContext) -> Manifest:
        """Return the claim as an entry of a StatefulSet's volumeClaimTemplates."""
        extra = self.metadata or ObjectMetadata()
        metadata: Manifest = {
            "name": name,
            "labels": {**meta.labels(context.stack, extra.labels), meta.VOLUME_LABEL: name},
        }
        if extra.annotations:
            metadata["annotations"] = extra.annotations
        own_fields = {"per_replica", "retention_policy", "metadata"}
        spec = self.model_dump(by_alias=True, exclude_none=True, exclude=own_fields)
        return {"metadata": metadata, "spec": {"accessModes": ["ReadWriteOnce"], **spec}}

    def issues(self, path: str, settings: Settings) -> Iterator[ValidationIssue]:
        """Yield an issue if the storage request is missing: the API server would refuse the claim only when applied."""
        requests = self.resources.requests if self.resources else None
        if not (requests or {}).get("storage"):
            yield ValidationIssue(f"{path}.resources.requests.storage", "is required", "for example 10Gi")


@dataclass(frozen=True, slots=True)
class HostPath:
    """A directory of the node."""

    source: dict[str, Any]

    def volume_source(self, name: str, context: VolumeContext) -> Manifest:
        """Return the hostPath unchanged."""
        return {"hostPath": self.source}

    def objects(self, name: str, context: VolumeContext) -> tuple[Manifest, ...]:
        """Return nothing: the directory belongs to the node."""
        return ()

    def issues(self, path: str, settings: Settings) -> Iterator[ValidationIssue]:
        """Yield an issue for a path that Kubernetes rejects. The policy decides which directories are allowed."""
        if ".." in PurePosixPath(self.source["path"]).parts:
            yield ValidationIssue(f"{path}.path", f"{self.source['path']!r} contains '..'", "use a path without '..'")


@dataclass(frozen=True, slots=True)
class CoreVolume:
    """Any other volume source of Kubernetes."""

    source: Manifest

    def volume_source(self, name: str, context: VolumeContext) -> Manifest:
        """Return the source unchanged."""
        return self.source

    def objects(self, name: str, context: VolumeContext) -> tuple[Manifest, ...]:
        """Return nothing: the user creates the objects that the source refers to."""
        return ()

    def issues(self, path: str, settings: Settings) -> Iterator[ValidationIssue]:
        """Yield nothing: the API server validates its own sources."""
        yield from ()


class Volume(KubernetesModel, kube.Volume):
    """A Kubernetes volume, or one of AppStack's `nodeCache` and `claim`. The default source is emptyDir."""

    OMITTED_FIELDS: ClassVar[frozenset[str]] = frozenset()

    name: Name
    """Name of the volume, unique in the AppStack."""
    node_cache: NodeCache | None = None
    """Directory on the node that later pods of this AppStack on the same node find again. Its permissions are set for
    the pod's user."""
    claim: Claim | None = None
    """PersistentVolumeClaim that AppStack creates."""

    def sources(self) -> tuple[str, ...]:
        """Return the API names of the sources that are set; validation allows one at most."""
        return tuple(key for key in self.dump() if key != "name")

    @property
    def kind(self) -> VolumeKind:
        """The kind of the volume, which validates and renders it."""
        source = self.model_dump(by_alias=True, exclude_none=True, exclude={"name"})
        if "hostPath" in source:
            return HostPath(source["hostPath"])
        return self.node_cache or self.claim or CoreVolume(source or {"emptyDir": {}})


Volumes = Annotated[tuple[Volume, ...], Field(max_length=64)]

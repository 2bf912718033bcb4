"""The kinds of volume: a class for each holds its fields, what is refused, its pod entry and its side objects. PURE.

A new kind is a class here and a field on `Volume`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import Field

from appstack.api import kube
from appstack.api.base import Kubernetes, Model, Name, ObjectMetadata
from appstack.errors import ValidationIssue
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from appstack.settings import Settings

NO_NAMESPACE_UID = "NAMESPACE-UID"  # what an offline render prints where only a cluster knows the uid


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stack lives, and what the administrator decided there."""

    stack: str
    namespace: str
    namespace_uid: str
    settings: Settings
    owner: Manifest | None = None  # absent offline: only a cluster knows the uid


class VolumeKind(Protocol):
    """What the rest of the program asks of every kind."""

    def entry(self, name: str, place: Place) -> Manifest | None:
        """Return the entry of the pod's `spec.volumes`, without its name; None where each replica has its own."""

    def objects(self, name: str, place: Place) -> tuple[Manifest, ...]:
        """Return what must exist beside the pod."""

    def issues(self, path: str, settings: Settings) -> Iterator[ValidationIssue]:
        """Yield what is wrong with it; `path` is the field that holds it."""


class NodeCache(Model):
    """A directory kept on the node across deployments; unique per namespace, stack and volume."""

    def entry(self, name: str, place: Place) -> Manifest:
        """Return a hostPath whose path no other namespace can get, not even a later one of the same name."""
        namespace = f"{place.namespace}_{place.namespace_uid}"  # a namespace's name has no underscore
        path = PurePosixPath(place.settings.cache_root, namespace, place.stack, name)
        return {"hostPath": {"path": str(path), "type": "DirectoryOrCreate"}}

    def objects(self, name: str, place: Place) -> tuple[Manifest, ...]:
        """Return nothing: the kubelet makes the directory."""
        return ()

    def issues(self, path: str, settings: Settings) -> Iterator[ValidationIssue]:
        """Yield nothing: it has no fields."""
        yield from ()


class RetentionPolicy(Model):
    """What becomes of the data."""

    when_deleted: Literal["Retain", "Delete"] = "Retain"
    """When the AppStack, or this volume of it, is deleted."""
    when_scaled: Literal["Retain", "Delete"] = "Retain"
    """When a replica goes: only of a claim per replica."""


class Claim(Kubernetes, kube.PersistentVolumeClaimSpec):
    """A PersistentVolumeClaim that AppStack creates: Kubernetes' spec and what becomes of the data."""

    per_replica: bool = False
    """True (StatefulSet only) makes one claim for each pod, which keeps it."""
    retention_policy: RetentionPolicy = RetentionPolicy()
    metadata: ObjectMetadata | None = None
    """Labels and annotations for the claim."""

    def claim_name(self, name: str, stack: str) -> str:
        """Return the name of the PersistentVolumeClaim."""
        return f"{stack}-{name}"

    def entry(self, name: str, place: Place) -> Manifest | None:
        """Return the mount of the claim; a StatefulSet makes the entry itself for one per replica."""
        if self.per_replica:
            return None
        return {"persistentVolumeClaim": {"claimName": self.claim_name(name, place.stack)}}

    def objects(self, name: str, place: Place) -> tuple[Manifest, ...]:
        """Return the claim; a retained one has no owner, so it stays when the AppStack goes."""
        if self.per_replica:
            return ()
        claim = self.template(name, place)
        metadata = {
            "name": self.claim_name(name, place.stack),
            "namespace": place.namespace,
            **{key: value for key, value in claim["metadata"].items() if key != "name"},
        }
        if self.retention_policy.when_deleted == "Delete" and place.owner:
            metadata["ownerReferences"] = [place.owner]
        return ({"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim, "metadata": metadata},)

    def template(self, name: str, place: Place) -> Manifest:
        """Return the claim as a StatefulSet's volumeClaimTemplates hold it."""
        extra = self.metadata or ObjectMetadata()
        metadata: Manifest = {
            "name": name,
            "labels": {**(extra.labels or {}), **meta.labels(place.stack), meta.VOLUME_LABEL: name},
        }
        if extra.annotations:
            metadata["annotations"] = extra.annotations
        ours = {"per_replica", "retention_policy", "metadata"}
        spec = self.model_dump(by_alias=True, exclude_none=True, exclude=ours)
        return {"metadata": metadata, "spec": {"accessModes": ["ReadWriteOnce"], **spec}}

    def issues(self, path: str, settings: Settings) -> Iterator[ValidationIssue]:
        """Yield a missing size: the API server would refuse the claim long after the stack was accepted."""
        requests = self.resources.requests if self.resources else None
        if not (requests or {}).get("storage"):
            yield ValidationIssue(f"{path}.resources.requests.storage", "is required", "for example 10Gi")


@dataclass(frozen=True, slots=True)
class HostPath:
    """A directory of the node itself: only under the prefixes that the administrator allows."""

    source: dict[str, Any]

    def entry(self, name: str, place: Place) -> Manifest:
        """Return it as written."""
        return {"hostPath": self.source}

    def objects(self, name: str, place: Place) -> tuple[Manifest, ...]:
        """Return nothing: it is the node's."""
        return ()

    def issues(self, path: str, settings: Settings) -> Iterator[ValidationIssue]:
        """Yield a path that the administrator has not allowed, or that lies in another stack's cache."""
        wanted = PurePosixPath(self.source["path"])
        cache = PurePosixPath(settings.cache_root)
        if ".." in wanted.parts:
            yield ValidationIssue(f"{path}.path", f"{str(wanted)!r} contains '..'", "write the directory itself")
        elif wanted.is_relative_to(cache) or cache.is_relative_to(wanted):
            yield ValidationIssue(
                f"{path}.path", f"{str(wanted)!r} would show node caches of other stacks", "use nodeCache"
            )
        elif not any(wanted.is_relative_to(prefix) for prefix in settings.host_path_prefixes):
            allowed = ", ".join(settings.host_path_prefixes) or "none are allowed"
            yield ValidationIssue(
                f"{path}.path",
                f"{str(wanted)!r} is not under a prefix that the administrator allows",
                f"the operator's setting hostPathPrefixes: {allowed}; for a cache use nodeCache",
            )


@dataclass(frozen=True, slots=True)
class Native:
    """Any other of Kubernetes' own sources."""

    source: Manifest

    def entry(self, name: str, place: Place) -> Manifest:
        """Return it as written."""
        return self.source

    def objects(self, name: str, place: Place) -> tuple[Manifest, ...]:
        """Return nothing: what it refers to is the user's own."""
        return ()

    def issues(self, path: str, settings: Settings) -> Iterator[ValidationIssue]:
        """Yield nothing: the API server knows its own."""
        yield from ()


class Volume(Kubernetes, kube.Volume):
    """Kubernetes' Volume, or one of the two that Kubernetes lacks."""

    LESS: ClassVar[frozenset[str]] = frozenset()

    name: Name
    node_cache: NodeCache | None = None
    """hostPath kept across deployments on the same node, unique per namespace, permissions set."""
    claim: Claim | None = None
    """A PersistentVolumeClaim that AppStack creates."""

    def sources(self) -> tuple[str, ...]:
        """Return the names of the sources that are written; there should be exactly one."""
        return tuple(key for key in self.dump() if key != "name")

    @property
    def kind(self) -> VolumeKind:
        """The volume's kind, which knows all the rest."""
        written = self.model_dump(by_alias=True, exclude_none=True, exclude={"name"})
        if "hostPath" in written:
            return HostPath(written["hostPath"])
        return self.node_cache or self.claim or Native(written)


Volumes = Annotated[tuple[Volume, ...], Field(max_length=64)]

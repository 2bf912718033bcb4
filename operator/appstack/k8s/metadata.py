"""Metadata of managed objects: API group, labels, annotations, owner references and object references."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Manifest = dict[str, Any]
"""A complete Kubernetes object, decoded from JSON."""

GROUP: Final = "appstack.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "AppStack"
PLURAL: Final = "appstacks"

FIELD_MANAGER: Final = "appstack"
RESERVED_PREFIX: Final = "appstack-"  # of containers, volumes and ports

STACK_LABEL: Final = f"{GROUP}/stack"  # on every child and pod; the only label of their selectors
VOLUME_LABEL: Final = f"{GROUP}/volume"  # on a PersistentVolumeClaim: the name of its volume
FILES_LABEL: Final = f"{GROUP}/files"  # on pods and their controllers: the revision of the AppStack's files
MONITOR_LABEL: Final = f"{GROUP}/service-monitor"  # on the Service that the stack's ServiceMonitor selects
ADOPT_ANNOTATION: Final = f"{GROUP}/adopt"

MAX_NAME_LENGTH: Final = 52  # characters: the limit of a CronJob's name


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Reference to an object; its string form names the object in every message."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """Return kind, namespace and name: `Deployment team-a/shop`."""
        return f"{self.kind} {self.namespace}/{self.name}"

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Ref:
        """Return the reference to a manifest's object."""
        meta = manifest["metadata"]
        return cls(manifest["apiVersion"], manifest["kind"], meta.get("namespace", ""), meta["name"])


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Namespace and name of an AppStack."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return the key as kubectl prints it."""
        return f"{self.namespace}/{self.name}"

    @property
    def ref(self) -> Ref:
        """The reference of the AppStack."""
        return Ref(API_VERSION, KIND, self.namespace, self.name)


Keys = frozenset[Key]
"""Keys of AppStacks."""


def selector(stack: str) -> dict[str, str]:
    """Return the labels that select a stack's pods. They must never change: a Deployment's selector is immutable."""
    return {STACK_LABEL: stack}


def labels(stack: str, own: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the labels of a child: those of the author, and AppStack's where the author sets no value."""
    defaults = {"app.kubernetes.io/name": stack, "app.kubernetes.io/managed-by": "appstack"}
    return {**(own or {}), STACK_LABEL: stack, **{key: defaults[key] for key in defaults if key not in (own or {})}}


def is_reserved(key: str) -> bool:
    """Return whether the key of a label or annotation is one of AppStack's own: authors cannot set it."""
    prefix = key.rpartition("/")[0]
    return prefix == GROUP or prefix.endswith(f".{GROUP}")


def owner_reference(*, name: str, uid: str) -> Manifest:
    """Return the owner reference by which the garbage collector deletes a child with its AppStack."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def digest(value: Any) -> str:
    """Return the hash of a JSON value as 16 hexadecimal digits; equal values have equal hashes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

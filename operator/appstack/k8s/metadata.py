"""Names, labels and owners: the only place that spells them. PURE."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Manifest = dict[str, Any]
"""A whole Kubernetes object as JSON has it."""

GROUP: Final = "appstack.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "AppStack"
PLURAL: Final = "appstacks"

FIELD_MANAGER: Final = "appstack"
RESERVED_PREFIX: Final = "appstack-"  # of containers, volumes and ports

STACK_LABEL: Final = f"{GROUP}/stack"  # on every child and pod, and the whole selector
VOLUME_LABEL: Final = f"{GROUP}/volume"  # on a claim: the volume that it is for
FILES_LABEL: Final = f"{GROUP}/files"  # on pods and what makes them: the revision of their files
ADOPT_ANNOTATION: Final = f"{GROUP}/adopt"

MAX_NAME: Final = 52  # a CronJob's name may have no more


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Which object: enough to address it, and its printed name in every message."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """Kind and name, as kubectl prints them in sentences."""
        return f"{self.kind} {self.namespace}/{self.name}"

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Ref:
        """Return the reference of a whole object."""
        meta = manifest["metadata"]
        return cls(manifest["apiVersion"], manifest["kind"], meta.get("namespace", ""), meta["name"])


def selector(stack: str) -> dict[str, str]:
    """Return what selects the pods of a stack. It never changes: a Deployment's selector can't."""
    return {STACK_LABEL: stack}


def labels(stack: str) -> dict[str, str]:
    """Return the labels of every child."""
    return {
        STACK_LABEL: stack,
        "app.kubernetes.io/name": stack,
        "app.kubernetes.io/managed-by": "appstack",
    }


def owner(*, name: str, uid: str) -> Manifest:
    """Return the owner reference that makes a child go with its AppStack."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def digest(value: Any) -> str:
    """Return the hash of a JSON value: 16 hexadecimal digits, the same for the same value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

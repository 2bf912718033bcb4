"""From an object as the API server has it to the little that decisions need. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from appstack.cluster.kinds import Kind
from appstack.meta import ADOPT_ANNOTATION, FIELD_MANAGER, FILES_LABEL, KIND, STACK_LABEL, Manifest, digest
from appstack.observed import Child
from appstack.rollouts import ended

_CLAIM: Final = "PersistentVolumeClaim"


def child_of(kind: Kind, manifest: Manifest) -> Child:
    """Return what is kept of an object; `manifest` may be its metadata alone."""
    meta: Mapping[str, Any] = manifest["metadata"]
    labels = meta.get("labels") or {}
    owner = _controller(meta)
    applied = _applied(meta) if kind.applied else None
    fields = digest(applied) if applied is not None else ""
    slim = kind.slim(manifest) if kind.slim else None
    deleting = "deletionTimestamp" in meta
    return Child(
        ref=kind.ref(manifest),
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        stack=labels.get(STACK_LABEL, ""),
        owner_uid=owner.get("uid", ""),
        owner_stack=owner.get("name", "") if owner.get("kind") == KIND else "",
        created=meta.get("creationTimestamp") or "",
        fields=fields,
        adopt=(meta.get("annotations") or {}).get(ADOPT_ANNOTATION) == "true",
        retained=kind.kind == _CLAIM and not owner and bool(fields) and STACK_LABEL in labels,
        deleting=deleting,
        ended=ended(kind.kind, slim.status) if slim and not deleting else None,
        counted="f:replicas" in ((applied or {}).get("f:spec") or {}),
        files=labels.get(FILES_LABEL, ""),
        generation=meta.get("generation", 0),
        spec=slim.spec if slim else {},
        status=slim.status if slim else {},
    )


def _controller(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((owner for owner in meta.get("ownerReferences") or () if owner.get("controller")), {})


def fields_digest(meta: Mapping[str, Any]) -> str:
    """Return the hash of the fields that our own apply set; empty when there are none."""
    applied = _applied(meta)
    return digest(applied) if applied is not None else ""


def _applied(meta: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the fields that our own apply set, as the API server keeps account of them."""
    for entry in meta.get("managedFields") or ():
        ours = entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
        if ours and not entry.get("subresource"):
            fields: Mapping[str, Any] = entry.get("fieldsV1") or {}
            return fields
    return None

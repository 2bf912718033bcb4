"""From an object as the API server has it to the little that decisions need. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from appstack.client.resource_kinds import Kind
from appstack.k8s.managed_fields import Path, has, leaves
from appstack.k8s.metadata import ADOPT_ANNOTATION, FIELD_MANAGER, FILES_LABEL, KIND, STACK_LABEL, Manifest, digest
from appstack.k8s.observed import Child, FieldManager
from appstack.status.readiness import ended

_MOST_FIELDS: Final = 50  # of one of the others that are kept: to name some is enough
_MOST_OTHERS: Final = 10
_LONGEST: Final = 1_000  # characters of a field that is kept
_CLAIM: Final = "PersistentVolumeClaim"


def child_of(kind: Kind, manifest: Manifest) -> Child:
    """Return what is kept of an object; `manifest` may be its metadata alone."""
    meta: Mapping[str, Any] = manifest["metadata"]
    labels = meta.get("labels") or {}
    owner = _controller(meta)
    applied = _applied(meta) if kind.applied else None
    fields = digest(applied) if applied is not None else ""
    transform = kind.transform(manifest) if kind.transform else None
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
        ended=ended(kind.kind, transform.status) if transform and not deleting else None,
        owns_replicas="f:replicas" in ((applied or {}).get("f:spec") or {}),
        files=labels.get(FILES_LABEL, ""),
        generation=meta.get("generation", 0),
        other_managers=_others(meta, applied) if applied is not None else (),
        spec=transform.spec if transform else {},
        status=transform.status if transform else {},
    )


def refreshed(held: Child, kind: Kind, manifest: Manifest) -> Child:
    """Return `child_of`, for less: of the same version, as of an echo of our own write, the metadata is known."""
    meta = manifest["metadata"]
    if (held.uid, held.resource_version) != (meta["uid"], meta["resourceVersion"]):
        return child_of(kind, manifest)
    if kind.transform is None:
        return held
    transform = kind.transform(manifest)
    return replace(
        held,
        ended=None if held.deleting else ended(kind.kind, transform.status),
        spec=transform.spec,
        status=transform.status,
    )


def _controller(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((owner for owner in meta.get("ownerReferences") or () if owner.get("controller")), {})


def _applied(meta: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the fields that our own apply set, as the API server keeps account of them."""
    entry = next((entry for entry in meta.get("managedFields") or () if _is_ours(entry)), None)
    return None if entry is None else entry.get("fieldsV1") or {}


def _is_ours(entry: Mapping[str, Any]) -> bool:
    applied = entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
    return applied and not entry.get("subresource")


def _others(meta: Mapping[str, Any], applied: Mapping[str, Any]) -> tuple[FieldManager, ...]:
    """Return who else has written since our apply, as far as they own what we do not."""
    entries = meta.get("managedFields") or ()
    since = next((entry.get("time") or "" for entry in entries if _is_ours(entry)), "")
    later = [one for one in entries if not _is_ours(one) and (one.get("time") or "") >= since]
    if not later:
        return ()
    latest = sorted(later, key=lambda entry: entry.get("time") or "", reverse=True)
    writers = islice((entry for entry in latest if entry.get("subresource") != "status"), _MOST_OTHERS)
    return tuple(
        FieldManager(
            entry.get("manager") or "somebody", tuple(path for path in _fields(entry) if not has(applied, path))
        )
        for entry in writers
    )


def _fields(entry: Mapping[str, Any]) -> Iterable[Path]:
    """Yield the first of the fields of an entry."""
    first = islice(leaves(entry.get("fieldsV1") or {}), _MOST_FIELDS)
    return (path for path in first if sum(map(len, path)) <= _LONGEST)

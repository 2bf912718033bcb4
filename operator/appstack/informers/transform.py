"""Reduces objects to the fields that decisions need, before they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from appstack.client.resource_kinds import Kind
from appstack.k8s.managed_fields import FieldPath, contains, leaf_paths
from appstack.k8s.metadata import ADOPT_ANNOTATION, FIELD_MANAGER, FILES_LABEL, KIND, STACK_LABEL, Manifest, digest
from appstack.k8s.observed import Child, FieldManager
from appstack.status.readiness import terminal_state

_MAX_FIELDS: Final = 50  # of another field manager: a message names a few
_MAX_MANAGERS: Final = 10
_MAX_PATH_CHARACTERS: Final = 1_000
_CLAIM: Final = "PersistentVolumeClaim"


def child_of(kind: Kind, manifest: Manifest) -> Child:
    """Return the stored form of an object; `manifest` may have metadata only."""
    meta: Mapping[str, Any] = manifest["metadata"]
    labels = meta.get("labels") or {}
    owner = _controlling_owner(meta)
    own_fields = _own_fields(meta) if kind.applied else None
    fields = digest(own_fields) if own_fields is not None else ""
    transformed = kind.transform(manifest) if kind.transform else None
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
        ended=terminal_state(kind.kind, transformed.status) if transformed and not deleting else None,
        owns_replicas="f:replicas" in ((own_fields or {}).get("f:spec") or {}),
        files=labels.get(FILES_LABEL, ""),
        generation=meta.get("generation", 0),
        other_managers=_other_managers(meta, own_fields) if own_fields is not None else (),
        spec=transformed.spec if transformed else {},
        status=transformed.status if transformed else {},
    )


def refreshed(stored: Child, kind: Kind, manifest: Manifest) -> Child:
    """Return `child_of(kind, manifest)`, at less cost where the watch shows the version of our own write."""
    meta = manifest["metadata"]
    if (stored.uid, stored.resource_version) != (meta["uid"], meta["resourceVersion"]):
        return child_of(kind, manifest)
    if kind.transform is None:
        return stored
    transformed = kind.transform(manifest)
    return replace(
        stored,
        ended=None if stored.deleting else terminal_state(kind.kind, transformed.status),
        spec=transformed.spec,
        status=transformed.status,
    )


def _controlling_owner(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((owner for owner in meta.get("ownerReferences") or () if owner.get("controller")), {})


def _own_fields(meta: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the `fieldsV1` of our own applies, or None if there was none."""
    entry = next((entry for entry in meta.get("managedFields") or () if _is_own(entry)), None)
    return None if entry is None else entry.get("fieldsV1") or {}


def _is_own(entry: Mapping[str, Any]) -> bool:
    applied = entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
    return applied and not entry.get("subresource")


def _other_managers(meta: Mapping[str, Any], own_fields: Mapping[str, Any]) -> tuple[FieldManager, ...]:
    """Return the field managers that have written since our apply, the latest first, with fields that we do not own."""
    entries = meta.get("managedFields") or ()
    applied_at = next((entry.get("time") or "" for entry in entries if _is_own(entry)), "")
    later = [entry for entry in entries if not _is_own(entry) and (entry.get("time") or "") >= applied_at]
    if not later:
        return ()
    latest_first = sorted(later, key=lambda entry: entry.get("time") or "", reverse=True)
    of_spec = islice((entry for entry in latest_first if entry.get("subresource") != "status"), _MAX_MANAGERS)
    return tuple(
        FieldManager(
            entry.get("manager") or "an unknown client",
            tuple(path for path in _field_paths(entry) if not contains(own_fields, path)),
        )
        for entry in of_spec
    )


def _field_paths(entry: Mapping[str, Any]) -> Iterable[FieldPath]:
    """Return a bounded number of the fields of an entry: any client may write managedFields of any size."""
    first = islice(leaf_paths(entry.get("fieldsV1") or {}), _MAX_FIELDS)
    return (path for path in first if sum(map(len, path)) <= _MAX_PATH_CHARACTERS)

"""Paths in `fieldsV1` of an object's managedFields: enumeration, membership, and lookup in a manifest."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from typing import Any, Final

from appstack.k8s.lenient_json import loads

FieldPath = tuple[str, ...]
"""The path of a field in the notation of `fieldsV1`: `f:spec`, `k:{"name":"backend"}`, `f:image`."""


_MAX_DEPTH: Final = 40  # levels: no kind has as many, but a client can send 10,000


def leaf_paths(fields: Mapping[str, Any], prefix: FieldPath = ()) -> Iterator[FieldPath]:
    """Yield the path of every field without children; paths end at level 41 where `fields` are nested deeper."""
    for key, children in fields.items():
        if children and len(prefix) < _MAX_DEPTH:
            yield from leaf_paths(children, (*prefix, key))
        elif key != ".":
            yield (*prefix, key)


def contains(fields: Mapping[str, Any], leaf: FieldPath) -> bool:
    """Return whether a path is one of `leaf_paths(fields)`, without enumerating them."""
    node: Mapping[str, Any] | None = fields
    for part in leaf:
        if not node or part not in node:
            return False
        node = node[part]
    return not node or len(leaf) > _MAX_DEPTH


def is_set(manifest: Mapping[str, Any], path: FieldPath) -> bool:
    """Return whether a manifest has a value other than null at a path."""
    value: Any = manifest
    for part in path:
        value = _resolve(value, part)
        if value is None:
            return False
    return True


def _resolve(value: Any, part: str) -> Any:
    """Return the value below `value` at one part of a path: a field, an item by key, or a member of a set."""
    prefix, _, name = part.partition(":")
    if prefix == "f" and isinstance(value, Mapping):
        return value.get(name)
    if prefix == "k" and isinstance(value, list):
        key = loads(name.encode()).items()
        return next((item for item in value if isinstance(item, Mapping) and key <= _key_items(item)), None)
    if prefix == "v" and isinstance(value, list):
        wanted = loads(name.encode())
        return wanted if wanted in value else None
    return value if prefix == "f" and not isinstance(value, list) else None


def _key_items(item: Mapping[str, Any]) -> ItemsView[str, Any]:
    """Return the fields of a list item, with the default of `protocol`, which is part of the key of ports."""
    return {"protocol": "TCP", **item}.items()


def format_path(path: FieldPath) -> str:
    """Return a path in the notation of error messages: `spec.containers[name=backend].image`."""
    text = ""
    for part in path:
        prefix, _, name = part.partition(":")
        if prefix == "k":
            text += f"[{','.join(f'{key}={value}' for key, value in loads(name.encode()).items())}]"
        else:
            text += f".{name}" if prefix == "f" else f"[{name}]"
    return text.removeprefix(".")

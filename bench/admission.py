"""Admission by the structural schema of the CustomResourceDefinition, as the API server checks it, without a server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from appstack.api.crd import root_schema

Schema = Mapping[str, Any]

_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
}
_COUNTED: Final = ((str, "maxLength", "minLength"), (list, "maxItems", "minItems"), (dict, "maxProperties", ""))


def violations(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message for each value of a document that the API server would not admit; CEL rules are left out."""
    root = root_schema()
    properties = {**root["properties"], "metadata": {"x-kubernetes-preserve-unknown-fields": True}}
    yield from _value(document, {**root, "properties": properties}, "")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _value(value: Any, schema: Schema, path: str) -> Iterator[str]:
    type_ = schema.get("type")
    if type_ and (not isinstance(value, _TYPES[type_]) or (isinstance(value, bool) and type_ == "integer")):
        yield f"{path}: is not of type {type_}"
        return
    if schema.get("x-kubernetes-int-or-string") and not isinstance(value, int | str):
        yield f"{path}: is neither an integer nor a string"
    for kind, maximum, minimum in _COUNTED:
        if isinstance(value, kind) and not schema.get(minimum, 0) <= len(value) <= schema.get(maximum, len(value)):
            yield f"{path}: has {len(value)} characters or items"
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{path}: {value} is out of range"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is not in the enum"
    if isinstance(value, str) and "pattern" in schema and not _compiled(schema["pattern"]).search(value):
        yield f"{path}: {value!r} does not match the pattern"
    if isinstance(value, dict):
        yield from _fields(value, schema, path)
    elif isinstance(value, list):
        yield from _items(value, schema, path)


def _fields(value: Mapping[str, Any], schema: Schema, path: str) -> Iterator[str]:
    yield from (f"{path}.{name}: is required" for name in schema.get("required", ()) if name not in value)
    properties, values = schema.get("properties", {}), schema.get("additionalProperties")
    for name, inner in value.items():
        known = properties.get(name, values)
        if known:
            yield from _value(inner, known, f"{path}.{name}")
        elif not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield f"{path}.{name}: is unknown"


def _items(value: list[Any], schema: Schema, path: str) -> Iterator[str]:
    items = schema["items"]
    keys = schema.get("x-kubernetes-list-map-keys", ())
    if keys:
        defaults = {key: items["properties"][key].get("default") for key in keys}
        identities = [tuple(item.get(key, defaults[key]) for key in keys) for item in value]
        if len(set(identities)) < len(identities):
            yield f"{path}: has two items with the same {', '.join(keys)}"
    elif schema.get("x-kubernetes-list-type") == "set" and len(set(value)) < len(value):
        yield f"{path}: has two equal items"
    for index, item in enumerate(value):
        yield from _value(item, items, f"{path}[{index}]")

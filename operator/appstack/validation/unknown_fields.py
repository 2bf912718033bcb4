"""Offline check for unknown fields and enum values, against the schema of the CustomResourceDefinition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from appstack.api.crd import root_schema
from appstack.api.structural import Schema
from appstack.errors import ValidationIssue

_METADATA: Final[Schema] = {
    "annotations": {},
    "creationTimestamp": {},
    "deletionGracePeriodSeconds": {},
    "deletionTimestamp": {},
    "finalizers": {},
    "generateName": {},
    "generation": {},
    "labels": {},
    "managedFields": {},
    "name": {},
    "namespace": {},
    "ownerReferences": {},
    "resourceVersion": {},
    "selfLink": {},
    "uid": {},
}
_MAX_LISTED_NAMES: Final = 12

UNKNOWN_FIELD: Final = "unknown field"


def unknown_fields(document: Mapping[str, Any]) -> tuple[ValidationIssue, ...]:
    """Return an issue for each field and enum value of a document that the schema does not know.

    An empty block is reported, too: it is null, which the API server drops silently.
    """
    root = root_schema()["properties"]
    schema = {**root, "metadata": {"properties": _METADATA}, "status": {}}
    return tuple(_object_issues(document, schema, path=""))


def _value_issues(value: Any, schema: Schema, *, path: str) -> Iterator[ValidationIssue]:
    """Yield the issues of a value and its fields; values of the wrong type are left to `parse`."""
    if isinstance(value, Mapping) and schema.get("type", "object") == "object":
        if "additionalProperties" in schema:
            for key, inner in value.items():
                yield from _value_issues(inner, schema["additionalProperties"], path=f"{path}.{key}")
        elif "properties" in schema or "maxProperties" in schema:
            yield from _object_issues(value, schema.get("properties", {}), path=f"{path}.")
    elif isinstance(value, list) and "items" in schema:
        for index, inner in enumerate(value):
            yield from _value_issues(inner, schema["items"], path=f"{path}[{index}]")
    elif isinstance(value, str) and value not in schema.get("enum", (value,)):
        yield ValidationIssue(path, f"unknown value {value!r}", _hint(value, filter(None, schema["enum"])))


def _object_issues(value: Mapping[Any, Any], properties: Schema, *, path: str) -> Iterator[ValidationIssue]:
    for key, inner in value.items():
        if key not in properties:
            yield ValidationIssue(f"{path}{key}", UNKNOWN_FIELD, _hint(str(key), properties))
        elif inner is None and "properties" in properties[key]:
            yield ValidationIssue(f"{path}{key}", "is empty and is ignored", f"write {key}: {{}}, or remove it")
        else:
            yield from _value_issues(inner, properties[key], path=f"{path}{key}")


def _hint(key: str, known: Iterable[str]) -> str:
    """Return a hint with the closest known name, ignoring case and underscores, or with all names if they are few."""
    by_lowercase = {name.lower(): name for name in known}
    close = get_close_matches(key.replace("_", "").lower(), by_lowercase, n=1, cutoff=0.75)
    if close:
        return f"did you mean {by_lowercase[close[0]]!r}?"
    if 0 < len(by_lowercase) <= _MAX_LISTED_NAMES:
        return f"expected one of: {', '.join(sorted(by_lowercase.values()))}"
    return ""

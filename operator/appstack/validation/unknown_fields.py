"""Fields and values that the API does not have or drops: found offline, in the API server's own schema. PURE."""

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
_FEW: Final = 12

UNKNOWN: Final = "unknown field"


def unknown_fields(doc: Mapping[str, Any]) -> tuple[ValidationIssue, ...]:
    """Return a fault for each field of a raw document, and each value of one, that an AppStack does not have.

    A block with nothing in it is one, too: it is null, which the API server drops without a word.
    """
    root = root_schema()["properties"]
    schema = {**root, "metadata": {"properties": _METADATA}, "status": {}}
    return tuple(_in_object(doc, schema, path=""))


def _walk(value: Any, schema: Schema, *, path: str) -> Iterator[ValidationIssue]:
    """Yield what is unknown below a value; a value of the wrong type is somebody else's fault to name."""
    if isinstance(value, Mapping) and schema.get("type", "object") == "object":
        if "additionalProperties" in schema:
            for key, inner in value.items():
                yield from _walk(inner, schema["additionalProperties"], path=f"{path}.{key}")
        elif "properties" in schema or "maxProperties" in schema:
            yield from _in_object(value, schema.get("properties", {}), path=f"{path}.")
    elif isinstance(value, list) and "items" in schema:
        for index, inner in enumerate(value):
            yield from _walk(inner, schema["items"], path=f"{path}[{index}]")
    elif isinstance(value, str) and value not in schema.get("enum", (value,)):
        yield ValidationIssue(path, f"unknown value {value!r}", _hint(value, filter(None, schema["enum"])))


def _in_object(value: Mapping[Any, Any], properties: Schema, *, path: str) -> Iterator[ValidationIssue]:
    for key, inner in value.items():
        if key not in properties:
            yield ValidationIssue(f"{path}{key}", UNKNOWN, _hint(str(key), properties))
        elif inner is None and "properties" in properties[key]:
            yield ValidationIssue(
                f"{path}{key}", "is empty, and counts as left out", f"write {key}: {{}}, or leave it out"
            )
        else:
            yield from _walk(inner, properties[key], path=f"{path}{key}")


def _hint(key: str, known: Iterable[str]) -> str:
    """Return what was probably meant: case and underscores count little."""
    plain = {name.lower(): name for name in known}
    close = get_close_matches(key.replace("_", "").lower(), plain, n=1, cutoff=0.75)
    if close:
        return f"did you mean {plain[close[0]]!r}?"
    if 0 < len(plain) <= _FEW:
        return f"known here: {', '.join(sorted(plain.values()))}"
    return ""

"""Offline check for unknown fields and enum values, and of maxima, against the CustomResourceDefinition's schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from difflib import get_close_matches
from operator import attrgetter
from typing import Any, Final, NamedTuple

from appstack.api.bounds import Schema
from appstack.api.crd import root_schema
from appstack.api.normalization import spec_schema
from appstack.api.structural import OWN_BLOCK
from appstack.errors import ValidationIssue, first_of_each_kind, more_issue

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


class _Finding(NamedTuple):
    """A field that the schema does not admit; its issue is formatted only if it is reported."""

    field: str
    message: str
    unknown: str = ""  # the unknown name or value, and the known ones, from which the hint is made
    known: Iterable[str] = ()
    hint: str = ""

    @property
    def kind(self) -> str:
        """The message without the names and values in it."""
        return self.message.partition(" '")[0]

    def issue(self) -> ValidationIssue:
        """Return the validation issue."""
        return ValidationIssue(self.field, self.message, self.hint or _hint(self.unknown, self.known))


def unknown_fields(document: Mapping[str, Any]) -> tuple[ValidationIssue, ...]:
    """Return an issue for each field and enum value that the schema does not know, and for each maximum exceeded.

    An empty block of AppStack is reported, too: it is null, which the API server drops silently. Of each kind of
    issue, the first are returned, and one that counts the rest.
    """
    root = root_schema()["properties"]
    schema = {**root, "metadata": {"properties": _METADATA}, "spec": spec_schema(), "status": {}}
    kept, omitted = first_of_each_kind(_object(document, schema, path=""), attrgetter("kind"))
    return (
        *(finding.issue() for finding in kept),
        *(more_issue(first.field, count) for first, count in omitted),
    )


def _value(value: Any, schema: Schema, *, path: str) -> Iterator[_Finding]:
    """Yield the findings in a value and its fields; values of the wrong type are left to `parse`."""
    if isinstance(value, Mapping) and schema.get("type", "object") == "object":
        yield from _too_long(value, schema.get("maxProperties") or len(value), "keys", path=path)
        if "additionalProperties" in schema:
            for key, inner in value.items():
                yield from _value(inner, schema["additionalProperties"], path=f"{path}.{key}")
        elif "properties" in schema or "maxProperties" in schema:
            yield from _object(value, schema.get("properties", {}), path=f"{path}.")
    elif isinstance(value, list) and "items" in schema:
        yield from _too_long(value, schema.get("maxItems", len(value)), "items", path=path)
        for index, inner in enumerate(value):
            yield from _value(inner, schema["items"], path=f"{path}[{index}]")
    elif isinstance(value, str):
        yield from _too_long(value, schema.get("maxLength", len(value)), "characters", path=path)
        if value not in schema.get("enum", (value,)):
            yield _Finding(path, f"unknown value {value!r}", unknown=value, known=filter(None, schema["enum"]))


def _too_long(value: Sized, maximum: int, noun: str, *, path: str) -> Iterator[_Finding]:
    if len(value) > maximum:
        yield _Finding(path, f"must have at most {maximum} {noun}")


def _object(value: Mapping[Any, Any], properties: Schema, *, path: str) -> Iterator[_Finding]:
    for key, inner in value.items():
        if key not in properties:
            yield _Finding(f"{path}{key}", UNKNOWN_FIELD, unknown=str(key), known=properties)
        elif inner is None and OWN_BLOCK in properties[key]:
            yield _Finding(f"{path}{key}", "is empty and is ignored", hint=f"write {key}: {{}}, or remove it")
        else:
            yield from _value(inner, properties[key], path=f"{path}{key}")


def _hint(key: str, known: Iterable[str]) -> str:
    """Return a hint with the closest known name, ignoring case and underscores, or with all names if they are few."""
    by_lowercase = {name.lower(): name for name in known}
    close = get_close_matches(key.replace("_", "").lower(), by_lowercase, n=1, cutoff=0.75)
    if close:
        return f"did you mean {by_lowercase[close[0]]!r}?"
    if 0 < len(by_lowercase) <= _MAX_LISTED_NAMES:
        return f"expected one of: {', '.join(sorted(by_lowercase.values()))}"
    return ""

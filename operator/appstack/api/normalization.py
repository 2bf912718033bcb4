"""Normalization of a spec before it is parsed: values that the API server of Kubernetes reads as something else.

In the types of Kubernetes, null stands for an unset field, as does an empty string where an enum has a default, and a
number stands for a quantity. The blocks that AppStack defines stay as they are: an empty one is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from appstack.api.bounds import Schema
from appstack.api.stack import AppStackSpec
from appstack.api.structural import OWN_BLOCK, QUANTITY, structural_schema


@cache
def spec_schema() -> Schema:
    """Return the structural schema of a spec, in which the blocks that AppStack defines have the key `OWN_BLOCK`."""
    return structural_schema(AppStackSpec)


def normalized(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a document with its spec normalized."""
    return {**document, "spec": _value(document["spec"], spec_schema())} if "spec" in document else document


def _value(value: Any, schema: Schema) -> Any:
    if isinstance(value, Mapping):
        if "properties" in schema:
            return _fields(value, schema["properties"])
        inner = schema.get("additionalProperties")
        return {key: _value(item, inner) for key, item in value.items()} if inner else value
    if isinstance(value, list):
        return [_value(item, schema["items"]) for item in value] if "items" in schema else value
    is_quantity = QUANTITY.items() <= schema.items()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_quantity and is_number else value


def _fields(value: Mapping[str, Any], properties: Schema) -> dict[str, Any]:
    fields = {}
    for name, item in value.items():
        schema = properties.get(name, {})
        if not is_unset(item, schema):
            fields[name] = _value(item, schema)
    return fields


def is_unset(value: Any, schema: Schema) -> bool:
    """Return whether a value of a field stands for an unset field."""
    if value is None:
        return OWN_BLOCK not in schema
    return value == "" and "" in schema.get("enum", ())

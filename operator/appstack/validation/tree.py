"""Every value of a stack with its field: for what holds wherever it stands. PURE."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel


class Value(NamedTuple):
    """What stands in a field that is written."""

    field: str
    value: Any


def values(field: str, value: Any) -> list[Value]:
    """Return a value and all that it holds, so that what a later kind brings is found as well."""
    found: list[Value] = []
    _collect(found, field, value)
    return found


@cache
def _names(model: type[BaseModel]) -> dict[str, str]:
    """Return the fields of a model, each with its name in the API."""
    return {name: field.serialization_alias or name for name, field in model.model_fields.items()}


def _collect(found: list[Value], field: str, value: Any) -> None:
    found.append(Value(field, value))
    if isinstance(value, BaseModel):
        names = _names(type(value))
        for name, item in value.__dict__.items():
            if item is not None:
                _collect(found, f"{field}.{names[name]}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            _collect(found, f"{field}[{key}]", item)
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            _collect(found, f"{field}[{index}]", item)

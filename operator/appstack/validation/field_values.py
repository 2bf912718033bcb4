"""The values of every field of a spec, for checks that apply at any depth."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel


class FieldValue(NamedTuple):
    """A field that is set, and its value."""

    field: str
    value: Any


def field_values(field: str, value: Any) -> list[FieldValue]:
    """Return the value and every value inside it, parents first; unset fields of models are left out."""
    found: list[FieldValue] = []
    _collect(found, field, value)
    return found


@cache
def _api_names(model: type[BaseModel]) -> dict[str, str]:
    """Return the name in the API for each attribute of a model."""
    return {name: field.serialization_alias or name for name, field in model.model_fields.items()}


def _collect(found: list[FieldValue], field: str, value: Any) -> None:
    found.append(FieldValue(field, value))
    if isinstance(value, BaseModel):
        names = _api_names(type(value))
        for name, item in value.__dict__.items():
            if item is not None:
                _collect(found, f"{field}.{names[name]}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            _collect(found, f"{field}[{key}]", item)
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            _collect(found, f"{field}[{index}]", item)

"""Every value of a stack with its field: for what holds wherever it stands. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel


def values(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a value and all that it holds, so that what a later kind brings is found as well."""
    yield where, value
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from values(f"{where}.{field.serialization_alias or name}", getattr(value, name))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from values(f"{where}[{key}]", item)
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            yield from values(f"{where}[{index}]", item)

"""The API server's account of who set which field: `fieldsV1` of an object's managedFields. PURE."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from typing import Any

from appstack.reading import read

Path = tuple[str, ...]
"""A field as `fieldsV1` spells it: `f:spec`, `k:{"name":"backend"}`, `f:image`."""


def leaves(fields: Mapping[str, Any], before: Path = ()) -> Iterator[Path]:
    """Yield every field that has none below it."""
    for key, below in fields.items():
        if below:
            yield from leaves(below, (*before, key))
        elif key != ".":
            yield (*before, key)


def sets(manifest: Mapping[str, Any], path: Path) -> bool:
    """Tell whether a manifest says anything about a field."""
    value: Any = manifest
    for part in path:
        value = _below(value, part)
        if value is None:
            return False
    return True


def _below(value: Any, part: str) -> Any:
    how, _, name = part.partition(":")
    if how == "f" and isinstance(value, Mapping):
        return value.get(name)
    if how == "k" and isinstance(value, list):
        key = read(name.encode()).items()
        return next((item for item in value if isinstance(item, Mapping) and key <= _named(item)), None)
    if how == "v" and isinstance(value, list):
        wanted = read(name.encode())
        return wanted if wanted in value else None
    return value if how == "f" and not isinstance(value, list) else None


def _named(item: Mapping[str, Any]) -> ItemsView[str, Any]:
    return {"protocol": "TCP", **item}.items()


def text(path: Path) -> str:
    """Return a field as people write it: `spec.containers[name=backend].image`."""
    said = ""
    for part in path:
        how, _, name = part.partition(":")
        if how == "k":
            said += f"[{','.join(f'{key}={value}' for key, value in read(name.encode()).items())}]"
        else:
            said += f".{name}" if how == "f" else f"[{name}]"
    return said.removeprefix(".")

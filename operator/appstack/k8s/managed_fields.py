"""The API server's account of who set which field: `fieldsV1` of an object's managedFields. PURE."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from typing import Any, Final

from appstack.k8s.lenient_json import read

Path = tuple[str, ...]
"""A field as `fieldsV1` spells it: `f:spec`, `k:{"name":"backend"}`, `f:image`."""


_DEEP: Final = 40  # more than any kind has: what somebody made up may have 10,000


def leaves(fields: Mapping[str, Any], before: Path = ()) -> Iterator[Path]:
    """Yield every field that has none below it, or that lies deeper than any that means something."""
    for key, below in fields.items():
        if below and len(before) < _DEEP:
            yield from leaves(below, (*before, key))
        elif key != ".":
            yield (*before, key)


def has(fields: Mapping[str, Any], leaf: Path) -> bool:
    """Tell whether a field is one of their `leaves`, without looking at all of them."""
    below: Mapping[str, Any] | None = fields
    for part in leaf:
        if not below or part not in below:
            return False
        below = below[part]
    return not below or len(leaf) > _DEEP


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

"""Specs in which one field is filled as far as the API server admits it: every list, map and string of the CRD.

`worst_cases` has the products of fields that are known to be expensive. These specs find the fields that are not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from appstack.api.bounds import Schema
from appstack.api.crd import root_schema
from appstack.validation.kind_support import WORKLOAD_OPTIONS
from bench.worst_cases import Generator, Spec, inheriting

Path = tuple[str | int, ...]

_BY_NAME: Final = {"cidr": "::/0", "tokenUrl": "http://a"}  # values of fields that are parsed


def filled_fields() -> Mapping[str, Generator]:
    """Return a generator for each list, map and string of a spec, by its path; `n` is the number of items or length."""
    spec = root_schema()["properties"]["spec"]
    return {".".join(map(str, path)): partial(_filled, spec, path) for path in _fields(spec, ())}


def _fields(schema: Schema, path: Path) -> Iterator[Path]:
    """Yield the path of each list, map and string; an index stands for the items of a list."""
    type_ = schema.get("type")
    if type_ == "array" or "additionalProperties" in schema or (type_ == "string" and "enum" not in schema):
        yield path
    for name, inner in schema.get("properties", {}).items():
        yield from _fields(inner, (*path, name))
    if type_ == "array":
        yield from _fields(schema["items"], (*path, 0))


def _filled(spec_schema: Schema, path: Path, n: int) -> Spec:
    """Return the smallest spec with this field, and with `n` items, keys or characters in it."""
    spec = _smallest(spec_schema, 0)
    parent, schema = spec, spec_schema
    for part, following in zip(path, (*path[1:], None), strict=True):
        schema = schema["items"] if isinstance(part, int) else schema["properties"][part]
        if following is None:
            parent[part] = _value(schema, n)
        elif isinstance(part, int):
            parent = parent[part]
        else:
            if following == 0:
                parent[part] = [_smallest(schema["items"], 0)]
            parent = parent.setdefault(part, _smallest(schema, 0))
    if path[0] == "workload" and len(path) > 1:
        spec["workload"]["kind"] = WORKLOAD_OPTIONS.get(str(path[1]), ("Deployment",))[0]
    return {**inheriting(), **spec} if path[0] == "backend" else spec


def _value(schema: Schema, n: int) -> Any:
    if schema["type"] == "array":
        keys = schema.get("x-kubernetes-list-map-keys", ())
        return [_smallest(schema["items"], index, keys=keys) for index in range(n)]
    if schema["type"] == "object":
        return {f"k{index}": _smallest(schema["additionalProperties"], index) for index in range(n)}
    return _filled_text(schema.get("pattern", ""), n)


def _filled_text(pattern: str, n: int) -> str:
    """Return a text of about `n` characters that a pattern admits."""
    texts = ("1" * n, f"/{'a' * (n - 1)}", f"/{'a' * (n - 2)}/", f"{'1' * n}s", f"{'1' * n}B", f"http://{'a' * n}")
    return next(text for text in texts if re.search(pattern, text))


def _smallest(schema: Schema, index: int, *, name: str = "", keys: tuple[str, ...] | list[str] = ()) -> Any:
    """Return the smallest value of a schema; values with different indexes differ in their merge keys."""
    match schema.get("type"):
        case "object":
            names = {*schema.get("required", ()), *keys}
            return {each: _smallest(schema["properties"][each], index, name=each) for each in sorted(names)}
        case "array":
            return [_smallest(schema["items"], 0)] if schema.get("minItems") else []
        case "string":
            return next(filter(None, schema["enum"])) if "enum" in schema else _text(schema, index, name)
        case "boolean":
            return True
        case None if "pattern" in schema:  # a quantity
            return "1"
        case _:
            return index + 1


def _text(schema: Schema, index: int, name: str) -> str:
    pattern = schema.get("pattern", "")
    prefix, suffix = "/" if pattern.startswith("^/") else "", "/" if pattern.endswith("/)*$") else ""
    return _BY_NAME.get(name, f"{prefix}x{index}{suffix}")

"""Merge of services: mappings by key, lists by appending, and lists with keys by key."""

from __future__ import annotations

import posixpath
from typing import Any, Final

from appstack.convert.compose import values

Document = dict[str, Any]

_REPLACED: Final = frozenset({"command", "entrypoint", "test"})
_PAIRS: Final = frozenset({"environment", "labels", "annotations", "sysctls"})
_NAMES: Final = frozenset({"depends_on", "networks"})


def merge_service(base: Document, own: Document) -> Document:
    """Return a service with the fields of `own` merged over those of `base`."""
    merged = dict(base)
    for key, value in own.items():
        inherited = merged.get(key)
        if inherited is None or key in _REPLACED:
            merged[key] = value
        elif key in _PAIRS:
            merged[key] = {**values.pairs(inherited), **values.pairs(value)}
        elif key in _NAMES:
            merged[key] = {**values.names(inherited), **values.names(value)}
        elif key == "volumes":
            by_target = {each["target"]: each for each in (*values.mounts(inherited), *values.mounts(value))}
            merged[key] = list(by_target.values())
        elif key == "ports":
            merged[key] = _distinct((*values.ports(inherited), *values.ports(value)))
        elif key in ("env_file", "dns", "dns_search", "tmpfs") or isinstance(value, list):
            merged[key] = _distinct((*_as_list(inherited), *_as_list(value)))
        elif isinstance(value, dict) and isinstance(inherited, dict):
            merged[key] = merge_service(inherited, value)
        else:
            merged[key] = value
    return merged


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _distinct(items: tuple[Any, ...]) -> list[Any]:
    return [item for index, item in enumerate(items) if item not in items[:index]]


def with_base_directory(resource: Document, directory: str) -> Document:
    """Return a service, config or secret of a file in another directory, with its paths relative to this one."""
    if directory in ("", "."):
        return resource
    moved = dict(resource)
    if isinstance(resource.get("file"), str):
        moved["file"] = _joined(directory, resource["file"])
    if resource.get("env_file"):
        files = values.env_files(resource["env_file"])
        moved["env_file"] = [{**each, "path": _joined(directory, each["path"])} for each in files]
    if resource.get("volumes"):
        moved["volumes"] = [_moved_mount(each, directory) for each in values.mounts(resource["volumes"])]
    return moved


def _moved_mount(mount: Document, directory: str) -> Document:
    source = mount.get("source")
    if mount.get("type") != "bind" or not source:
        return mount
    return {**mount, "source": _joined(directory, source)}


def _joined(directory: str, path: str) -> str:
    joined = posixpath.normpath(posixpath.join(directory, path))
    return joined if joined.startswith(("/", ".", "~")) else f"./{joined}"

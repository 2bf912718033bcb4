"""Containers with the image of the backend: they lose every field that they inherit."""

from __future__ import annotations

from typing import Any, Final

from appstack.convert.draft import Draft
from appstack.k8s.metadata import Manifest
from appstack.render.merge import overlay
from appstack.render.pod import NOT_INHERITED

_APPSTACK_FIELDS: Final = frozenset({"role", "native"})
_KEYS: Final = {"env": "name", "volumeMounts": "mountPath", "volumeDevices": "devicePath"}


def shorten(draft: Draft) -> None:
    """Remove the inherited fields of each container that means the same without an image of its own."""
    backend = draft.spec["backend"]
    inherited = {key: value for key, value in backend.items() if key not in NOT_INHERITED}
    files = draft.spec.get("files", [])
    backend_files = {each["path"]: each for each in files if "container" not in each}
    for field in ("initContainers", "sidecars"):
        containers = draft.spec.get(field, [])
        for index, container in enumerate(containers):
            own_files = {each["path"]: each for each in files if each.get("container") == container["name"]}
            if not _has_files(own_files, backend_files) or _hides_file(container, backend_files):
                continue
            short = _without_inherited(container, inherited)
            if short is not None:
                containers[index] = short
                same = [each for path, each in own_files.items() if _content(each) == _content(backend_files.get(path))]
                files[:] = [each for each in files if not any(each is other for other in same)]


def _has_files(own: dict[str, Manifest], backend: dict[str, Manifest]) -> bool:
    """Return whether a container has each file of the backend, which it would inherit."""
    return own.keys() >= backend.keys()


def _hides_file(container: Manifest, backend_files: dict[str, Manifest]) -> bool:
    return any(mount.get("mountPath") in backend_files for mount in container.get("volumeMounts", []))


def _content(file: Manifest | None) -> Manifest | None:
    return file and {key: value for key, value in file.items() if key != "container"}


def _without_inherited(container: Manifest, inherited: Manifest) -> Manifest | None:
    """Return a container without the fields that it inherits; None if inheritance would change its meaning."""
    if container.get("image") != inherited.get("image"):
        return None
    own = {key: value for key, value in container.items() if key not in _APPSTACK_FIELDS}
    short = {key: rest for key, value in own.items() if (rest := _rest(key, value, inherited)) is not None}
    if _comparable(overlay(inherited, short)) != _comparable(own):
        return None
    appstack_fields = {key: value for key, value in container.items() if key in _APPSTACK_FIELDS}
    return {**short, **appstack_fields}


def _rest(key: str, value: Any, inherited: Manifest) -> Any:
    """Return the part of a field that is not inherited; None if nothing is left."""
    if key in NOT_INHERITED or key not in inherited:
        return value
    if inherited[key] == value:
        return None
    if key in _KEYS:
        return [item for item in value if item not in inherited[key]] or None
    return value


def _comparable(container: Manifest) -> Manifest:
    """Return a container with its lists in the order of their keys, in which they are merged."""
    return {
        key: sorted(value, key=lambda item: str(item.get(_KEYS[key]))) if key in _KEYS else value
        for key, value in container.items()
    }

"""Files of an AppStack: an immutable ConfigMap per revision of their contents, and their mounts."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Final

from appstack.api.containers import BACKEND, PROXY
from appstack.api.files import File
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from appstack.render.context import Context

FILES_VOLUME: Final = "appstack-files"


@dataclass(frozen=True, slots=True)
class MountedFile:
    """A file at a path of a container: one key of a volume."""

    container: str  # its role if it is the backend or the proxy
    path: str
    volume: str
    key: str

    def volume_mount(self) -> Manifest:
        """Return the entry of the container's volumeMounts."""
        return {"name": self.volume, "mountPath": self.path, "subPath": self.key, "readOnly": True}


@dataclass(frozen=True, slots=True)
class Files:
    """All files of an AppStack: those with contents, and those from ConfigMaps and Secrets of the user."""

    revision: str = ""  # digest of the contents; empty when there are none
    config_map: Manifest | None = None
    volumes: tuple[Manifest, ...] = ()
    mounted: tuple[MountedFile, ...] = field(default=())

    def mounts(self, container: str, *, inherits: bool = False) -> list[Manifest]:
        """Return the file mounts of a container.

        A container that inherits from the backend also gets the backend's files at paths where it has none of its own.
        """
        by_path = {file.path: file for file in self.mounted if inherits and file.container == BACKEND}
        by_path |= {file.path: file for file in self.mounted if file.container == container}
        return [file.volume_mount() for file in by_path.values()]


def stack_files(context: Context, generated: dict[str, str]) -> Files:
    """Return the files of the spec and the generated files of the proxy (path to text) as one revision."""
    own = [File(path=path, container=PROXY, content=text) for path, text in generated.items()]
    files = context.spec.files_by_role
    inline = [*own, *(file for file in files if not file.value_from)]
    referenced = [file for file in files if file.value_from]
    volumes = [*_referenced_volumes(referenced)]
    mounted = [_mounted_file(file, volume=_referenced_volume_name(file)) for file in referenced]
    if not inline:
        return Files(volumes=tuple(volumes), mounted=tuple(mounted))

    contents: Manifest = {}
    for file in inline:
        if file.content is not None:
            contents.setdefault("data", {})[_key(file)] = file.content
        else:
            canonical = base64.b64encode(base64.b64decode(file.base64 or "")).decode()
            contents.setdefault("binaryData", {})[_key(file)] = canonical
    revision = meta.digest(contents)
    config_map = context.child("v1", "ConfigMap", name=f"{context.name}-files-{revision}")
    config_map["metadata"]["labels"][meta.FILES_LABEL] = revision
    items = [{"key": _key(file), "path": _key(file), "mode": file.mode} for file in inline]
    volume = {"name": FILES_VOLUME, "configMap": {"name": config_map["metadata"]["name"], "items": items}}
    return Files(
        revision=revision,
        config_map={**config_map, "immutable": True, **contents},
        volumes=(volume, *volumes),
        mounted=(*(_mounted_file(file, volume=FILES_VOLUME) for file in inline), *mounted),
    )


def _key(file: File) -> str:
    """Return the ConfigMap key of a file: unique by container and path, and readable in kubectl's output."""
    return _key_of(file.container, file.path)


@lru_cache(maxsize=1024)  # called several times for each file, and similar AppStacks share paths
def _key_of(container: str, path: str) -> str:
    path_hash = hashlib.sha256(f"{container}\0{path}".encode()).hexdigest()[:8]
    readable_name = re.sub(r"[^-._A-Za-z0-9]", "_", PurePosixPath(path).name)[:64]
    return f"{container}-{path_hash}-{readable_name}"


def _mounted_file(file: File, *, volume: str) -> MountedFile:
    return MountedFile(container=file.container, path=file.path, volume=volume, key=_key(file))


def _referenced_volume_name(file: File) -> str:
    """Return the name of the volume for a ConfigMap or Secret of the user; all files from one object share it."""
    kind, name, optional = _referenced_object(file)
    return f"appstack-{kind}-{meta.digest([name, optional])}"


def _referenced_object(file: File) -> tuple[str, str, bool | None]:
    source = file.value_from
    if source and source.secret_key_ref:
        return "secret", source.secret_key_ref.name or "", source.secret_key_ref.optional
    if source and source.config_map_key_ref:
        return "config", source.config_map_key_ref.name or "", source.config_map_key_ref.optional
    return "config", "", None


def _referenced_volumes(referenced: Iterable[File]) -> Iterable[Manifest]:
    by_volume: dict[str, list[File]] = {}
    for file in referenced:
        by_volume.setdefault(_referenced_volume_name(file), []).append(file)
    for volume, files in by_volume.items():
        kind, name, optional = _referenced_object(files[0])
        items = [{"key": _referenced_key(file), "path": _key(file), "mode": file.mode} for file in files]
        source: Manifest = {"items": items} if optional is None else {"items": items, "optional": optional}
        if kind == "secret":
            yield {"name": volume, "secret": {"secretName": name, **source}}
        else:
            yield {"name": volume, "configMap": {"name": name, **source}}


def _referenced_key(file: File) -> str:
    source = file.value_from
    selector = source and (source.secret_key_ref or source.config_map_key_ref)
    return selector.key if selector else ""

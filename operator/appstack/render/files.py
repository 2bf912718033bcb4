"""Just-in-time files: the ConfigMap that is their revision, and how containers see it. PURE."""

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

VOLUME: Final = "appstack-files"


@dataclass(frozen=True, slots=True)
class Mounted:
    """A file where a container sees it: a key of a volume."""

    container: str
    path: str
    volume: str
    key: str

    def mount(self) -> Manifest:
        """Return the entry of the container's volumeMounts."""
        return {"name": self.volume, "mountPath": self.path, "subPath": self.key, "readOnly": True}


@dataclass(frozen=True, slots=True)
class Files:
    """All files of a stack: one revision of contents, and what refers to the user's own objects."""

    revision: str = ""  # digest of the contents; empty when there are none
    config_map: Manifest | None = None
    volumes: tuple[Manifest, ...] = ()
    mounted: tuple[Mounted, ...] = field(default=())

    def mounts(self, container: str, *, inherits: bool = False) -> list[Manifest]:
        """Return a container's file mounts; one that inherits sees the backend's where it has none of its own."""
        by_path = {file.path: file for file in self.mounted if inherits and file.container == BACKEND}
        by_path |= {file.path: file for file in self.mounted if file.container == container}
        return [file.mount() for file in by_path.values()]


def files(context: Context, generated: dict[str, str]) -> Files:
    """Gather the author's files and the proxy's generated ones (path to text) into one revision."""
    own = [File(path=path, container=PROXY, content=text) for path, text in generated.items()]
    written = [*own, *(file for file in context.spec.files if not file.value_from)]
    referred = [file for file in context.spec.files if file.value_from]
    volumes = [*_referred_volumes(referred)]
    mounted = [_mounted(file, volume=_referred_volume_name(file)) for file in referred]
    if not written:
        return Files(volumes=tuple(volumes), mounted=tuple(mounted))

    contents: Manifest = {}
    for file in written:
        if file.content is not None:
            contents.setdefault("data", {})[_key(file)] = file.content
        else:
            normal = base64.b64encode(base64.b64decode(file.base64 or "")).decode()
            contents.setdefault("binaryData", {})[_key(file)] = normal
    revision = meta.digest(contents)
    config_map = context.child("v1", "ConfigMap", name=f"{context.name}-files-{revision}")
    config_map["metadata"]["labels"][meta.FILES_LABEL] = revision
    items = [{"key": _key(file), "path": _key(file), "mode": file.mode} for file in written]
    volume = {"name": VOLUME, "configMap": {"name": config_map["metadata"]["name"], "items": items}}
    return Files(
        revision=revision,
        config_map={**config_map, "immutable": True, **contents},
        volumes=(volume, *volumes),
        mounted=(*(_mounted(file, volume=VOLUME) for file in written), *mounted),
    )


def _key(file: File) -> str:
    """Return a ConfigMap key that tells a reader which file it is, and is no other file's."""
    return _key_of(file.container, file.path)


@lru_cache(maxsize=1024)  # each file asks several times, and stacks that are alike have the same
def _key_of(container: str, path: str) -> str:
    exact = hashlib.sha256(f"{container}\0{path}".encode()).hexdigest()[:8]
    readable = re.sub(r"[^-._A-Za-z0-9]", "_", PurePosixPath(path).name)[:64]
    return f"{container}-{exact}-{readable}"


def _mounted(file: File, *, volume: str) -> Mounted:
    return Mounted(container=file.container, path=file.path, volume=volume, key=_key(file))


def _referred_volume_name(file: File) -> str:
    """Return the name of the volume of one of the user's own objects; files of one object share it."""
    kind, name, optional = _referred(file)
    return f"appstack-{kind}-{meta.digest([name, optional])}"


def _referred(file: File) -> tuple[str, str, bool | None]:
    source = file.value_from
    if source and source.secret_key_ref:
        return "secret", source.secret_key_ref.name or "", source.secret_key_ref.optional
    if source and source.config_map_key_ref:
        return "config", source.config_map_key_ref.name or "", source.config_map_key_ref.optional
    return "config", "", None


def _referred_volumes(referred: Iterable[File]) -> Iterable[Manifest]:
    grouped: dict[str, list[File]] = {}
    for file in referred:
        grouped.setdefault(_referred_volume_name(file), []).append(file)
    for volume, group in grouped.items():
        kind, name, optional = _referred(group[0])
        items = [{"key": _referred_key(file), "path": _key(file), "mode": file.mode} for file in group]
        source: Manifest = {"items": items} if optional is None else {"items": items, "optional": optional}
        if kind == "secret":
            yield {"name": volume, "secret": {"secretName": name, **source}}
        else:
            yield {"name": volume, "configMap": {"name": name, **source}}


def _referred_key(file: File) -> str:
    source = file.value_from
    chosen = source and (source.secret_key_ref or source.config_map_key_ref)
    return chosen.key if chosen else ""

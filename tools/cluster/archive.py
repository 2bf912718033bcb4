"""Image archives for `ctr images import` and `docker load`, written without an engine."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.cluster import state

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """An image of one layer: an optional folder tree, and single files by their path in the image."""

    name: str
    files: dict[str, Path] = field(default_factory=dict)
    tree: Path | None = None
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    labels: dict[str, str] = field(default_factory=dict)


def write(target: Path, images: Sequence[Image]) -> None:
    """Write all images into one archive."""
    manifest: list[dict[str, Any]] = []
    with tarfile.open(target, "w") as archive:
        for image in images:
            layer = target.with_suffix(".layer")
            digest = _write_layer(layer, image)
            config = json.dumps(config_of(image, digest), sort_keys=True).encode()
            config_name = f"{hashlib.sha256(config).hexdigest()}.json"
            archive.add(layer, f"{digest}/layer.tar")
            layer.unlink()
            _add_bytes(archive, config_name, config)
            manifest.append({"Config": config_name, "RepoTags": [image.name], "Layers": [f"{digest}/layer.tar"]})
        _add_bytes(archive, "manifest.json", json.dumps(manifest).encode())


def config_of(image: Image, layer_digest: str) -> dict[str, Any]:
    return {
        "architecture": state.architecture(),
        "os": "linux",
        "config": {
            "Env": [f"PATH={PATH}"],
            "Entrypoint": list(image.entrypoint) or None,
            "Cmd": list(image.command) or None,
            "Labels": image.labels or None,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
    }


def _write_layer(target: Path, image: Image) -> str:
    with tarfile.open(target, "w") as layer:
        if image.tree is not None:
            layer.add(image.tree, ".")
        for path, file in image.files.items():
            layer.add(file, path.lstrip("/"), filter=_as_program)
    with target.open("rb") as written:
        return hashlib.file_digest(written, "sha256").hexdigest()


def _as_program(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = "root"
    entry.mode = 0o755
    return entry


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))

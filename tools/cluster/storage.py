"""Claims in the cluster: local-path-provisioner with a class for one node and one for all nodes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tools.cluster import archive, debian, programs

SHARED_PATH = "/shared"
PROVISIONER_IMAGE = f"appstack.dev/local-path-provisioner:{programs.version(programs.SOURCES['local-path-provisioner'])}"
HELPER_IMAGE = "docker.io/library/busybox:1.35.0"
MANIFEST = Path(__file__).with_name("storage.yaml")


def render(provisioner_image: str, helper_image: str, *, standard: bool = True) -> str:
    """The objects, with or without the class `standard` (kind's own images bring one)."""
    text = MANIFEST.read_text()
    text = text.replace("{provisioner_image}", provisioner_image).replace("{helper_image}", helper_image)
    documents = text.split("\n---\n")
    return "\n---\n".join(d for d in documents if standard or "\n  name: standard\n" not in d)


def images(scratch: Path, built: Mapping[str, Path], log: Path) -> list[archive.Image]:
    """The provisioner, and the busybox that makes and removes its folders."""
    place = "/usr/bin/local-path-provisioner"
    provisioner = archive.Image(PROVISIONER_IMAGE, {place: built["local-path-provisioner"]}, entrypoint=[place])
    busybox = scratch / "busybox"
    debian.busybox(busybox, log)
    return [provisioner, archive.Image(HELPER_IMAGE, tree=busybox, command=["sh"])]

"""PersistentVolumeClaims in the cluster: local-path-provisioner with a class per node and a shared one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.cluster import archive, debian, programs, shell

SHARED_PATH = "/shared"
PROVISIONER_IMAGE = (
    f"appstack.dev/local-path-provisioner:{programs.version(programs.SOURCES['local-path-provisioner'])}"
)
HELPER_IMAGE = f"docker.io/library/{debian.BUSYBOX}"
MANIFEST = Path(__file__).with_name("storage.yaml")


def render(provisioner_image: str, helper_image: str, *, standard: bool = True) -> str:
    """Return the manifests; kind's own node images already have the class `standard`."""
    text = MANIFEST.read_text()
    text = text.replace("{provisioner_image}", provisioner_image).replace("{helper_image}", helper_image)
    documents = text.split("\n---\n")
    return "\n---\n".join(d for d in documents if standard or "\n  name: standard\n" not in d)


def for_kinds_image(node: str, env: Mapping[str, str]) -> str:
    """Return the manifests for a node image from a registry, with the provisioner images that it has."""
    listing = shell.run(["docker", "exec", node, "ctr", "--namespace=k8s.io", "images", "ls", "-q"], env=env)
    names = [line for line in listing.split() if "@" not in line]
    return render(_named(names, "local-path-provisioner"), _named(names, "local-path-helper"), standard=False)


def _named(images: Sequence[str], part: str) -> str:
    found = [image for image in images if part in image]
    if not found:
        raise shell.Failure(f"kind's node image no longer has {part}; adapt tools/cluster/storage.py")
    return found[0]


def images(scratch: Path, built: Mapping[str, Path], log: Path) -> list[archive.Image]:
    """Return the images of the provisioner, and of busybox, which creates and removes its folders."""
    path = "/usr/bin/local-path-provisioner"
    provisioner = archive.Image(PROVISIONER_IMAGE, {path: built["local-path-provisioner"]}, entrypoint=[path])
    busybox = scratch / "busybox"
    debian.busybox(busybox, log)
    return [provisioner, archive.Image(HELPER_IMAGE, tree=busybox, command=["sh"])]

"""The backend's unix socket: the volume that holds it, and the path at which nginx connects to it."""

from __future__ import annotations

from dataclasses import dataclass

from appstack.api import AppStackSpec
from appstack.k8s.metadata import Manifest
from appstack.render.hardening import NGINX_USER_ID
from appstack.render.paths import SOCKET_DIR


@dataclass(frozen=True, slots=True)
class Socket:
    """A unix socket in a volume that the backend and nginx mount."""

    volume: str
    sub_path: str | None
    name: str  # path inside the mount, for example app.sock

    @property
    def address(self) -> str:
        """The address for nginx."""
        return f"unix:{SOCKET_DIR}/{self.name}"

    def volume_mount(self) -> Manifest:
        """Return nginx's mount of the volume; connecting to a socket writes nothing."""
        sub_path = {"subPath": self.sub_path} if self.sub_path else {}
        return {"name": self.volume, "mountPath": SOCKET_DIR, "readOnly": True, **sub_path}


def socket_of(spec: AppStackSpec) -> Socket | None:
    """Return the socket that `proxy.upstream` names; None if it names a port, or if the backend mounts no such path."""
    path = spec.proxy.socket if spec.proxy else None
    if path is None:
        return None
    parents = [mount for mount in spec.backend.volume_mounts or () if path.startswith(_folder(mount.mount_path))]
    if not parents:
        return None
    mount = max(parents, key=lambda each: len(each.mount_path))
    return Socket(mount.name, mount.sub_path, path.removeprefix(_folder(mount.mount_path)))


def _folder(mount_path: str) -> str:
    return f"{mount_path.rstrip('/')}/"


def changes_owner(spec: AppStackSpec) -> bool:
    """Return whether a pod has volumes with data that outlives it: fsGroup would change the group of their files."""
    kinds = ("claim", "persistent_volume_claim", "ephemeral", "csi")
    return any(getattr(volume, kind) is not None for volume in spec.volumes for kind in kinds)


def with_socket_group(spec: AppStackSpec, pod_fields: Manifest) -> Manifest:
    """Return the fields of the pod with a group that the socket's directory gives to the socket.

    nginx has a user of its own, so it may connect to a socket of mode 0660 only as a member of the socket's group.
    """
    security = pod_fields.get("securityContext", {})
    if socket_of(spec) is None or "fsGroup" in security or changes_owner(spec):
        return pod_fields
    return {**pod_fields, "securityContext": {**security, "fsGroup": NGINX_USER_ID}}

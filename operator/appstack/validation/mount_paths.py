"""Checks of mount paths in containers: overlaps, invalid paths, and volumes that do not exist."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from appstack.api.containers import BACKEND, Proxy
from appstack.errors import ValidationIssue
from appstack.render.paths import NGINX_CONF, NGINX_DIR, NGINX_WRITABLE, STATIC_ROOT, TOKEN_PATH
from appstack.validation.context import ContainerView, ValidationContext
from appstack.validation.issues import available_hint

_TOKEN: Final = "the ServiceAccount token"
_APPSTACK: Final = "a mount that AppStack adds for nginx"
_HINTS: Final = {
    _TOKEN: "choose another path, or set spec.pod.automountServiceAccountToken: false",
    _APPSTACK: "choose another path",
}


@dataclass(frozen=True, slots=True)
class MountPoint:
    """A path in a container at which a volume, a file or a device is mounted."""

    path: str
    source: str  # the field that declares it, or the built-in mount
    own: bool = False  # declared by a field of this container, to which an issue is attributed


@dataclass(slots=True)
class _PathTrie:
    """The mount points at and below one directory."""

    here: MountPoint | None = None
    first: MountPoint | None = None  # the first that was added at or below the directory
    children: dict[str, _PathTrie] = field(default_factory=dict)

    def add(self, mount_point: MountPoint) -> MountPoint | None:
        """Add a mount point; if one at, above or below the same path exists, return that one instead."""
        nodes = [self]
        for segment in path_segments(mount_point.path):
            if nodes[-1].here:
                return nodes[-1].here
            nodes.append(nodes[-1].children.setdefault(segment, _PathTrie()))
        if nodes[-1].first:
            return nodes[-1].first
        nodes[-1].here = mount_point
        for node in nodes:
            node.first = node.first or mount_point
        return None


def path_segments(path: str) -> tuple[str, ...]:
    """Return the segments of a normalized path, as the kubelet resolves it: relative paths start at the root."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    return tuple(segments)


def overlaps(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each mount of a container at the same path as another, inside it or around it."""
    for container in context.containers:
        mounted = _PathTrie()
        for mount_point in _mount_points(context, container):
            conflicting = mounted.add(mount_point)
            if conflicting and mount_point.own:
                yield _overlap_issue(mount_point, conflicting)


def _overlap_issue(mount_point: MountPoint, conflicting: MountPoint) -> ValidationIssue:
    segments, other_segments = path_segments(mount_point.path), path_segments(conflicting.path)
    if segments == other_segments:
        message = f"{mount_point.path!r} is already used by {conflicting.source}"
    elif len(segments) > len(other_segments):
        message = f"{mount_point.path!r} is inside {conflicting.path!r} of {conflicting.source}"
    else:
        message = f"{mount_point.path!r} would hide {conflicting.path!r} of {conflicting.source}"
    return ValidationIssue(
        mount_point.source, message, _HINTS.get(conflicting.source, "choose paths that do not overlap")
    )


def _mount_points(context: ValidationContext, container: ContainerView) -> Iterator[MountPoint]:
    """Yield every mount point of a container, its own last: an overlap is an issue of the later one."""
    if context.spec.pod.automount_service_account_token is not False:
        yield MountPoint(TOKEN_PATH, source=_TOKEN)
    if isinstance(container.spec, Proxy):
        for path in (NGINX_CONF, NGINX_DIR, *NGINX_WRITABLE, *([STATIC_ROOT] if container.spec.static else [])):
            yield MountPoint(path, source=_APPSTACK)
    for mount in context.inherited_mounts(container):
        yield MountPoint(mount.path, source=f"the inherited {mount.field}.mountPath")
    yield from _inherited_files(context, container)
    for mount in container.own_mounts():
        yield MountPoint(mount.path, source=f"{mount.field}.mountPath", own=True)
    for index, device in enumerate(container.spec.volume_devices or []):
        yield MountPoint(device.device_path, source=f"{container.field}.volumeDevices[{index}].devicePath", own=True)
    for index, file in enumerate(context.spec.files):
        if file.container == container.name:
            yield MountPoint(file.path, source=f"spec.files[{index}].path", own=True)


def _inherited_files(context: ValidationContext, container: ContainerView) -> Iterator[MountPoint]:
    own_paths = {file.path for file in context.spec.files if file.container == container.name}
    for index, file in enumerate(context.spec.files):
        if container.inherits_backend and file.container == BACKEND and file.path not in own_paths:
            yield MountPoint(file.path, source=f"the inherited spec.files[{index}].path")


def paths(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each mountPath, subPath and subPathExpr that Kubernetes rejects."""
    for container in context.containers:
        for index, mount in enumerate(container.spec.volume_mounts or []):
            mount_field = f"{container.field}.volumeMounts[{index}]"
            if mount.mount_path in ("", "/") or ":" in mount.mount_path:
                message = f"{mount.mount_path!r} is not a valid mount path"
                yield ValidationIssue(f"{mount_field}.mountPath", message, "use a directory other than /, without ':'")
            if mount.sub_path and mount.sub_path_expr:
                yield ValidationIssue(
                    f"{mount_field}.subPathExpr", "cannot be combined with subPath", "remove one of the two"
                )
            for name, value in (("subPath", mount.sub_path), ("subPathExpr", mount.sub_path_expr)):
                yield from sub_path_issues(f"{mount_field}.{name}", value)


def sub_path_issues(field: str, value: str | None) -> Iterator[ValidationIssue]:
    """Yield an issue if the path is absolute or leaves the volume through `..`."""
    directory = PurePosixPath(value or "")
    if directory.is_absolute() or ".." in directory.parts:
        message = f"{value!r} is not a path inside the volume"
        yield ValidationIssue(field, message, "use a relative path without '..'")


def volumes(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each mount of a volume that spec.volumes does not declare."""
    hint = available_hint(context.volume_names, if_none="declare the volume in spec.volumes")
    for container in context.containers:
        mounted = [(f"{mount.field}.name", mount.volume) for mount in container.own_mounts()]
        for index, device in enumerate(container.spec.volume_devices or []):
            mounted.append((f"{container.field}.volumeDevices[{index}].name", device.name))
        for name_field, name in mounted:
            if name not in context.volume_names:
                yield ValidationIssue(name_field, f"there is no volume {name!r}", hint)


CHECKS: Final = (overlaps, paths, volumes)

"""Checks of mount paths in containers: overlaps that no container can start with, invalid paths, unknown volumes.

Mounts may nest: the container runtime sorts them by depth, and the kubelet creates the mount points in the volumes that
it writes itself, such as that of a ConfigMap.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from appstack.api.containers import BACKEND
from appstack.api.proxy import Proxy
from appstack.errors import Severity, ValidationIssue
from appstack.render.paths import NGINX_CONF, NGINX_DIR, NGINX_WRITABLE, SOCKET_DIR, STATIC_ROOT, TLS_DIR
from appstack.validation.context import ContainerView, ValidationContext
from appstack.validation.issues import available_hint

_OTHER_PATH: Final = "choose another path"


@dataclass(frozen=True)
class MountPoint:
    """A path in a container at which a volume, a file or a device is mounted."""

    path: str
    source: str  # the field that declares it
    is_file: bool = False  # an entry of spec.files
    volume: str = ""
    read_only: bool = False

    @cached_property
    def key(self) -> str:
        """The normalized path with a slash at its end."""
        return path_key(self.path)


@dataclass(frozen=True)
class _Mounted:
    """The mount points of a container by key, and those that it inherits and does not replace."""

    own: dict[str, MountPoint] = field(default_factory=dict)
    inherited: Mapping[str, MountPoint] = field(default_factory=dict)
    replaced: frozenset[tuple[str, bool]] = frozenset()  # a mount replaces an inherited mount, and a file a file

    def at(self, key: str) -> MountPoint | None:
        """Return the mount point with a key."""
        inherited = self.inherited.get(key)
        if inherited is not None and (inherited.path, inherited.is_file) in self.replaced:
            inherited = None
        return self.own.get(key) or inherited

    def around(self, key: str) -> MountPoint | None:
        """Return the innermost mount point around a key."""
        end = key.rfind("/", 0, len(key) - 1)
        while end >= 0:
            if found := self.at(key[: end + 1]):
                return found
            end = key.rfind("/", 0, end)
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


def path_key(path: str) -> str:
    """Return the normalized path with a slash after each segment: a path inside a directory begins with its key."""
    return "".join(f"{segment}/" for segment in path_segments(path))


def overlaps(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each mount of a container at the path of another one, and for each that cannot be nested."""
    files: dict[str, list[MountPoint]] = {}
    for source, file in context.files:
        files.setdefault(file.container, []).append(MountPoint(file.path, f"{source}.path", is_file=True))
    inherited: dict[str, MountPoint] = {}
    for each in (*_mounts(context.backend), *files.get(BACKEND, ())):
        inherited.setdefault(each.key, replace(each, source=f"the inherited {each.source}"))
    file_keys = sorted(key for key, each in inherited.items() if each.is_file)
    for container in context.containers:
        own_mounts, own_files = _mounts(container), files.get(container.role, [])
        mounted = _Mounted()
        if container.inherits_backend:
            replaced = frozenset((each.path, each.is_file) for each in (*own_mounts, *own_files))
            mounted = _Mounted(inherited=inherited, replaced=replaced)
        for each in (*own_mounts, *_devices(container), *own_files):
            if not isinstance(container.spec, Proxy) or not _covers_nginx(container.spec, each):
                yield from _same_path(mounted, each)
            else:
                message = f"{each.path!r} overlaps a mount that AppStack adds for nginx"
                yield ValidationIssue(each.source, message, _OTHER_PATH)
            mounted.own.setdefault(each.key, each)
        yield from _nesting(context, mounted, file_keys if container.inherits_backend else ())


def _same_path(mounted: _Mounted, each: MountPoint) -> Iterator[ValidationIssue]:
    if same := mounted.at(each.key):
        yield ValidationIssue(each.source, f"{each.path!r} is already used by {same.source}", _OTHER_PATH)


def _nesting(
    context: ValidationContext, mounted: _Mounted, inherited_file_keys: Sequence[str]
) -> Iterator[ValidationIssue]:
    """Yield an issue for each mount point that cannot be created in the mount around it."""
    for key, each in mounted.own.items():
        outer = mounted.around(key)
        if outer is not None:
            inside = f"{each.path!r} is inside {outer.path!r} of {outer.source}"
            if outer.is_file:
                yield ValidationIssue(each.source, f"{inside}, which is a file", _OTHER_PATH)
            elif each.is_file and outer.volume in context.written_volumes:
                yield _file_in_written_volume(each.source, inside)
            elif outer.read_only and outer.volume in context.empty_dirs:
                message = f"{inside}, a read-only emptyDir, where the mount point cannot be created"
                hint = "remove readOnly, or create the mount point in an init container"
                yield ValidationIssue(each.source, message, hint, Severity.WARNING)
        if each.volume in context.written_volumes:
            index = bisect_left(inherited_file_keys, key)
            inner = mounted.inherited[inherited_file_keys[index]] if index < len(inherited_file_keys) else None
            if inner is not None and mounted.around(inner.key) is each:
                yield _file_in_written_volume(each.source, f"{inner.path!r} of {inner.source} is inside {each.path!r}")


def _file_in_written_volume(source: str, inside: str) -> ValidationIssue:
    message = f"{inside}: in a volume that the kubelet writes, a file cannot be mounted"
    return ValidationIssue(source, message, "choose a path outside, or add the file to the volume")


def _covers_nginx(proxy: Proxy, mount_point: MountPoint) -> bool:
    """Return whether a mount is at or around a mount that AppStack adds for nginx, or inside one with its files."""
    own = ((STATIC_ROOT, proxy.static), (SOCKET_DIR, proxy.socket), (TLS_DIR, proxy.tls))
    closed = (NGINX_CONF, NGINX_DIR, *(path for path, used in own if used))
    key = mount_point.key
    return any(path_key(path).startswith(key) for path in (*closed, *NGINX_WRITABLE)) or any(
        key.startswith(path_key(path)) for path in closed
    )


def _mounts(container: ContainerView) -> list[MountPoint]:
    return [
        MountPoint(mount.path, f"{mount.field}.mountPath", volume=mount.volume, read_only=mount.read_only)
        for mount in container.own_mounts
    ]


def _devices(container: ContainerView) -> list[MountPoint]:
    return [
        MountPoint(device.device_path, source=f"{container.field}.volumeDevices[{index}].devicePath")
        for index, device in enumerate(container.spec.volume_devices or ())
    ]


def paths(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each mountPath, subPath and subPathExpr that Kubernetes rejects."""
    for container in context.containers:
        for index, mount in enumerate(container.spec.volume_mounts or []):
            mount_field = f"{container.field}.volumeMounts[{index}]"
            yield from _mount_path_issues(context, f"{mount_field}.mountPath", mount.mount_path)
            if mount.sub_path and mount.sub_path_expr:
                yield ValidationIssue(
                    f"{mount_field}.subPathExpr", "cannot be combined with subPath", "remove one of the two"
                )
            for name, value in (("subPath", mount.sub_path), ("subPathExpr", mount.sub_path_expr)):
                yield from sub_path_issues(f"{mount_field}.{name}", value)


def _mount_path_issues(context: ValidationContext, field: str, path: str) -> Iterator[ValidationIssue]:
    if path in ("", "/"):
        yield ValidationIssue(field, f"{path!r} is not a valid mount path", "use a directory other than /")
    elif ":" in path and not context.is_windows:
        message = f"{path!r} contains ':', which Kubernetes documents as not allowed"
        hint = "use a path without ':', or set spec.pod.os.name: windows"
        yield ValidationIssue(field, message, hint, Severity.WARNING)


def sub_path_issues(field: str, value: str | None) -> Iterator[ValidationIssue]:
    """Yield an issue if the path is absolute or leaves the volume through `..`."""
    if value and (value.startswith("/") or ".." in value.split("/")):
        message = f"{value!r} is not a path inside the volume"
        yield ValidationIssue(field, message, "use a relative path without '..'")


def volumes(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each mount of a volume that spec.volumes does not declare."""
    hint = available_hint(context.volume_names, if_none="declare the volume in spec.volumes")
    for container in context.containers:
        mounted = [(f"{mount.field}.name", mount.volume) for mount in container.own_mounts]
        for index, device in enumerate(container.spec.volume_devices or []):
            mounted.append((f"{container.field}.volumeDevices[{index}].name", device.name))
        for name_field, name in mounted:
            if name not in context.volume_names:
                yield ValidationIssue(name_field, f"there is no volume {name!r}", hint)


CHECKS: Final = (overlaps, paths, volumes)

"""Checks of mount paths in containers: overlaps, invalid paths, and volumes that do not exist."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from functools import cached_property
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


@dataclass(frozen=True)
class MountPoint:
    """A path in a container at which a volume, a file or a device is mounted."""

    path: str
    source: str  # the field that declares it, or the built-in mount

    @cached_property
    def key(self) -> str:
        """The sort key of the path."""
        return path_key(self.path)


class _DisjointPaths:
    """Mount points of which none is at, inside or around another one, sorted by key.

    All paths inside a directory are neighbours in this order, so a lookup is a binary search. The total cost is that
    of sorting strings, however deep the paths are.
    """

    def __init__(self, mount_points: Iterable[MountPoint] = ()) -> None:
        self._added: list[MountPoint] = []  # in the order of their addition
        self._keys: list[str] = []  # sorted
        self._ranks: list[int] = []  # the index in `_added`, for each key
        for mount_point in mount_points:
            self.add(mount_point)

    def add(self, mount_point: MountPoint) -> MountPoint | None:
        """Add a mount point; if one at, inside or around the same path exists, return that one instead."""
        conflicting = self.conflicting(mount_point)
        if conflicting is None:
            position = bisect_left(self._keys, mount_point.key)
            self._keys.insert(position, mount_point.key)
            self._ranks.insert(position, len(self._added))
            self._added.append(mount_point)
        return conflicting

    def conflicting(self, mount_point: MountPoint, *, replaced: Set[str] = frozenset()) -> MountPoint | None:
        """Return the first mount point at, inside or around the same path, except those at a replaced path."""
        key = mount_point.key
        start = bisect_left(self._keys, key)
        if start and key.startswith(self._keys[start - 1]):  # around: the only one, as all are disjoint
            start, end = start - 1, start
        else:
            end = bisect_right(self._keys, key, lo=start, key=lambda other: other[: len(key)])
        ranks = self._ranks[start:end]
        if replaced:
            ranks = [rank for rank in ranks if self._added[rank].path not in replaced]
        return self._added[min(ranks)] if ranks else None


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
    """Yield an issue for each mount of a container at the same path as another, inside it or around it."""
    files: dict[str, list[MountPoint]] = {}
    for index, file in enumerate(context.spec.files):
        files.setdefault(file.container, []).append(MountPoint(file.path, f"spec.files[{index}].path"))
    backend_built_in = _DisjointPaths(_built_in(context, context.backend))
    inherited_mounts = _inherited(_mounts(context.backend), backend_built_in)
    inherited_files = _inherited(files.get(BACKEND, ()), backend_built_in, inherited_mounts)
    for container in context.containers:
        own_mounts, own_files = _mounts(container), files.get(container.name, [])
        others = [(_DisjointPaths(_built_in(context, container)), frozenset[str]())]
        if container.inherits_backend:
            others.append((inherited_mounts, frozenset(mount.path for mount in own_mounts)))
            others.append((inherited_files, frozenset(file.path for file in own_files)))
        mounted = _DisjointPaths()
        for mount_point in (*own_mounts, *_devices(container), *own_files):
            conflicts = (paths.conflicting(mount_point, replaced=replaced) for paths, replaced in others)
            conflicting = next(filter(None, conflicts), None) or mounted.add(mount_point)
            if conflicting:
                yield _overlap_issue(mount_point, conflicting)


def _overlap_issue(mount_point: MountPoint, conflicting: MountPoint) -> ValidationIssue:
    if mount_point.key == conflicting.key:
        message = f"{mount_point.path!r} is already used by {conflicting.source}"
    elif mount_point.key.startswith(conflicting.key):
        message = f"{mount_point.path!r} is inside {conflicting.path!r} of {conflicting.source}"
    else:
        message = f"{mount_point.path!r} would hide {conflicting.path!r} of {conflicting.source}"
    return ValidationIssue(
        mount_point.source, message, _HINTS.get(conflicting.source, "choose paths that do not overlap")
    )


def _built_in(context: ValidationContext, container: ContainerView) -> Iterator[MountPoint]:
    """Yield the mount points that Kubernetes and AppStack add to a container."""
    if context.spec.pod.automount_service_account_token is not False:
        yield MountPoint(TOKEN_PATH, source=_TOKEN)
    if isinstance(container.spec, Proxy):
        for path in (NGINX_CONF, NGINX_DIR, *NGINX_WRITABLE, *([STATIC_ROOT] if container.spec.static else [])):
            yield MountPoint(path, source=_APPSTACK)


def _mounts(container: ContainerView) -> list[MountPoint]:
    return [MountPoint(mount.path, source=f"{mount.field}.mountPath") for mount in container.own_mounts]


def _devices(container: ContainerView) -> list[MountPoint]:
    return [
        MountPoint(device.device_path, source=f"{container.field}.volumeDevices[{index}].devicePath")
        for index, device in enumerate(container.spec.volume_devices or ())
    ]


def _inherited(mount_points: Iterable[MountPoint], *others: _DisjointPaths) -> _DisjointPaths:
    """Return the mount points of the backend that containers inherit, without those that overlap in the backend."""
    named = (MountPoint(each.path, source=f"the inherited {each.source}") for each in mount_points)
    return _DisjointPaths(each for each in named if not any(other.conflicting(each) for other in others))


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

"""What containers mount where: volumes, files, the token, and what AppStack itself mounts into the proxy. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from appstack.api.containers import BACKEND, Proxy
from appstack.errors import ValidationIssue
from appstack.render.paths import NGINX_CONF, NGINX_DIR, NGINX_WRITABLE, STATIC_ROOT, TOKEN_PATH
from appstack.validation.subject import Member, Subject, choices

_TOKEN: Final = "the ServiceAccount's token"
_OURS: Final = "AppStack's own mount"
_HINTS: Final = {
    _TOKEN: "mount elsewhere, or set spec.pod.automountServiceAccountToken: false",
    _OURS: "mount elsewhere: nginx needs it",
}


@dataclass(frozen=True, slots=True)
class Spot:
    """A path of a container that something is mounted at."""

    path: str
    by: str  # the field, or what of Kubernetes' or AppStack's own it is
    own: bool = False  # the container's own field says so: where a fault is to be mended


@dataclass(slots=True)
class _Taken:
    """The spots at and below one directory."""

    here: Spot | None = None
    first: Spot | None = None  # the first of all those at and below
    below: dict[str, _Taken] = field(default_factory=dict)

    def take(self, spot: Spot) -> Spot | None:
        """Return the spot that is at, above or below the same path; take it when there is none."""
        way = [self]
        for part in parts(spot.path):
            if way[-1].here:
                return way[-1].here
            way.append(way[-1].below.setdefault(part, _Taken()))
        if way[-1].first:
            return way[-1].first
        way[-1].here = spot
        for directory in way:
            directory.first = directory.first or spot
        return None


def parts(path: str) -> tuple[str, ...]:
    """Return the directories of a path as a kubelet reads it: relative ones begin at the root."""
    way: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del way[-1:]
        elif part not in ("", "."):
            way.append(part)
    return tuple(way)


def overlaps(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield mounts of one container at the same or at nested paths."""
    for member in subject.members:
        taken = _Taken()
        for spot in _spots(subject, member):
            former = taken.take(spot)
            if former and spot.own:
                yield _overlap(spot, former)


def _overlap(spot: Spot, former: Spot) -> ValidationIssue:
    mine, other = parts(spot.path), parts(former.path)
    if mine == other:
        what = f"{spot.path!r} is taken already by {former.by}"
    elif len(mine) > len(other):
        what = f"{spot.path!r} lies inside {former.path!r} of {former.by}"
    else:
        what = f"{spot.path!r} would hide {former.path!r} of {former.by}"
    return ValidationIssue(spot.by, what, _HINTS.get(former.by, "mount the two beside each other"))


def _spots(subject: Subject, member: Member) -> Iterator[Spot]:
    """Yield all that a container sees mounted, its own fields last: they are to be mended."""
    if subject.spec.pod.automount_service_account_token is not False:
        yield Spot(TOKEN_PATH, by=_TOKEN)
    if isinstance(member.container, Proxy):
        for path in (NGINX_CONF, NGINX_DIR, *NGINX_WRITABLE, *([STATIC_ROOT] if member.container.static else [])):
            yield Spot(path, by=_OURS)
    for mount in subject.inherited_mounts(member):
        yield Spot(mount.path, by=f"{mount.field}.mountPath, inherited")
    yield from _inherited_files(subject, member)
    for mount in member.own_mounts():
        yield Spot(mount.path, by=f"{mount.field}.mountPath", own=True)
    for index, device in enumerate(member.container.volume_devices or []):
        yield Spot(device.device_path, by=f"{member.field}.volumeDevices[{index}].devicePath", own=True)
    for index, file in enumerate(subject.spec.files):
        if file.container == member.name:
            yield Spot(file.path, by=f"spec.files[{index}].path", own=True)


def _inherited_files(subject: Subject, member: Member) -> Iterator[Spot]:
    own = {file.path for file in subject.spec.files if file.container == member.name}
    for index, file in enumerate(subject.spec.files):
        if member.inherits and file.container == BACKEND and file.path not in own:
            yield Spot(file.path, by=f"spec.files[{index}].path, inherited")


def paths(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield mount paths and subPaths that Kubernetes refuses."""
    for member in subject.members:
        for index, mount in enumerate(member.container.volume_mounts or []):
            where = f"{member.field}.volumeMounts[{index}]"
            if mount.mount_path in ("", "/") or ":" in mount.mount_path:
                yield ValidationIssue(
                    f"{where}.mountPath", f"{mount.mount_path!r} can't be mounted at", "name a directory"
                )
            if mount.sub_path and mount.sub_path_expr:
                yield ValidationIssue(f"{where}.subPathExpr", "excludes subPath", "keep one of the two")
            for name, value in (("subPath", mount.sub_path), ("subPathExpr", mount.sub_path_expr)):
                yield from sub_path(f"{where}.{name}", value)


def sub_path(where: str, value: str | None) -> Iterator[ValidationIssue]:
    """Yield a directory of a volume that is not inside it."""
    directory = PurePosixPath(value or "")
    if directory.is_absolute() or ".." in directory.parts:
        yield ValidationIssue(where, f"{value!r} is not a path inside the volume", "neither a leading / nor '..'")


def volumes(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield mounts of volumes that are not there."""
    hint = choices(subject.volume_names, none="spec.volumes is empty")
    for member in subject.members:
        mounted = [(f"{mount.field}.name", mount.volume) for mount in member.own_mounts()]
        for index, device in enumerate(member.container.volume_devices or []):
            mounted.append((f"{member.field}.volumeDevices[{index}].name", device.name))
        for where, name in mounted:
            if name not in subject.volume_names:
                yield ValidationIssue(where, f"there is no volume {name!r}", hint)


CHECKS: Final = (overlaps, paths, volumes)

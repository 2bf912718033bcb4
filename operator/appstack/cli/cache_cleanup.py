"""Removal of node cache directories of AppStacks and namespaces that no longer exist.

The content belongs to the users' containers: nothing here follows a symbolic link, recurses, or crosses a file system.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import secrets
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final

logger = logging.getLogger(__name__)

TRASH: Final = ".appstack-cleanup"
"""Directory of the cache root to which directories are moved before their content is deleted."""

_NAMESPACE: Final = re.compile(r"([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)_([0-9A-Za-z-]{1,64})")
_STACK: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_BATCH: Final = 1_000
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Owners:
    """The namespaces and AppStacks of a cluster, as node cache paths name them."""

    namespaces: frozenset[str]  # `<name>_<uid>`
    stacks: frozenset[tuple[str, str]]  # the same, and the name of the AppStack

    def own(self, path: tuple[str, ...]) -> bool:
        """Return whether the owner of a directory below the cache root exists."""
        return path[0] in self.namespaces and (len(path) == 1 or (path[0], path[1]) in self.stacks)

    def miss(self, path: tuple[str, ...]) -> bool:
        """Return whether a directory has no owner, and is not part of another one without."""
        return not self.own(path) and (len(path) == 1 or path[0] in self.namespaces)


async def clean_up(root: str, list_owners: Callable[[], Awaitable[Owners]]) -> list[str]:
    """Delete the directories of owners that no longer exist, and return their paths below the root.

    The directories are read before the owners are listed, so each new owner is in the list. A directory is moved away
    before the owners are listed once more, and moved back if its AppStack was created meanwhile: a pod that has mounted
    it already keeps it. Raise OSError if the root cannot be read, and the error of the list.
    """
    with _open(root, flags=os.O_RDONLY | os.O_DIRECTORY) as root_fd, _trash(root_fd) as trash_fd:
        if trash_fd is None:
            logger.info("Another cleanup of %s is running", root)
            return []
        _empty(trash_fd)  # what an interrupted cleanup has left
        candidates = list(_directories(root_fd))
        owners = await list_owners()
        ownerless = [path for path in candidates if owners.miss(path)]
        moved = [(path, name) for path in ownerless if (name := _move(root_fd, trash_fd, path))]
        try:
            owners = await list_owners() if moved else owners
        except BaseException:
            for path, name in moved:
                _move_back(root_fd, trash_fd, path, name)
            raise
        deleted = [path for path, name in moved if not (owners.own(path) and _move_back(root_fd, trash_fd, path, name))]
        _empty(trash_fd)
        return ["/".join(path) for path in deleted]


def _directories(root_fd: int) -> Iterator[tuple[str, ...]]:
    """Yield the directories of namespaces and of AppStacks; other entries of the root are not ours."""
    for namespace in _names(root_fd):
        if not _NAMESPACE.fullmatch(namespace) or not _is_directory(root_fd, namespace):
            continue
        yield (namespace,)
        with _open(namespace, dir_fd=root_fd) as namespace_fd:
            for stack in _names(namespace_fd):
                if _STACK.fullmatch(stack) and _is_directory(namespace_fd, stack):
                    yield namespace, stack


def _move(root_fd: int, trash_fd: int, path: tuple[str, ...]) -> str:
    """Move a directory into the trash; return its name there, or an empty string if that is not possible."""
    name = "@".join(path)
    try:
        with _parent(root_fd, path) as parent_fd:
            os.rename(path[-1], name, src_dir_fd=parent_fd, dst_dir_fd=trash_fd)
    except OSError as error:
        logger.warning("Node cache %s not removed: %s", "/".join(path), error.strerror)
        return ""
    return name


def _move_back(root_fd: int, trash_fd: int, path: tuple[str, ...], name: str) -> bool:
    """Move a directory back to its AppStack. Return False if the kubelet has created another one meanwhile."""
    try:
        with _parent(root_fd, path) as parent_fd:
            os.rename(name, path[-1], src_dir_fd=trash_fd, dst_dir_fd=parent_fd)  # only an empty one is replaced
    except OSError as error:
        logger.warning("Node cache %s is a new one: %s", "/".join(path), error.strerror)
        return False
    return True


def _empty(trash_fd: int) -> None:
    """Delete the content of the trash. What cannot be deleted is left for the next cleanup."""
    pending = _names(trash_fd)
    while pending:
        name = pending.pop()
        try:
            if _is_directory(trash_fd, name):
                pending += _flatten(trash_fd, name)
            else:
                os.unlink(name, dir_fd=trash_fd)
        except OSError as error:
            logger.warning("Part of a node cache not removed: %s", error.strerror)


def _flatten(trash_fd: int, name: str) -> list[str]:
    """Delete a directory in the trash, and return the new names of its subdirectories, which are moved up.

    So a directory of any depth needs no recursion and one descriptor.
    """
    moved: list[str] = []
    with _open(name, dir_fd=trash_fd) as folder_fd:
        if os.fstat(folder_fd).st_dev != os.fstat(trash_fd).st_dev:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        while entries := _some_entries(folder_fd):
            for entry in entries:
                if _is_directory(folder_fd, entry):
                    moved.append(secrets.token_hex(16))
                    os.rename(entry, moved[-1], src_dir_fd=folder_fd, dst_dir_fd=trash_fd)
                else:
                    os.unlink(entry, dir_fd=folder_fd)
    os.rmdir(name, dir_fd=trash_fd)
    return moved


def _names(folder_fd: int) -> list[str]:
    with os.scandir(folder_fd) as entries:
        return sorted(entry.name for entry in entries)


def _some_entries(folder_fd: int) -> list[str]:
    """Return the names of the first entries of a directory, which may have millions."""
    with os.scandir(folder_fd) as entries:
        return [entry.name for entry in islice(entries, _BATCH)]


def _is_directory(folder_fd: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


@contextmanager
def _open(path: str, *, dir_fd: int | None = None, flags: int = _FOLDER) -> Iterator[int]:
    """Yield a descriptor of a directory. Raise OSError for a symbolic link, unless the flags permit it."""
    fd = os.open(path, flags, dir_fd=dir_fd)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _parent(root_fd: int, path: tuple[str, ...]) -> Iterator[int]:
    if len(path) == 1:
        yield root_fd
    else:
        with _open(path[0], dir_fd=root_fd) as fd:
            yield fd


@contextmanager
def _trash(root_fd: int) -> Iterator[int | None]:
    """Yield a descriptor of the trash, which this process has locked; None if another process has."""
    with suppress(FileExistsError):
        os.mkdir(TRASH, 0o700, dir_fd=root_fd)
    with _open(TRASH, dir_fd=root_fd) as fd:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield fd

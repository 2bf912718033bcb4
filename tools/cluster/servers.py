"""Real servers for the tests of the nginx configuration: Debian's packages in a folder of the cache, for chroot."""

from __future__ import annotations

import shutil
from pathlib import Path

from tools.cluster import debian, state

PACKAGES = ("nginx", "php-fpm", "uwsgi-core", "uwsgi-plugin-python3")
MOUNT_POINTS = ("appstack", "etc/nginx/appstack", "proc", "run", "srv", "tmp", "var/cache/nginx", "work")
"""Folders at which a test mounts its own files."""

USERS = "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n"
GROUPS = "root:x:0:\nwww-data:x:33:\nusers:x:100:\nnogroup:x:65534:\n"


def root() -> Path:
    """Return the path of the root file system, unpacked or not; versions of packages are not part of its name."""
    return state.cache() / f"servers-{state.fingerprint(*PACKAGES, *MOUNT_POINTS, USERS, GROUPS)}"


def ensure() -> Path:
    """Unpack the servers unless they are in the cache, and return their root file system."""
    target = root()
    if not target.exists():
        with state.exclusive_lock("waiting for another checkout, which uses the same cache"):
            if not target.exists():
                _unpack(target)
    return target


def _unpack(target: Path) -> None:
    with state.scratch("servers") as scratch:
        unfinished = scratch / "root"
        debian.tree(PACKAGES, unfinished, state.log("servers"))
        for folder in MOUNT_POINTS:
            (unfinished / folder).mkdir(parents=True, exist_ok=True)
        shutil.rmtree(unfinished / "usr/share/doc", ignore_errors=True)
        (unfinished / "etc/passwd").write_text(USERS)
        (unfinished / "etc/group").write_text(GROUPS)
        unfinished.rename(target)

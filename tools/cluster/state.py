"""Where things are kept: what may be thrown away in .cluster/, what is dear in the cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CLUSTER = ROOT / ".cluster"
KUBECONFIG = CLUSTER / "kubeconfig"
AUDIT_LOG = CLUSTER / "audit.log"
RECORD = CLUSTER / "cluster.json"


def cache() -> Path:
    """The folder for what is slow to make: programs, packages, the engine's images."""
    named = os.environ.get("APPSTACK_CACHE")
    if named:
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "appstack"


def architecture() -> str:
    """The name of this machine's architecture, as Debian and images spell it."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def log(name: str) -> Path:
    """A fresh log file for one long step."""
    file = CLUSTER / "logs" / f"{name}.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"")
    return file


def fingerprint(*parts: str | bytes | Path) -> str:
    """A short name for content: of texts, and of files by what is in them."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()[:12]


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A folder for unfinished work on the cache's disk; only for those who are alone()."""
    parent = cache() / "scratch"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=f"{name}-") as folder:
        yield Path(folder)


def clear_scratch() -> None:
    """Remove what work that was killed has left behind."""
    shutil.rmtree(cache() / "scratch", ignore_errors=True)


@contextmanager
def alone(waiting: str) -> Iterator[None]:
    """One at a time for all checkouts that share the cache; who has to wait is told why."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(waiting, file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield

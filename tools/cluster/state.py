"""Locations of files: disposable ones of this checkout in .cluster/, expensive ones in the cache."""

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
    """Return the folder for programs, packages and the engine's images, which are slow to build."""
    named = os.environ.get("APPSTACK_CACHE")
    if named:
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "appstack"


def architecture() -> str:
    """Return this machine's architecture in the spelling of Debian and of images."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def log(name: str) -> Path:
    """Return an empty log file for a step."""
    file = CLUSTER / "logs" / f"{name}.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"")
    return file


def fingerprint(*parts: str | bytes | Path) -> str:
    """Return a short hash of texts, bytes and file contents."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()[:12]


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """Yield a temporary folder on the cache's disk; the caller holds the exclusive lock."""
    parent = cache() / "scratch"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=f"{name}-") as folder:
        yield Path(folder)


def clear_scratch() -> None:
    """Remove temporary folders of killed processes."""
    shutil.rmtree(cache() / "scratch", ignore_errors=True)


@contextmanager
def exclusive_lock(wait_message: str) -> Iterator[None]:
    """Hold the lock of all checkouts that share the cache; print `wait_message` before waiting for it."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(wait_message, file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield

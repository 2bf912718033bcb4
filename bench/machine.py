"""On what it is measured, and with which versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

from appstack import __version__
from tools.cluster import programs, shell


def describe() -> Mapping[str, str]:
    """Return what a reader has to know to compare."""
    return {
        "processor": _field(Path("/proc/cpuinfo"), "model name"),
        "cores": str(os.cpu_count()),
        "memory": f"{int(_field(Path('/proc/meminfo'), 'MemTotal').split()[0]) / 1024**2:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "go": _said(["go", "env", "GOVERSION"]),
        "kube-apiserver": programs.version(programs.SOURCES["kubernetes"]),
        "etcd": programs.version(programs.SOURCES["etcd"]),
        "appstack": f"{__version__}, commit {_said(['git', 'rev-parse', '--short', 'HEAD'])}",
    }


def _field(file: Path, name: str) -> str:
    for line in file.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _said(command: list[str]) -> str:
    return shell.attempt(command, cwd=Path(__file__).parent).out.strip() or "unknown"

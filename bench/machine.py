"""On what it is measured, and with which versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from appstack import __version__
from bench.results import ROOT
from tools.cluster import programs, shell

_MEASURED: Final = ("operator", "bench", "requirements.lock", ":!bench/report", ":!bench/results")
"""What figures depend on."""


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


def hold_code(begun_on: Mapping[str, str]) -> None:
    """Raise Failure where a run was begun with other code than there is now: its figures would not belong together."""
    commit = begun_on.get("appstack", "").partition("commit ")[2]
    if not commit or commit == "unknown":
        return
    # git diff says 1 where there is a difference, and 128 where it does not know the commit.
    if not shell.attempt(["git", "diff", "--quiet", commit, "--", *_MEASURED], cwd=ROOT).ok:
        raise shell.Failure(
            f"this folder has results of commit {commit}, and the code has changed since:"
            " measure into another one with OUT=folder, or only report with REPORT=1"
        )


def _field(file: Path, name: str) -> str:
    for line in file.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _said(command: list[str]) -> str:
    return shell.attempt(command, cwd=ROOT).out.strip() or "unknown"

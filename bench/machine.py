"""The machine and the versions that a run is measured with."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from appstack import __version__
from bench.checkout import ROOT, Checkout
from bench.systems.appstack import BEFORE
from tools.cluster import programs, shell

_MEASURED_PATHS: Final = ("operator", "bench", "requirements.lock", ":!bench/report", ":!bench/results")
"""Paths whose content the figures depend on."""


def describe(*, before: Checkout | None = None) -> dict[str, str]:
    """Return hardware, operating system and versions, by name."""
    return {
        "processor": _field(Path("/proc/cpuinfo"), "model name"),
        "cores": str(os.cpu_count()),
        "memory": f"{int(_field(Path('/proc/meminfo'), 'MemTotal').split()[0]) / 1024**2:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "go": _output(["go", "env", "GOVERSION"]),
        "kube-apiserver": programs.version(programs.SOURCES["kubernetes"]),
        "etcd": programs.version(programs.SOURCES["etcd"]),
        "appstack": f"{__version__}, commit {_output(['git', 'rev-parse', '--short', 'HEAD'])}",
        **({} if before is None else {BEFORE: _commit(before)}),
    }


def require_same_code(recorded: Mapping[str, str], *, before: Checkout | None = None) -> None:
    """Raise Failure if the code has changed since the run began: its figures would not be comparable."""
    advice = "measure into another one with OUT=folder, or only report with REPORT=1"
    commit = recorded.get("appstack", "").partition("commit ")[2]
    # git diff exits with 1 for a difference, and with 128 for a commit that it does not know.
    unchanged = ["git", "diff", "--quiet", commit, "--", *_MEASURED_PATHS]
    if commit and commit != "unknown" and not shell.attempt(unchanged, cwd=ROOT).ok:
        raise shell.Failure(f"this folder has results of commit {commit}, and the code has changed since: {advice}")
    recorded_before = recorded.get(BEFORE)
    if before is not None and recorded_before not in (None, _commit(before)):
        raise shell.Failure(
            f"this folder has results of {BEFORE} at {recorded_before}, not at {_commit(before)}: {advice}"
        )


def _commit(checkout: Checkout) -> str:
    return f"commit {checkout.commit}"


def _field(file: Path, name: str) -> str:
    for line in file.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _output(command: list[str]) -> str:
    return shell.attempt(command, cwd=ROOT).out.strip() or "unknown"

"""Collect the wheels that the operator's image is built from: `python -m tools.wheels FOLDER --python 3.11`.

The image is built without network, for a Python and a platform that need not be this machine's.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
PIP_LOCK = ROOT / "tools/pip.lock"
GLIBC_OF_BASE = (2, 36)  # Debian 12's, the oldest base that is supported
MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}


def platforms(machine: str) -> list[str]:
    """Return the tags of the wheels that a base of this machine takes: pip wants each one by name."""
    newest = GLIBC_OF_BASE[1]
    return [
        *(f"manylinux_2_{minor}_{machine}" for minor in range(newest, 16, -1)),
        f"manylinux2014_{machine}",
    ]


def collect(target: Path, *, python: str, machine: str) -> None:
    """Fill `target` with one wheel for each line of the lock file, and pip's own."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
        _download(Path(scratch), LOCK, python=python, machine=machine)
        _download(Path(scratch), PIP_LOCK, python=python, machine=machine)
        for old in target.glob("*.whl"):
            old.unlink()
        for wheel in Path(scratch).glob("*.whl"):
            wheel.rename(target / wheel.name)


def _download(target: Path, lock: Path, *, python: str, machine: str) -> None:
    only = [word for tag in platforms(machine) for word in ("--platform", tag)]
    what = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement", str(lock)]
    whom = ["--python-version", python, "--implementation", "cp", *only]
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "download", *what, *whom, "--dest", str(target)],
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        check=True,
    )


def main() -> int:
    """Parse the command line and collect; pip itself has said what is wrong when it could not."""
    parser = argparse.ArgumentParser(prog="python -m tools.wheels", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default="3.13", help="the Python of the base image, as X.Y")
    parser.add_argument("--machine", default=platform.machine().lower(), choices=sorted(MACHINES))
    given = parser.parse_args()
    try:
        collect(given.folder.absolute(), python=given.python, machine=MACHINES[given.machine])
    except subprocess.CalledProcessError:
        print("the wheels could not be collected: pip has said why above", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

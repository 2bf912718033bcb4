"""Download the wheels of the operator's image: `python -m tools.wheels FOLDER --python 3.11`.

The image is built without network. Its Python version and architecture can differ from this machine's.
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
BASE_GLIBC = (2, 36)  # of Debian 12, the oldest supported base
MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}


def platforms(machine: str) -> list[str]:
    """Return the platform tags that a base image accepts; pip needs each of them by name."""
    newest = BASE_GLIBC[1]
    return [
        *(f"manylinux_2_{minor}_{machine}" for minor in range(newest, 16, -1)),
        f"manylinux2014_{machine}",
    ]


def collect(target: Path, *, python: str, machine: str) -> None:
    """Download the wheels of the lock file and of pip itself into `target`, replacing older ones."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
        _download(Path(scratch), LOCK, python=python, machine=machine)
        _download(Path(scratch), PIP_LOCK, python=python, machine=machine)
        for old in target.glob("*.whl"):
            old.unlink()
        for wheel in Path(scratch).glob("*.whl"):
            wheel.rename(target / wheel.name)


def _download(target: Path, lock: Path, *, python: str, machine: str) -> None:
    platform_options = [option for tag in platforms(machine) for option in ("--platform", tag)]
    requirements = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement", str(lock)]
    target_options = ["--python-version", python, "--implementation", "cp", *platform_options]
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "download", *requirements, *target_options, "--dest", str(target)],
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        check=True,
    )


def main() -> int:
    """Download the wheels and return the exit code; pip prints the cause of a failure."""
    parser = argparse.ArgumentParser(prog="python -m tools.wheels", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default="3.13", help="Python version of the base image, as X.Y")
    parser.add_argument("--machine", default=platform.machine().lower(), choices=sorted(MACHINES))
    given = parser.parse_args()
    try:
        collect(given.folder.absolute(), python=given.python, machine=MACHINES[given.machine])
    except subprocess.CalledProcessError:
        print("the wheels could not be downloaded; the cause is in the output of pip above", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

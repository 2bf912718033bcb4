"""A wrapper of runc that removes unavailable capabilities from container specifications.

`docker run --privileged` requests every capability. If the bounding set lacks one of them, as CAP_SYS_RESOURCE in many
sandboxes, runc fails with "unable to apply caps". The engine uses this file as its runtime: it removes such
capabilities from config.json on `create`, and from the --process file on `exec`, and then executes runc. It runs as a
script before each container, and so imports only the standard library.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Bit numbers as in linux/capability.h.
# fmt: off
NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)
# fmt: on


def bounding_set(status: str) -> frozenset[str]:
    """Return the capabilities in the bounding set of a /proc/PID/status file."""
    line = next(line for line in status.splitlines() if line.startswith("CapBnd:"))
    mask = int(line.split()[1], 16)
    return frozenset(f"CAP_{name}" for bit, name in enumerate(NAMES) if mask >> bit & 1)


def has_restricted_capabilities() -> bool:
    return len(bounding_set(Path("/proc/self/status").read_text())) < len(NAMES)


def restrict_capabilities(process: dict[str, Any], available: frozenset[str]) -> dict[str, Any]:
    """Return the process of an OCI specification with available capabilities only."""
    sets = process.get("capabilities") or {}
    filtered = {kind: [name for name in names if name in available] for kind, names in sets.items()}
    return {**process, "capabilities": filtered} if sets else process


def option(arguments: Sequence[str], *names: str) -> str | None:
    """Return the value of `--name value` or `--name=value`, or None."""
    for position, argument in enumerate(arguments):
        if argument in names and position + 1 < len(arguments):
            return arguments[position + 1]
        for name in names:
            if argument.startswith(f"{name}="):
                return argument.removeprefix(f"{name}=")
    return None


def filter_files(arguments: Sequence[str], available: frozenset[str]) -> None:
    if "create" in arguments or "run" in arguments:
        file = Path(option(arguments, "--bundle", "-b") or ".", "config.json")
        spec = json.loads(file.read_text())
        spec["process"] = restrict_capabilities(spec["process"], available)
        file.write_text(json.dumps(spec))
    elif "exec" in arguments and (named := option(arguments, "--process", "-p")):
        file = Path(named)
        file.write_text(json.dumps(restrict_capabilities(json.loads(file.read_text()), available)))


def main() -> None:
    runc, arguments = os.environ["APPSTACK_RUNC"], sys.argv[1:]
    filter_files(arguments, bounding_set(Path("/proc/self/status").read_text()))
    os.execv(runc, [runc, *arguments])


if __name__ == "__main__":
    main()

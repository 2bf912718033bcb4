"""Identity of the process that holds a Lease, and detection of holders that no longer run."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class HolderIdentity:
    """The `holderIdentity` of a Lease. It identifies one process among all machines, containers and restarts."""

    host: str
    boot: str  # boot ID of the machine and its PID namespace: a PID is unique within both
    pid: int
    nonce: str

    def __str__(self) -> str:
        """Return the value of `holderIdentity`."""
        return f"{self.host}_{self.boot}_{self.pid}_{self.nonce}"

    @classmethod
    def current(cls) -> HolderIdentity:
        """Return the identity of this process. Each call returns another nonce."""
        return cls(socket.gethostname(), _boot(), os.getpid(), secrets.token_hex(4))

    def is_dead(self, holder: str) -> bool:
        """Return whether a holder has certainly ended: its process would be visible here and does not exist.

        A holder with the PID of this process is an earlier process, whose PID was reused.
        """
        host, _, rest = holder.partition(f"_{self.boot}_")
        pid = rest.partition("_")[0]
        if host != self.host or not pid.isdecimal():
            return False
        return int(pid) == self.pid or not _is_running(int(pid))


def _boot() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:13]
        return f"{boot}-{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return secrets.token_hex(6)  # not Linux: no other process has this value, so no holder counts as dead


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

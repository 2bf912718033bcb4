"""Which process holds a Lease, and whether it can still be running."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Holder:
    """A process, told from every other: the same machine knows whether it still runs."""

    host: str
    boot: str  # of the machine, and in which of its namespaces processes are counted
    pid: int
    nonce: str

    def __str__(self) -> str:
        """As the Lease has it."""
        return f"{self.host}_{self.boot}_{self.pid}_{self.nonce}"

    @classmethod
    def me(cls) -> Holder:
        """Return this process."""
        return cls(socket.gethostname(), _boot(), os.getpid(), secrets.token_hex(4))

    def outlived(self, other: str) -> bool:
        """Tell whether `other` is certainly dead: we would see it run, and there is no such process, or it is we."""
        host, _, rest = other.partition(f"_{self.boot}_")
        number = rest.partition("_")[0]
        if host != self.host or not number.isdecimal():
            return False
        return int(number) == self.pid or not _runs(int(number))


def _boot() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:13]
        return f"{boot}-{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return secrets.token_hex(6)  # nothing to tell machines apart: nobody is ever outlived


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

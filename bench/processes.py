"""Child processes of the bench: log files, usage from /proc, termination by process id."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from tools.cluster import shell

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU time, memory and open sockets of a process since its start."""

    cpu_seconds: float
    rss_mib: float  # at this moment
    peak_rss_mib: float
    sockets: int


class Process:
    """A child process with a log file."""

    def __init__(
        self, name: str, argv: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.log = name, log
        with log.open("ab") as sink:
            self._popen = subprocess.Popen(
                [str(argument) for argument in argv],
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,  # Ctrl-C goes to the bench alone, which stops its processes in order
            )

    @property
    def pid(self) -> int:
        """The process id, valid until stop() or kill() returns."""
        return self._popen.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._popen.poll() is None

    def usage(self) -> Usage:
        """Return the usage so far; raise Failure if the process has ended."""
        try:
            stat = (_PROC / str(self.pid) / "stat").read_text().rpartition(")")[2].split()
            status = (_PROC / str(self.pid) / "status").read_text()
            memory = {line.split()[0]: int(line.split()[1]) / 1024 for line in status.splitlines() if "kB" in line}
            descriptors = list((_PROC / str(self.pid) / "fd").iterdir())
        except (OSError, KeyError) as error:
            raise self.failure() from error
        return Usage(
            cpu_seconds=(int(stat[11]) + int(stat[12])) / _TICKS,
            rss_mib=memory["VmRSS:"],
            peak_rss_mib=memory["VmHWM:"],
            sockets=sum(self._is_socket(one) for one in descriptors),
        )

    @staticmethod
    def _is_socket(descriptor: Path) -> bool:
        try:
            return str(descriptor.readlink()).startswith("socket:")
        except OSError:
            return False  # closed since the listing

    def failure(self) -> shell.Failure:
        """Return the error for an unexpected end, with the last line of the log."""
        output = shell.last_line(self.log.read_text(errors="replace"))
        return shell.Failure(f"{self.name} has ended unexpectedly; last output: {output} (more in {self.log})")

    def stop(self, timeout: float = 20.0) -> None:
        """Send SIGTERM and wait for the end; send SIGKILL after `timeout` seconds."""
        if self.alive:
            self._popen.send_signal(signal.SIGTERM)
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        if self.alive:
            self._popen.send_signal(signal.SIGKILL)
        self._popen.wait()


def is_ready_on(port: int) -> bool:
    """Return whether /readyz on this port of loopback succeeds."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False

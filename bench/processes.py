"""Programs that the bench runs: started with a log, measured through /proc, ended by their pid."""

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
    """What a process has used since it was started."""

    cpu_seconds: float
    peak_rss_mib: float
    sockets: int


class Process:
    """A program with a log of its own; never left behind."""

    def __init__(
        self, name: str, argv: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.log = name, log
        with log.open("ab") as sink:
            self._popen = subprocess.Popen(
                [str(word) for word in argv],
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,  # Ctrl-C is for the bench, which then ends its programs in order
            )

    @property
    def pid(self) -> int:
        """The pid, which is ours until stop() or kill() has come back."""
        return self._popen.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._popen.poll() is None

    def usage(self) -> Usage:
        """Return what it has used; raise Failure when it has ended by itself."""
        try:
            stat = (_PROC / str(self.pid) / "stat").read_text().rpartition(")")[2].split()
            status = (_PROC / str(self.pid) / "status").read_text()
            peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
            handles = list((_PROC / str(self.pid) / "fd").iterdir())
        except (OSError, StopIteration) as error:
            raise self.failure() from error
        return Usage(
            cpu_seconds=(int(stat[11]) + int(stat[12])) / _TICKS,
            peak_rss_mib=int(peak.split()[1]) / 1024,
            sockets=sum(self._is_socket(one) for one in handles),
        )

    @staticmethod
    def _is_socket(handle: Path) -> bool:
        try:
            return str(handle.readlink()).startswith("socket:")
        except OSError:
            return False  # closed since it was listed

    def failure(self) -> shell.Failure:
        """Return what to say when it has ended and should not have."""
        said = shell.last_line(self.log.read_text(errors="replace"))
        return shell.Failure(f"{self.name} has ended and said: {said} (more in {self.log})")

    def stop(self, within: float = 20.0) -> None:
        """Tell it to end, and wait until it has."""
        if self.alive:
            self._popen.send_signal(signal.SIGTERM)
        try:
            self._popen.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        if self.alive:
            self._popen.send_signal(signal.SIGKILL)
        self._popen.wait()


def says_ready(port: int) -> bool:
    """Ask a controller's /readyz on loopback whether it is ready; one that does not answer is not."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False

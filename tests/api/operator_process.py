"""`appstack run` as a child process, with the permissions of the chart's ServiceAccount."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from tests.api.cluster import ROOT, eventually

LEASE_DURATION_SECONDS = 60
"""Lease duration of most tests: long, so that an operator on a busy machine does not lose its Lease."""
RECONCILING = "Reconciling "
"""Log text of an operator that has started to reconcile."""


def free_port() -> int:
    """Return a TCP port that is free on the loopback address.

    It is below the ephemeral range, from which the kernel may give it to a connection before a process listens on it.
    """
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def replace_constants(module: str, **expressions: str) -> str:
    """Return setup code that sets constants of a module; the process fails to start when one does not exist.

    Each value is an expression that is evaluated in the namespace of the module.
    """
    statements = [f"import {module} as module"]
    for name, expression in expressions.items():
        statements.append(f"assert hasattr(module, {name!r}), {f'{module} has no {name}'!r}")
        statements.append(f"module.{name} = eval({expression!r}, vars(module))")
    return "; ".join(statements)


class OperatorProcess:
    """One operator process: its settings, its log and its ports.

    `setup_code` is Python code that the process executes before it starts, to shorten an interval of minutes.
    """

    def __init__(self, folder: Path, kubeconfig: Path, *, setup_code: str = "", **settings: Any) -> None:
        self.folder, self.kubeconfig = folder, kubeconfig
        self.setup_code = setup_code
        self.health_port, self.metrics_port = free_port(), free_port()
        ports = {"listen": "127.0.0.1", "healthPort": self.health_port, "metricsPort": self.metrics_port}
        self.settings = ports | {"leaseDuration": LEASE_DURATION_SECONDS} | settings
        self.log = folder / "operator.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and wait until it reconciles."""
        before = self._start_count()
        self.launch()
        eventually(lambda: self._start_count() > before or self.exited(), within=120)
        assert not self.exited(), self.log_text()[-3000:]

    def launch(self) -> None:
        """Start the process without waiting for it."""
        file = self.folder / "settings.yaml"
        file.write_text(yaml.safe_dump(self.settings))
        module = ("-c", f"{self.setup_code}; from appstack import __main__") if self.setup_code else ("-m", "appstack")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *module, "run", "--settings", str(file), "--kubeconfig", str(self.kubeconfig)],
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": str(ROOT / "operator")},
                stdout=log,
                stderr=log,
            )

    def _start_count(self) -> int:
        return self.log_text().count(RECONCILING) if self.log.exists() else 0

    def running(self) -> bool:
        """Return whether the process was started and has not exited."""
        return self._process is not None and self._process.poll() is None

    def exited(self) -> bool:
        """Return whether the process was started and has exited."""
        return self._process is not None and self._process.poll() is not None

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._process
        return self._process.pid

    def send_signal(self, signal_: signal.Signals) -> float:
        """Send a signal; return the time in seconds since the epoch, the clock of the audit log."""
        assert self._process
        self._process.send_signal(signal_)
        return time.time()

    def stop(self) -> int:
        """Send SIGTERM, wait for the exit and return the exit code."""
        self.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> int:
        """Send SIGKILL, wait for the exit and return the exit code."""
        self.send_signal(signal.SIGKILL)
        return self.wait()

    def wait(self, *, within: float = 30.0) -> int:
        """Wait for the exit of the process and return its exit code."""
        assert self._process
        return self._process.wait(within)

    def fetch(self, port: int, path: str) -> str:
        """Return the body of a GET request to one of the ports; raise OSError when nothing listens."""
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode().partition("\r\n\r\n")[2]

    def is_ready(self) -> bool:
        """Return whether the readiness probe succeeds, which means that the caches are synced."""
        try:
            return self.fetch(self.health_port, "/readyz") == "ok\n"
        except OSError:  # the process does not listen yet, or has exited
            return False

    def log_text(self) -> str:
        """Return the log of the process, of all its starts."""
        return self.log.read_text()

"""The bare request loop as a system under test: the lower bound for any writer of the same objects."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from bench.checkout import THIS
from bench.control_plane import ControlPlane
from bench.processes import Process
from bench.system import Child, Manifest
from bench.systems import appstack


class Bare:
    """The loop in one of two forms: three applies per stack, or three applies and a status write."""

    stacks = appstack.STACKS

    def __init__(self, *, status: bool, in_flight: int, pods: int = 0) -> None:
        self.name = "bare-status" if status else "bare"
        self._status = status
        self.in_flight = in_flight
        self._pods = pods
        self._process: Process

    def settings(self) -> Mapping[str, str]:
        """Return concurrency, Python version and requests per stack."""
        return {
            "requests in flight": str(self.in_flight),
            "python": sys.version.split()[0],
            "requests a stack": "3 applies and a status" if self._status else "3 applies",
        }

    def prepare(self, control_plane: ControlPlane) -> None:
        """Install the CustomResourceDefinition of AppStacks."""
        control_plane.apply_crd(THIS.crd())

    def start(self, control_plane: ControlPlane) -> Sequence[Process]:
        """Start the loop."""
        options = {
            "--kubeconfig": control_plane.kubeconfig(self.name),
            "--in-flight": self.in_flight,
            "--pods": self._pods,
        }
        flags = [str(token) for option in options.items() for token in option]
        if self._status:
            flags.append("--status")
        command = [sys.executable, "-m", "bench.systems.bare_loop", *flags]
        self._process = control_plane.run(self.name, command, env=THIS.environment)
        return (self._process,)

    def ready(self) -> bool:
        """Return whether the loop has listed the stacks and begins to write."""
        return "ready" in self._process.log.read_text()

    def manifest(self, namespace: str, name: str) -> Manifest:
        """Return an AppStack."""
        return appstack.manifest(namespace, name, pods=self._pods)

    def edited(self, manifest: Manifest, n: int) -> Manifest:
        """Return the AppStack with another image."""
        return appstack.edited(manifest, n)

    def children(self, manifest: Manifest) -> tuple[Child, ...]:
        """Return references to the children of an AppStack."""
        return appstack.children(manifest)

    def status_is_current(self, stack: Manifest) -> bool:
        """Return whether the status is of the current generation and records every child as applied."""
        return appstack.status_is_current(stack)

    def counters(self) -> Mapping[str, float]:
        """Return no counters: the loop has no /metrics."""
        return {}

    def stop(self) -> None:
        """Stop the loop with SIGTERM."""
        self._process.stop()

    def kill(self) -> None:
        """Stop the loop with SIGKILL."""
        self._process.kill()

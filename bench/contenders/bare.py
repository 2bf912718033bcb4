"""The bare loop as a contender: the floor for whatever writes the same objects through the same HTTP client."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from bench.contender import Child, Manifest
from bench.contenders import appstack
from bench.plane import Plane
from bench.processes import Process


class Bare:
    """One of the loop's two fair forms: N applies for the last child, N applies and a status for the last status."""

    stacks = appstack.STACKS

    def __init__(self, *, status: bool, in_flight: int, pods: int = 0) -> None:
        self.name = "bare-status" if status else "bare"
        self._status = status
        self.in_flight = in_flight
        self._pods = pods
        self._process: Process

    def settings(self) -> Mapping[str, str]:
        """Return its settings."""
        return {
            "requests in flight": str(self.in_flight),
            "python": sys.version.split()[0],
            "requests a stack": "3 applies and a status" if self._status else "3 applies",
        }

    def prepare(self, plane: Plane) -> None:
        """Bring in the CRD of AppStacks: that is what the loop is shown."""
        appstack.install(plane)

    def start(self, plane: Plane) -> Sequence[Process]:
        """Start the loop."""
        flags = [
            "--kubeconfig",
            str(plane.kubeconfig(self.name)),
            "--in-flight",
            str(self.in_flight),
            "--pods",
            str(self._pods),
        ]
        form = ["--status"] if self._status else []
        python_path = {"PYTHONPATH": f"{appstack.ROOT / 'operator'}:{appstack.ROOT}"}
        command = [sys.executable, "-m", "bench.contenders.loop", *flags, *form]
        self._process = plane.run(self.name, command, env=python_path)
        return (self._process,)

    def ready(self) -> bool:
        """Tell whether it has said so: it has listed the stacks, and writes."""
        return "ready" in self._process.log.read_text()

    def manifest(self, namespace: str, name: str) -> Manifest:
        """Return an AppStack."""
        return appstack.manifest(namespace, name, pods=self._pods)

    def edited(self, manifest: Manifest, n: int) -> Manifest:
        """Return the stack with another image."""
        return appstack.edited(manifest, n)

    def children(self, manifest: Manifest) -> tuple[Child, ...]:
        """Return what AppStack would make of it."""
        return appstack.children(manifest)

    def is_true(self, seen: Manifest) -> bool:
        """Tell whether the status is true."""
        return appstack.is_true(seen)

    def counters(self) -> Mapping[str, float]:
        """Return nothing: it counts nothing."""
        return {}

    def stop(self) -> None:
        """End it."""
        self._process.stop()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

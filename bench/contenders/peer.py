"""What the peers have in common: a program with /metrics, and the names of the three objects that they write."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.request import urlopen

from bench import prometheus
from bench.contender import CONFIG_MAPS, DEPLOYMENTS, SERVICES, Child, Manifest
from bench.plane import free_port
from bench.processes import Process


class Peer:
    """A controller in a process of its own."""

    reconciles: str
    """What it calls the number of its looks on /metrics."""

    def __init__(self) -> None:
        self._process: Process
        self._health = self._metrics = 0

    def _take_ports(self) -> None:
        self._health, self._metrics = free_port(), free_port()

    def children(self, manifest: Manifest) -> tuple[Child, ...]:
        """Return the three objects, the Deployment last."""
        name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
        return (
            Child(CONFIG_MAPS, namespace, f"{name}-files"),
            Child(SERVICES, namespace, name),
            Child(DEPLOYMENTS, namespace, name),
        )

    def counters(self) -> Mapping[str, float]:
        """Return what /metrics says."""
        return {"reconciles": self._figures().get(self.reconciles, 0.0)}

    def _figures(self) -> Mapping[str, float]:
        with urlopen(f"http://127.0.0.1:{self._metrics}/metrics", timeout=10) as answer:
            return prometheus.sums(answer.read().decode())

    def stop(self) -> None:
        """End it in order."""
        self._process.stop()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()

"""The common part of the baseline controllers: ports, metrics, and references to the three children."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.request import urlopen

from bench import prometheus
from bench.control_plane import free_port
from bench.processes import Process
from bench.system import CONFIG_MAPS, DEPLOYMENTS, SERVICES, Child, Manifest


class BaselineController:
    """A controller by other authors, in a process of its own."""

    reconciles_metric: str
    """Name of the counter of reconciles on /metrics."""

    def __init__(self) -> None:
        self._process: Process
        self._health_port = self._metrics_port = 0

    def _choose_ports(self) -> None:
        self._health_port, self._metrics_port = free_port(), free_port()

    def children(self, manifest: Manifest) -> tuple[Child, ...]:
        """Return references to the three children, the Deployment last."""
        name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
        return (
            Child(CONFIG_MAPS, namespace, f"{name}-files"),
            Child(SERVICES, namespace, name),
            Child(DEPLOYMENTS, namespace, name),
        )

    def counters(self) -> Mapping[str, float]:
        """Return the number of reconciles from /metrics."""
        return {"reconciles": self._metric_sums().get(self.reconciles_metric, 0.0)}

    def _metric_sums(self) -> Mapping[str, float]:
        with urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics", timeout=10) as response:
            return prometheus.sums(response.read().decode())

    def stop(self) -> None:
        """Stop the controller with SIGTERM."""
        self._process.stop()

    def kill(self) -> None:
        """Stop the controller with SIGKILL."""
        self._process.kill()

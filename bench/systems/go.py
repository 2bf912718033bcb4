"""A small Go controller for the same AppStacks: the lower bound for a controller built on controller-runtime."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.checkout import THIS
from bench.control_plane import ControlPlane
from bench.processes import Process, is_ready_on
from bench.system import Manifest
from bench.systems import appstack
from bench.systems.baseline import BaselineController
from tools.cluster import programs

SOURCE: Final = Path(__file__).resolve().parents[1] / "baselines/go"
WORKERS: Final = 16


class Go(BaselineController):
    """The controller in bench/baselines/go."""

    name = "go"
    stacks = appstack.STACKS
    reconciles_metric = "controller_runtime_reconcile_total"

    def settings(self) -> Mapping[str, str]:
        """Return the version of controller-runtime and the settings."""
        pins = (SOURCE / "go.mod").read_text()
        library = "sigs.k8s.io/controller-runtime"
        version = re.search(rf"{library} (\S+)", pins)
        return {library: version[1] if version else "", "workers": str(WORKERS), "client limits": "none"}

    def prepare(self, control_plane: ControlPlane) -> None:
        """Install the CustomResourceDefinition of AppStacks and build the program."""
        control_plane.apply_crd(THIS.crd())
        programs.ensure_own(SOURCE)

    def start(self, control_plane: ControlPlane) -> Sequence[Process]:
        """Start the controller."""
        self._choose_ports()
        options = {
            "kubeconfig": control_plane.kubeconfig(self.name),
            "workers": WORKERS,
            "health": f"127.0.0.1:{self._health_port}",
            "metrics": f"127.0.0.1:{self._metrics_port}",
        }
        flags = [f"--{name}={value}" for name, value in options.items()]
        self._process = control_plane.run(self.name, [programs.ensure_own(SOURCE), *flags])
        return (self._process,)

    def ready(self) -> bool:
        """Return whether /readyz succeeds, that is whether the caches have synced."""
        return is_ready_on(self._health_port)

    def manifest(self, namespace: str, name: str) -> Manifest:
        """Return an AppStack."""
        return appstack.manifest(namespace, name)

    def edited(self, manifest: Manifest, n: int) -> Manifest:
        """Return the AppStack with another image."""
        return appstack.edited(manifest, n)

    def status_is_current(self, stack: Manifest) -> bool:
        """Return whether the status, which has the same shape as AppStack's, is current."""
        return appstack.status_is_current(stack)

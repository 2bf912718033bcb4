"""A small controller in Go for the same AppStacks: what controller-runtime gives to whoever uses it well."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.contender import Manifest
from bench.contenders import appstack
from bench.contenders.peer import Peer
from bench.plane import Plane
from bench.processes import Process, says_ready
from tools.cluster import programs

SOURCE: Final = Path(__file__).resolve().parents[1] / "peers/go"
WORKERS: Final = 16


class Go(Peer):
    """The controller of bench/peers/go."""

    name = "go"
    stacks = appstack.STACKS
    reconciles = "controller_runtime_reconcile_total"

    def settings(self) -> Mapping[str, str]:
        """Return what it is made of, and its settings."""
        pins = (SOURCE / "go.mod").read_text()
        library = "sigs.k8s.io/controller-runtime"
        version = re.search(rf"{library} (\S+)", pins)
        return {library: version[1] if version else "", "workers": str(WORKERS), "client limits": "none"}

    def prepare(self, plane: Plane) -> None:
        """Bring in the CRD of AppStacks, and build the program."""
        appstack.install(plane)
        programs.ensure_own(SOURCE)

    def start(self, plane: Plane) -> Sequence[Process]:
        """Start the controller."""
        self._take_ports()
        options = {
            "kubeconfig": plane.kubeconfig(self.name),
            "workers": WORKERS,
            "health": f"127.0.0.1:{self._health}",
            "metrics": f"127.0.0.1:{self._metrics}",
        }
        flags = [f"--{name}={value}" for name, value in options.items()]
        self._process = plane.run(self.name, [programs.ensure_own(SOURCE), *flags])
        return (self._process,)

    def ready(self) -> bool:
        """Ask /readyz: its caches are filled."""
        return says_ready(self._health)

    def manifest(self, namespace: str, name: str) -> Manifest:
        """Return an AppStack."""
        return appstack.manifest(namespace, name)

    def edited(self, manifest: Manifest, n: int) -> Manifest:
        """Return the stack with another image."""
        return appstack.edited(manifest, n)

    def is_true(self, seen: Manifest) -> bool:
        """Tell whether the status is true: it has the shape of AppStack's."""
        return appstack.is_true(seen)

"""kro with its limits lifted, and a definition that writes what AppStack writes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml

from bench.contender import Manifest, Resource
from bench.contenders.appstack import CONTENT
from bench.contenders.peer import Peer
from bench.plane import Plane
from bench.processes import Process
from tools.cluster import programs, shell

DEFINITION: Final = Path(__file__).resolve().parents[1] / "peers/kro/shop.yaml"
_DEFINITIONS: Final = Resource("/apis/kro.run/v1alpha1", "resourcegraphdefinitions")
_TUNED: Final[Mapping[str, str]] = {
    "dynamic-controller-concurrent-reconciles": "16",
    "dynamic-controller-rate-limiter-rate-limit": "100000",
    "dynamic-controller-rate-limiter-burst-limit": "100000",
    "client-qps": "100000",
    "client-burst": "100000",
    "rgd-progress-requeue-delay": "100ms",
    "zap-devel": "false",
}


class Kro(Peer):
    """kro of its Go module.

    It says `state: ACTIVE` as soon as it has applied everything, and `Ready: True` a look later. The first is what the
    bench takes for a true status: it is the kinder of the two.
    """

    name = "kro"
    stacks = Resource("/apis/bench.appstack.dev/v1alpha1", "shops")
    reconciles = "instance_reconcile_total"

    def settings(self) -> Mapping[str, str]:
        """Return version and flags, and what is taken for a true status."""
        version = programs.version(programs.SOURCES["kro"])
        return {"version": version, **_TUNED, "true status": "state ACTIVE, conditions of this generation"}

    def prepare(self, plane: Plane) -> None:
        """Bring in kro's CRDs and the definition, and have kro make the CRD of its instances.

        That kro has another account, so that its requests are not counted.
        """
        for file in sorted((programs.module_folder(programs.SOURCES["kro"]) / "helm/crds").glob("*.yaml")):
            plane.apply_crd(yaml.safe_load(file.read_text()))
        plane.apply(_DEFINITIONS.path(), yaml.safe_load(DEFINITION.read_text()))
        self._run(plane, "kro-setup")
        try:
            if not shell.wait_until(lambda: self.ready() and plane.serves(self.stacks.path()), 60):
                raise shell.Failure(f"kro does not take {DEFINITION.name} (see {self._process.log})")
        finally:
            self.stop()

    def start(self, plane: Plane) -> Sequence[Process]:
        """Start kro."""
        self._run(plane, self.name)
        return (self._process,)

    def _run(self, plane: Plane, account: str) -> None:
        self._take_ports()
        options = {
            **_TUNED,
            "kubeconfig": str(plane.kubeconfig(account)),
            "health-probe-bind-address": f"127.0.0.1:{self._health}",
            "metrics-bind-address": f"127.0.0.1:{self._metrics}",
        }
        program = programs.ensure(["kro"])["kro"]
        self._process = plane.run(account, [program, *(f"--{name}={value}" for name, value in options.items())])

    def ready(self) -> bool:
        """Tell whether it watches its instances: its /readyz says yes as soon as it listens."""
        try:
            return self._figures().get("dynamic_controller_handler_count_total", 0.0) > 0
        except OSError:
            return False

    def manifest(self, namespace: str, name: str) -> Manifest:
        """Return an instance of the definition."""
        return {
            "apiVersion": self.stacks.api.removeprefix("/apis/"),
            "kind": "Shop",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"replicas": 0, "image": "registry.example/shop:1", "content": CONTENT},
        }

    def edited(self, manifest: Manifest, n: int) -> Manifest:
        """Return the instance with another image."""
        changed = copy.deepcopy(manifest)
        changed["spec"]["image"] = f"registry.example/shop:{n + 1}"
        return changed

    def is_true(self, seen: Manifest) -> bool:
        """Tell whether the instance is active, and its conditions are of this generation."""
        status = seen.get("status") or {}
        generation = seen["metadata"]["generation"]
        conditions = status.get("conditions", ())
        current = bool(conditions) and all(one.get("observedGeneration") == generation for one in conditions)
        return current and status.get("state") == "ACTIVE"

"""kro as a baseline controller: rate limits raised, and a definition with the same children as AppStack's."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml

from bench.control_plane import ControlPlane
from bench.processes import Process
from bench.system import Manifest, Resource
from bench.systems.appstack import FILE_CONTENT
from bench.systems.baseline import BaselineController
from tools.cluster import programs, shell

DEFINITION: Final = Path(__file__).resolve().parents[1] / "baselines/kro/shop.yaml"
_DEFINITIONS: Final = Resource("/apis/kro.run/v1alpha1", "resourcegraphdefinitions")
_TUNED_FLAGS: Final[Mapping[str, str]] = {
    "dynamic-controller-concurrent-reconciles": "16",
    "dynamic-controller-rate-limiter-rate-limit": "100000",
    "dynamic-controller-rate-limiter-burst-limit": "100000",
    "client-qps": "100000",
    "client-burst": "100000",
    "rgd-progress-requeue-delay": "100ms",
    "zap-devel": "false",
}


class Kro(BaselineController):
    """kro, built from its Go module.

    kro reports `state: ACTIVE` as soon as it has applied every child, and `Ready: True` one reconcile later. The bench
    takes the first, which is the earlier, for a current status.
    """

    name = "kro"
    stacks = Resource("/apis/bench.appstack.dev/v1alpha1", "shops")
    reconciles_metric = "instance_reconcile_total"

    def settings(self) -> Mapping[str, str]:
        """Return version, flags, and the definition of a current status."""
        version = programs.version(programs.SOURCES["kro"])
        return {"version": version, **_TUNED_FLAGS, "current status": "state ACTIVE, conditions of this generation"}

    def prepare(self, control_plane: ControlPlane) -> None:
        """Install kro's CustomResourceDefinitions and the definition, and have kro create the CRD of its instances.

        This kro process runs under another account, so that its requests are not counted.
        """
        for file in sorted((programs.module_folder(programs.SOURCES["kro"]) / "helm/crds").glob("*.yaml")):
            control_plane.apply_crd(yaml.safe_load(file.read_text()))
        control_plane.apply(_DEFINITIONS.path(), yaml.safe_load(DEFINITION.read_text()))
        self._run(control_plane, "kro-setup")
        try:
            if not shell.wait_until(lambda: self.ready() and control_plane.serves(self.stacks.path()), 60):
                raise shell.Failure(f"kro does not accept {DEFINITION.name} within 60 s (see {self._process.log})")
        finally:
            self.stop()

    def start(self, control_plane: ControlPlane) -> Sequence[Process]:
        """Start kro."""
        self._run(control_plane, self.name)
        return (self._process,)

    def _run(self, control_plane: ControlPlane, account: str) -> None:
        self._choose_ports()
        options = {
            **_TUNED_FLAGS,
            "kubeconfig": str(control_plane.kubeconfig(account)),
            "health-probe-bind-address": f"127.0.0.1:{self._health_port}",
            "metrics-bind-address": f"127.0.0.1:{self._metrics_port}",
        }
        program = programs.ensure(["kro"])["kro"]
        self._process = control_plane.run(account, [program, *(f"--{name}={value}" for name, value in options.items())])

    def ready(self) -> bool:
        """Return whether kro watches its instances; its /readyz succeeds earlier, as soon as kro listens."""
        try:
            return self._metric_sums().get("dynamic_controller_handler_count_total", 0.0) > 0
        except OSError:
            return False

    def manifest(self, namespace: str, name: str) -> Manifest:
        """Return an instance of the definition."""
        return {
            "apiVersion": self.stacks.api.removeprefix("/apis/"),
            "kind": "Shop",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"replicas": 0, "image": "registry.example/shop:1", "content": FILE_CONTENT},
        }

    def edited(self, manifest: Manifest, n: int) -> Manifest:
        """Return the instance with another image."""
        changed = copy.deepcopy(manifest)
        changed["spec"]["image"] = f"registry.example/shop:{n + 1}"
        return changed

    def status_is_current(self, stack: Manifest) -> bool:
        """Return whether the instance is active and every condition is of the current generation."""
        status = stack.get("status") or {}
        generation = stack["metadata"]["generation"]
        conditions = status.get("conditions", ())
        current = bool(conditions) and all(one.get("observedGeneration") == generation for one in conditions)
        return current and status.get("state") == "ACTIVE"

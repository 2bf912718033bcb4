"""AppStack as a system under test: a real `appstack run` with its default settings."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.request import urlopen

import yaml

from appstack import render as rendering
from appstack.api import parse
from appstack.k8s.metadata import API_VERSION, KIND, PLURAL
from appstack.settings import Settings
from bench import prometheus
from bench.checkout import THIS, Checkout
from bench.control_plane import NAMESPACE, ControlPlane, free_port
from bench.processes import Process, is_ready_on
from bench.system import CONFIG_MAPS, DEPLOYMENTS, SERVICES, Child, Manifest, Resource

BEFORE: Final = "appstack-before"
"""Name of the operator of another checkout, to be compared with this one."""
STACKS: Final = Resource(f"/apis/{API_VERSION}", PLURAL)
FILE_CONTENT: Final = "[shop]\ndebug = false\ngreeting = 'hello'\n"
SLOW_CALLBACKS_FILE: Final = "callbacks.jsonl"
"""File of the instrumented process, in the control plane's folder."""
_RESOURCES: Final = {"ConfigMap": CONFIG_MAPS, "Service": SERVICES, "Deployment": DEPLOYMENTS}


def manifest(namespace: str, name: str, *, pods: int = 0) -> Manifest:
    """Return the benchmark's AppStack: one ConfigMap, one Service, and one Deployment with that number of pods."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": pods,
            "backend": {
                "image": "registry.example/shop:1",
                "command": ["/srv/shop", "--listen", ":8000"],
                "ports": [{"name": "http", "containerPort": 8000}],
                "env": [{"name": "MODE", "value": "production"}],
            },
            "files": [{"path": "/etc/shop/settings.toml", "content": FILE_CONTENT}],
        },
    }


def edited(stack: Manifest, n: int) -> Manifest:
    """Return the AppStack with another image."""
    changed = copy.deepcopy(stack)
    changed["spec"]["backend"]["image"] = f"registry.example/shop:{n + 1}"
    return changed


def rendered(stack: Manifest) -> list[Manifest]:
    """Return the children of an AppStack, as the renderer of this checkout writes them."""
    return list(rendering.render(parse(stack), settings=Settings()))


def children(stack: Manifest) -> tuple[Child, ...]:
    """Return references to the children of an AppStack, the Deployment last."""
    objects = ((one["kind"], one["metadata"]) for one in rendered(stack))
    found = [Child(_RESOURCES[kind], metadata["namespace"], metadata["name"]) for kind, metadata in objects]
    return tuple(sorted(found, key=lambda child: child.resource == DEPLOYMENTS))


def status_is_current(stack: Manifest) -> bool:
    """Return whether the status is of the current generation and records every child as applied."""
    status = stack.get("status") or {}
    stalled = any(one["type"] == "Stalled" and one["status"] == "True" for one in status.get("conditions", ()))
    observed = status.get("observedGeneration") == stack["metadata"]["generation"]
    return observed and not stalled and len(status.get("resources", ())) == len(_RESOURCES)


def is_ready(stack: Manifest) -> bool:
    """Return whether the condition Ready is True for the current generation."""
    conditions = (stack.get("status") or {}).get("conditions", ())
    ready = (one for one in conditions if (one["type"], one["status"]) == ("Ready", "True"))
    return any(one["observedGeneration"] == stack["metadata"]["generation"] for one in ready)


class AppStack:
    """The operator of a checkout; an instrumented one times its event loop and is compared with no other system."""

    stacks = STACKS

    def __init__(
        self, checkout: Checkout = THIS, *, name: str = "appstack", pods: int = 0, instrumented: bool = False
    ) -> None:
        self.name = name
        self._checkout = checkout
        self._pods = pods
        self._instrumented = instrumented
        self._process: Process
        self._health_port = self._metrics_port = 0

    def variant(self, *, pods: int = 0, instrumented: bool = False) -> AppStack:
        """Return the operator of the same checkout, set up for another suite."""
        return AppStack(self._checkout, name=self.name, pods=pods, instrumented=instrumented)

    def settings(self) -> Mapping[str, str]:
        """Return the version and the default settings."""
        return self._checkout.settings()

    def prepare(self, control_plane: ControlPlane) -> None:
        """Install the CustomResourceDefinition of the checkout."""
        control_plane.apply_crd(self._checkout.crd())

    def start(self, control_plane: ControlPlane) -> Sequence[Process]:
        """Start `appstack run`."""
        self._health_port, self._metrics_port = free_port(), free_port()
        settings = {
            "listen": "127.0.0.1",
            "healthPort": self._health_port,
            "metricsPort": self._metrics_port,
            "operatorNamespace": NAMESPACE,
            "identity": "bench",
        }
        file = control_plane.folder / "settings.yaml"
        file.write_text(yaml.safe_dump(settings))
        module: list[str | Path] = ["appstack"]
        if self._instrumented:
            module = ["bench.systems.instrumented", control_plane.folder / SLOW_CALLBACKS_FILE]
        flags: list[str | Path] = ["--settings", file, "--kubeconfig", control_plane.kubeconfig(self.name)]
        command = [self._checkout.python, "-m", *module, "run", *flags]
        self._process = control_plane.run(self.name, command, env=self._checkout.environment)
        return (self._process,)

    def ready(self) -> bool:
        """Return whether /readyz succeeds."""
        return is_ready_on(self._health_port)

    def manifest(self, namespace: str, name: str) -> Manifest:
        """Return an AppStack."""
        return manifest(namespace, name, pods=self._pods)

    def edited(self, manifest: Manifest, n: int) -> Manifest:
        """Return the AppStack with another image."""
        return edited(manifest, n)

    def children(self, manifest: Manifest) -> tuple[Child, ...]:
        """Return references to the children; their names are the same in every checkout."""
        return children(manifest)

    def status_is_current(self, stack: Manifest) -> bool:
        """Return whether the status is of the current generation and records every child as applied."""
        return status_is_current(stack)

    def counters(self) -> Mapping[str, float]:
        """Return the number of reconciles from /metrics."""
        with urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics", timeout=10) as response:
            sums = prometheus.sums(response.read().decode())
        return {"reconciles": sums.get("appstack_reconciles_total", 0.0)}

    def stop(self) -> None:
        """Stop the operator with SIGTERM."""
        self._process.stop()

    def kill(self) -> None:
        """Stop the operator with SIGKILL."""
        self._process.kill()

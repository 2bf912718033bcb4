"""AppStack: a real `appstack run`, with its default settings."""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.request import urlopen

import yaml

from appstack import __version__
from appstack import render as rendering
from appstack.api import parse
from appstack.k8s.metadata import API_VERSION, KIND, PLURAL
from appstack.settings import Settings
from bench import prometheus
from bench.contender import CONFIG_MAPS, DEPLOYMENTS, SERVICES, Child, Manifest, Resource
from bench.plane import SYSTEM, Plane, free_port
from bench.processes import Process, says_ready

ROOT: Final = Path(__file__).resolve().parents[2]
STACKS: Final = Resource(f"/apis/{API_VERSION}", PLURAL)
CONTENT: Final = "[shop]\ndebug = false\ngreeting = 'hello'\n"
CALLBACKS: Final = "callbacks.jsonl"
"""The file in the plane's folder for what the timed process tells."""
_RESOURCES: Final = {"ConfigMap": CONFIG_MAPS, "Service": SERVICES, "Deployment": DEPLOYMENTS}


def manifest(namespace: str, name: str, *, pods: int = 0) -> Manifest:
    """Return the stack that is measured: it becomes a ConfigMap, a Service and a Deployment that wants so many pods."""
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
            "files": [{"path": "/etc/shop/settings.toml", "content": CONTENT}],
        },
    }


def edited(stack: Manifest, n: int) -> Manifest:
    """Return the stack with another image."""
    changed = copy.deepcopy(stack)
    changed["spec"]["backend"]["image"] = f"registry.example/shop:{n + 1}"
    return changed


def rendered(stack: Manifest) -> list[Manifest]:
    """Return what the stack becomes."""
    return list(rendering.render(parse(stack), settings=Settings()))


def is_true(seen: Manifest) -> bool:
    """Tell whether the status is of this generation, and records every child as applied."""
    status = seen.get("status") or {}
    stalled = any(one["type"] == "Stalled" and one["status"] == "True" for one in status.get("conditions", ()))
    current = status.get("observedGeneration") == seen["metadata"]["generation"]
    return current and not stalled and len(status.get("resources", ())) == len(_RESOURCES)


def is_ready(seen: Manifest) -> bool:
    """Tell whether the stack says that its present generation is Ready."""
    conditions = (seen.get("status") or {}).get("conditions", ())
    ready = (one for one in conditions if (one["type"], one["status"]) == ("Ready", "True"))
    return any(one["observedGeneration"] == seen["metadata"]["generation"] for one in ready)


def install(plane: Plane) -> None:
    """Bring in the CRD."""
    plane.apply_crd(yaml.safe_load((ROOT / "crds/appstack.dev_appstacks.yaml").read_text()))


class AppStack:
    """The operator of this checkout; `timed`, with a clock at its event loop, where it is compared with nobody."""

    name = "appstack"
    stacks = STACKS

    def __init__(self, *, pods: int = 0, timed: bool = False) -> None:
        self._pods = pods
        self._timed = timed
        self._process: Process
        self._health = self._metrics = 0

    def settings(self) -> Mapping[str, str]:
        """Return version and settings."""
        used = Settings()
        return {
            "version": __version__,
            "python": sys.version.split()[0],
            "workers": str(used.workers),
            "requests in flight": str(used.requests),
        }

    def prepare(self, plane: Plane) -> None:
        """Bring in the CRD."""
        install(plane)

    def start(self, plane: Plane) -> Sequence[Process]:
        """Start `appstack run`."""
        self._health, self._metrics = free_port(), free_port()
        settings = {
            "listen": "127.0.0.1",
            "healthPort": self._health,
            "metricsPort": self._metrics,
            "operatorNamespace": SYSTEM,
            "identity": "bench",
        }
        file = plane.folder / "settings.yaml"
        file.write_text(yaml.safe_dump(settings))
        flags: list[str | Path] = ["--settings", file, "--kubeconfig", plane.kubeconfig(self.name)]
        program = ["bench.contenders.timed", plane.folder / CALLBACKS] if self._timed else ["appstack"]
        environment = {"PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}"}
        self._process = plane.run(self.name, [sys.executable, "-m", *program, "run", *flags], env=environment)
        return (self._process,)

    def ready(self) -> bool:
        """Ask /readyz."""
        return says_ready(self._health)

    def manifest(self, namespace: str, name: str) -> Manifest:
        """Return the stack."""
        return manifest(namespace, name, pods=self._pods)

    def edited(self, manifest: Manifest, n: int) -> Manifest:
        """Return the stack with another image."""
        return edited(manifest, n)

    def children(self, manifest: Manifest) -> tuple[Child, ...]:
        """Return what the stack becomes, by rendering it."""
        return children(manifest)

    def is_true(self, seen: Manifest) -> bool:
        """Tell whether the status is true."""
        return is_true(seen)

    def counters(self) -> Mapping[str, float]:
        """Return what /metrics says."""
        with urlopen(f"http://127.0.0.1:{self._metrics}/metrics", timeout=10) as answer:
            found = prometheus.sums(answer.read().decode())
        return {"reconciles": found.get("appstack_reconciles_total", 0.0)}

    def stop(self) -> None:
        """End it in order."""
        self._process.stop()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()


def children(stack: Manifest) -> tuple[Child, ...]:
    """Return the objects that a stack becomes."""
    found = [
        Child(_RESOURCES[one["kind"]], one["metadata"]["namespace"], one["metadata"]["name"]) for one in rendered(stack)
    ]
    return tuple(sorted(found, key=lambda child: child.resource == DEPLOYMENTS))

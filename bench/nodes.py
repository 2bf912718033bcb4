"""Nodes and pods without machines: kwok plays the kubelets, Kubernetes' own controllers and scheduler do their work."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench.plane import Manifest, Plane, flags, free_port
from tools.cluster import programs, shell

NODES: Final = 20
_PODS_EACH: Final = 1000
_CONTROLLERS: Final = (
    "deployment-controller",
    "replicaset-controller",
    "serviceaccount-controller",
    "node-lifecycle-controller",
)
_STAGES: Final = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-delete.yaml",
)
_NODES: Final = "/api/v1/nodes"


def start(plane: Plane) -> None:
    """Start all that makes pods Ready, with client limits that do not hold it up, and wait for the nodes."""
    plane.start_controller_manager(_CONTROLLERS)
    built = programs.ensure(["kube-scheduler", "kwok"])
    login = str(plane.admin_kubeconfig())
    scheduler = {
        "kubeconfig": login,
        "leader-elect": "false",
        "kube-api-qps": "1000",
        "kube-api-burst": "2000",
        "bind-address": "127.0.0.1",
        "secure-port": str(free_port()),
    }
    plane.run("kube-scheduler", [built["kube-scheduler"], *flags(scheduler)])
    kwok = {
        "kubeconfig": login,
        "manage-all-nodes": "true",
        "node-lease-duration-seconds": "40",  # as kubelets: without Leases its nodes are NotReady after 50 seconds
        "config": str(_stages(plane)),
    }
    plane.run("kwok", [built["kwok"], *flags(kwok)])
    for number in range(NODES):
        plane.create(_NODES, _node(number))
    if not shell.wait_until(lambda: all(_schedulable(one) for one in plane.request("GET", _NODES)["items"]), 60):
        raise shell.Failure(f"kwok's nodes do not get ready (see {plane.folder}/kwok.log)")


def _stages(plane: Plane) -> Path:
    """Return kwok's own stages, in one file: nodes and pods that get ready as soon as they are there."""
    folder = programs.module_folder(programs.SOURCES["kwok"]) / "kustomize/stage"
    file = plane.folder / "stages.yaml"
    file.write_text("\n---\n".join((folder / stage).read_text() for stage in _STAGES))
    return file


def _node(number: int) -> Manifest:
    capacity = {"cpu": "1000", "memory": "1000Gi", "pods": str(_PODS_EACH)}
    return {
        "metadata": {"name": f"kwok-{number}", "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "status": {"capacity": capacity, "allocatable": capacity},
    }


def _schedulable(node: Manifest) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and not node["spec"].get("taints")

"""Simulated nodes: kwok in place of kubelets, with Kubernetes' own controllers and scheduler."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench.control_plane import ControlPlane, Manifest, flags, free_port
from tools.cluster import programs, shell

NODE_COUNT: Final = 20
_PODS_PER_NODE: Final = 1000
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
_NODES_PATH: Final = "/api/v1/nodes"


def start(control_plane: ControlPlane) -> None:
    """Start controllers, scheduler and kwok, with raised client limits, and wait until the nodes are schedulable."""
    control_plane.start_controller_manager(_CONTROLLERS)
    built = programs.ensure(["kube-scheduler", "kwok"])
    kubeconfig = str(control_plane.admin_kubeconfig())
    scheduler = {
        "kubeconfig": kubeconfig,
        "leader-elect": "false",
        "kube-api-qps": "1000",
        "kube-api-burst": "2000",
        "bind-address": "127.0.0.1",
        "secure-port": str(free_port()),
    }
    control_plane.run("kube-scheduler", [built["kube-scheduler"], *flags(scheduler)])
    kwok = {
        "kubeconfig": kubeconfig,
        "manage-all-nodes": "true",
        "node-lease-duration-seconds": "40",  # as kubelets; nodes without Leases become NotReady
        "config": str(_stages(control_plane)),
    }
    control_plane.run("kwok", [built["kwok"], *flags(kwok)])
    for number in range(NODE_COUNT):
        control_plane.create(_NODES_PATH, _node(number))
    if not shell.wait_until(
        lambda: all(_schedulable(one) for one in control_plane.request("GET", _NODES_PATH)["items"]), 60
    ):
        raise shell.Failure(f"kwok's nodes are not ready after 60 s (see {control_plane.folder}/kwok.log)")


def _stages(control_plane: ControlPlane) -> Path:
    """Write kwok's own stages, by which nodes and pods become ready at once, into one file and return its path."""
    folder = programs.module_folder(programs.SOURCES["kwok"]) / "kustomize/stage"
    file = control_plane.folder / "stages.yaml"
    file.write_text("\n---\n".join((folder / stage).read_text() for stage in _STAGES))
    return file


def _node(number: int) -> Manifest:
    capacity = {"cpu": "1000", "memory": "1000Gi", "pods": str(_PODS_PER_NODE)}
    return {
        "metadata": {"name": f"kwok-{number}", "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "status": {"capacity": capacity, "allocatable": capacity},
    }


def _schedulable(node: Manifest) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and not node["spec"].get("taints")

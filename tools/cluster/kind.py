"""kind: the cluster's configuration, and the commands that make and remove it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.cluster import programs, shell, state, storage

CLUSTER = "appstack"
CONTROL_PLANE = f"{CLUSTER}-control-plane"
POD_RANGE = "10.244.0.0/16"
API_PORT = 6443
AUDIT_POLICY = Path(__file__).with_name("audit-policy.yaml")
AUDIT_FOLDER = "audit"
SHARED_FOLDER = "shared"


@dataclass(frozen=True)
class Plan:
    """What distinguishes one machine's cluster from another's."""

    image: str
    own_engine: bool
    address: str = "127.0.0.1"
    """Where the API server listens for the machine."""


def configuration(plan: Plan, folder: Path) -> dict[str, Any]:
    """Kind's configuration, its host paths below `folder`; JSON is YAML enough for kind."""
    networking: dict[str, Any] = {"podSubnet": POD_RANGE}
    if plan.own_engine:
        # kind would look for a free port on this side of the engine's network namespace.
        networking |= {"apiServerAddress": plan.address, "apiServerPort": API_PORT, "disableDefaultCNI": True}
    shared = {"hostPath": str(folder / SHARED_FOLDER), "containerPath": storage.SHARED_PATH}
    audit = {"hostPath": str(folder / AUDIT_FOLDER), "containerPath": "/audit"}
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": CLUSTER,
        "networking": networking,
        "nodes": [
            {"role": "control-plane", "image": plan.image, "extraMounts": [shared, audit]},
            {"role": "worker", "image": plan.image, "extraMounts": [shared]},
        ],
        "kubeadmConfigPatches": [json.dumps(patch) for patch in kubeadm_patches()],
    }


def kubeadm_patches() -> list[dict[str, Any]]:
    def arguments(**values: str) -> list[dict[str, str]]:
        return [{"name": name.replace("_", "-"), "value": value} for name, value in values.items()]

    audit = {"name": "audit", "hostPath": "/audit", "mountPath": "/audit", "pathType": "Directory"}
    return [
        {
            "kind": "ClusterConfiguration",
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "apiServer": {
                "extraArgs": arguments(
                    audit_policy_file="/audit/policy.yaml",
                    audit_log_path="/audit/audit.log",
                    audit_log_maxsize="10000",  # megabytes; a rotated log would hide requests from a count
                ),
                "extraVolumes": [audit],
            },
            # Nobody needs this cluster's data after a power cut, and tests wait for each write to the disk.
            "etcd": {"local": {"extraArgs": arguments(unsafe_no_fsync="true")}},
            # By default 20 requests a second: ReplicaSets of a busy test would wait for each other.
            "controllerManager": {"extraArgs": arguments(kube_api_qps="200", kube_api_burst="400")},
            "scheduler": {"extraArgs": arguments(kube_api_qps="200", kube_api_burst="400")},
        },
        {
            "kind": "InitConfiguration",
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "nodeRegistration": {"taints": []},  # the control plane runs pods, too: that makes two nodes
        },
        {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "failCgroupV1": False,
            "serializeImagePulls": False,
        },
    ]


def default_image() -> str:
    """The node image with its digest that the pinned kind names."""
    file = programs.module_folder(programs.SOURCES["kind"]) / "pkg/apis/config/defaults/image.go"
    found = re.search(r'const Image = "([^"]+)"', file.read_text())
    if found is None:
        raise shell.Failure(f"{file} does not name a node image; has kind changed? See tools/cluster/kind.py")
    return found.group(1)


def create(plan: Plan, env: Mapping[str, str], log: Path) -> None:
    for name in (SHARED_FOLDER, AUDIT_FOLDER):
        (state.CLUSTER / name).mkdir(parents=True, exist_ok=True)
    (state.CLUSTER / SHARED_FOLDER).chmod(0o777)
    (state.CLUSTER / AUDIT_FOLDER / "policy.yaml").write_bytes(AUDIT_POLICY.read_bytes())
    # Made here, so that it belongs to the user: the API server writes as root, and readable by root only.
    (state.CLUSTER / AUDIT_FOLDER / "audit.log").touch(mode=0o644)
    state.AUDIT_LOG.unlink(missing_ok=True)
    state.AUDIT_LOG.symlink_to(f"{AUDIT_FOLDER}/audit.log")
    config = state.CLUSTER / "kind.json"
    config.write_text(json.dumps(configuration(plan, state.CLUSTER), indent=2))
    arguments = ["create", "cluster", "--config", str(config), "--kubeconfig", str(state.KUBECONFIG), "--retain"]
    shell.run([programs.path("kind"), *arguments], env=env, log=log)


def checkout(env: Mapping[str, str]) -> Path | None:
    """The checkout whose cluster the engine has: the one whose folder its nodes mount."""
    template = (
        f'{{{{range .Mounts}}}}{{{{if eq .Destination "{storage.SHARED_PATH}"}}}}{{{{.Source}}}}{{{{end}}}}{{{{end}}}}'
    )
    found = shell.attempt(["docker", "container", "inspect", "--format", template, CONTROL_PLANE], env=env)
    source = found.out.strip().removeprefix("/host_mnt")  # as Docker Desktop tells it
    return Path(source).parent.parent if source else None


def delete(env: Mapping[str, str]) -> None:
    # Pods and the API server have written as root what the user is going to remove.
    written = ["sh", "-c", f"rm -rf {storage.SHARED_PATH}/* /audit/*"]
    shell.attempt(["docker", "exec", CONTROL_PLANE, *written], env=env)
    arguments = ["delete", "cluster", "--name", CLUSTER, "--kubeconfig", str(state.KUBECONFIG)]
    shell.run([programs.ensure(["kind"])["kind"], *arguments], env=env)

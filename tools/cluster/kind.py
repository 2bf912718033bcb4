"""kind: the configuration of the cluster, and the commands that create and delete it."""

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
    """The parameters of a cluster that depend on the machine."""

    image: str
    own_engine: bool
    address: str = "127.0.0.1"
    """Address at which the API server listens."""


def configuration(plan: Plan, folder: Path) -> dict[str, Any]:
    """Return kind's configuration, with host paths below `folder`; kind reads it as JSON."""
    networking: dict[str, Any] = {"podSubnet": POD_RANGE}
    if plan.own_engine:
        # kind would choose a free port outside the engine's network namespace.
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
                    audit_log_maxsize="10000",  # megabytes; rotation would remove requests from the counts
                ),
                "extraVolumes": [audit],
            },
            # The data need not survive a power cut, and fsync would delay every write of a test.
            "etcd": {"local": {"extraArgs": arguments(unsafe_no_fsync="true")}},
            # The default of 20 requests a second delays the ReplicaSets of parallel tests.
            "controllerManager": {"extraArgs": arguments(kube_api_qps="200", kube_api_burst="400")},
            "scheduler": {"extraArgs": arguments(kube_api_qps="200", kube_api_burst="400")},
        },
        {
            "kind": "InitConfiguration",
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "nodeRegistration": {"taints": []},  # the control-plane node runs pods as well, so there are two nodes
        },
        {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "failCgroupV1": False,
            "serializeImagePulls": False,
        },
    ]


def default_image() -> str:
    """Return the node image, with its digest, that the pinned version of kind uses."""
    file = programs.module_folder(programs.SOURCES["kind"]) / "pkg/apis/config/defaults/image.go"
    found = re.search(r'const Image = "([^"]+)"', file.read_text())
    if found is None:
        raise shell.Failure(f"{file} does not name a node image; adapt tools/cluster/kind.py to this version of kind")
    return found.group(1)


def create(plan: Plan, env: Mapping[str, str], log: Path) -> None:
    for name in (SHARED_FOLDER, AUDIT_FOLDER):
        (state.CLUSTER / name).mkdir(parents=True, exist_ok=True)
    (state.CLUSTER / SHARED_FOLDER).chmod(0o777)
    (state.CLUSTER / AUDIT_FOLDER / "policy.yaml").write_bytes(AUDIT_POLICY.read_bytes())
    # Created here, so that the user owns it: the API server would create it readable by root only.
    (state.CLUSTER / AUDIT_FOLDER / "audit.log").touch(mode=0o644)
    state.AUDIT_LOG.unlink(missing_ok=True)
    state.AUDIT_LOG.symlink_to(f"{AUDIT_FOLDER}/audit.log")
    config = state.CLUSTER / "kind.json"
    config.write_text(json.dumps(configuration(plan, state.CLUSTER), indent=2))
    arguments = ["create", "cluster", "--config", str(config), "--kubeconfig", str(state.KUBECONFIG), "--retain"]
    shell.run([programs.path("kind"), *arguments], env=env, log=log)


def checkout(env: Mapping[str, str]) -> Path | None:
    """Return the checkout of the cluster in the engine, which is the one that its nodes mount, or None."""
    template = (
        f'{{{{range .Mounts}}}}{{{{if eq .Destination "{storage.SHARED_PATH}"}}}}{{{{.Source}}}}{{{{end}}}}{{{{end}}}}'
    )
    found = shell.attempt(["docker", "container", "inspect", "--format", template, CONTROL_PLANE], env=env)
    source = found.out.strip().removeprefix("/host_mnt")  # the prefix of Docker Desktop
    return Path(source).parent.parent if source else None


def delete(env: Mapping[str, str]) -> None:
    # Files that pods and the API server have written as root; the user can't remove them.
    written = ["sh", "-c", f"rm -rf {storage.SHARED_PATH}/* /audit/*"]
    shell.attempt(["docker", "exec", CONTROL_PLANE, *written], env=env)
    arguments = ["delete", "cluster", "--name", CLUSTER, "--kubeconfig", str(state.KUBECONFIG)]
    shell.run([programs.ensure(["kind"])["kind"], *arguments], env=env)

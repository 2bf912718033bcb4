"""metrics-server, the source of resource usage for HorizontalPodAutoscalers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from tools.cluster import images, kube, programs, shell, state

SOURCE = programs.SOURCES["metrics-server"]
IMAGE = images.recipe_of(images.METRICS_SERVER)


def ensure(env: Mapping[str, str], *, registry: bool) -> None:
    """Install metrics-server from its own manifests, or leave an installed one unchanged."""
    if not registry:
        images.build(IMAGE, env)
        images.load({IMAGE.image: images.key(IMAGE)}, env)
    with state.scratch("metrics-server") as scratch:
        kube.apply(_manifest(scratch))


def _manifest(scratch: Path) -> str:
    upstream = programs.module_folder(SOURCE) / "manifests/base"
    shutil.copytree(upstream, scratch / "base", copy_function=shutil.copyfile)
    (scratch / "kustomization.yaml").write_text(json.dumps(_kustomization()))
    return shell.run([programs.path("kubectl"), "kustomize", scratch])


def _kustomization() -> dict[str, object]:
    name, _, tag = IMAGE.image.rpartition(":")
    arguments = (
        "--kubelet-insecure-tls",  # kubelets of kubeadm have self-signed certificates
        "--metric-resolution=10s",  # the minimum; tests wait for it
        "--kubelet-request-timeout=9s",  # must be less than the resolution
    )
    patch = [{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": each} for each in arguments]
    return {
        "resources": ["base"],
        "images": [{"name": "gcr.io/k8s-staging-metrics-server/metrics-server", "newName": name, "newTag": tag}],
        "patches": [{"target": {"kind": "Deployment"}, "patch": json.dumps(patch)}],
    }

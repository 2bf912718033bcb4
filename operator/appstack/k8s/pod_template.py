"""The pods that an object declares: the template of a workload, or a Pod itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from appstack.k8s.metadata import Manifest

_PATHS: Final[Mapping[str, str]] = {
    "Deployment": "spec.template.",
    "StatefulSet": "spec.template.",
    "DaemonSet": "spec.template.",
    "Job": "spec.template.",
    "CronJob": "spec.jobTemplate.spec.template.",
    "Pod": "",
}


@dataclass(frozen=True)
class PodTemplate:
    """The metadata and spec of pods, in the manifest that declares them."""

    manifest: Manifest = field(repr=False)
    path: str  # of the template in the manifest, as a prefix: spec.template.
    pod: Manifest


def pod_template(manifest: Manifest) -> PodTemplate | None:
    """Return the pod template of a manifest; None if its kind has no pods."""
    path = _PATHS.get(manifest["kind"])
    if path is None:
        return None
    pod = manifest
    for name in path.split(".")[:-1]:
        pod = pod[name]
    return PodTemplate(manifest, path, pod)

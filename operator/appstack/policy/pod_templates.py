"""The pod templates among rendered objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from appstack.k8s.metadata import Manifest
from appstack.policy import pod_security
from appstack.policy.pod_security import Level, Violation
from appstack.policy.violation import PolicyViolation

POD_TEMPLATES: Final = {
    "Deployment": "spec.template.",
    "StatefulSet": "spec.template.",
    "DaemonSet": "spec.template.",
    "Job": "spec.template.",
    "CronJob": "spec.jobTemplate.spec.template.",
    "Pod": "",
}
"""Path of the pod template by kind."""


@dataclass(frozen=True)
class PodTemplate:
    """The pod template of a workload, or a Pod."""

    manifest: Manifest
    path: str  # of the template in the manifest: spec.template.
    pod: Manifest
    _by_level: dict[Level, list[Violation]] = field(default_factory=dict, compare=False, repr=False)

    def violations(self, level: Level) -> list[Violation]:
        """Return the violations of a Pod Security level, computed once."""
        if level not in self._by_level:
            self._by_level[level] = list(pod_security.violations(self.pod, level))
        return self._by_level[level]

    @property
    def spec(self) -> Manifest:
        """The spec of the pod."""
        spec: Manifest = self.pod["spec"]
        return spec

    @cached_property
    def containers(self) -> Sequence[tuple[str, Manifest]]:
        """All containers, each with its path in the pod."""
        return [
            (f"spec.{name}[{index}]", container)
            for name in ("initContainers", "containers")
            for index, container in enumerate(self.spec.get(name) or ())
        ]

    def violation(self, path: str, setting: str, message: str, hint: str) -> PolicyViolation:
        """Return a violation at a path in the pod."""
        return PolicyViolation(self.manifest, f"{self.path}{path}", setting, message, hint)


def pod_templates(manifests: Iterable[Manifest]) -> list[PodTemplate]:
    """Return the pod templates of workloads, and the Pods."""
    return [_pod_template(one, POD_TEMPLATES[one["kind"]]) for one in manifests if one["kind"] in POD_TEMPLATES]


def _pod_template(manifest: Manifest, path: str) -> PodTemplate:
    pod = manifest
    for name in path.split(".")[:-1]:
        pod = pod[name]
    return PodTemplate(manifest, path, pod)

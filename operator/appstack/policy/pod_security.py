"""Kubernetes' Pod Security Standards, check by check, as the PodSecurity admission plugin applies them to a pod.

`VERSION` is the policy version of the checks. An older API server lacks some of them, and refuses unmasked /proc and
root in a user namespace (`hostUsers: false`), which this version permits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from appstack.k8s.metadata import Manifest
from appstack.policy import pod_security_baseline as baseline
from appstack.policy import pod_security_restricted as restricted
from appstack.policy.pod_view import Finding, PodView

VERSION: Final = "v1.36"


class Level(StrEnum):
    """Level of the Pod Security Standards; each includes the restrictions of the levels before it."""

    PRIVILEGED = "privileged"
    BASELINE = "baseline"
    RESTRICTED = "restricted"


@dataclass(frozen=True, slots=True)
class Violation:
    """A value that a level forbids, or a missing value that it requires."""

    field: str
    """Path in the pod, such as `spec.containers[0].securityContext.privileged`."""
    check: str
    """The admission plugin's name of the check, such as `hostNamespaces`."""
    message: str
    """Text that follows the field in a sentence: `must not be true`."""


def violations(pod: Manifest, level: Level) -> Iterator[Violation]:
    """Yield the violations of a level; `pod` is a Pod or a pod template that passes the API server's validation."""
    if level is Level.PRIVILEGED:
        return
    view = PodView(pod)
    for name, check in _CHECKS[level].items():
        for path, message in check(view):
            yield Violation(path, name, message)


_Check = Callable[[PodView], Iterator[Finding]]

_IN_BOTH: Final[dict[str, _Check]] = {
    "appArmorProfile": baseline.app_armor,
    "hostNamespaces": baseline.host_namespaces,
    "hostPorts": baseline.host_ports,
    "hostProbesAndHostLifecycle": baseline.probe_and_lifecycle_hosts,
    "privileged": baseline.privileged,
    "seLinuxOptions": baseline.selinux_options,
    "sysctls": baseline.sysctls,
    "windowsHostProcess": baseline.windows_host_process,
}
_CHECKS: Final[dict[Level, dict[str, _Check]]] = {
    Level.BASELINE: {
        **_IN_BOTH,
        "capabilities_baseline": baseline.capabilities,
        "hostPathVolumes": baseline.host_path_volumes,
        "procMount": baseline.proc_mount,
        "seccompProfile_baseline": baseline.seccomp,
    },
    Level.RESTRICTED: {
        **_IN_BOTH,
        "allowPrivilegeEscalation": restricted.privilege_escalation,
        "capabilities_restricted": restricted.capabilities,
        "procMount_restricted": baseline.unmasked_proc_mounts,
        "restrictedVolumes": restricted.volumes,
        "runAsNonRoot": restricted.run_as_non_root,
        "runAsUser": restricted.run_as_user,
        "seccompProfile_restricted": restricted.seccomp,
    },
}

"""The option `podSecurity: restricted`: what it adds, what it leaves alone, and the warnings."""

from __future__ import annotations

from typing import Any

import pytest

from appstack.errors import Severity
from appstack.k8s.metadata import Manifest
from appstack.planning.desired import compute_desired_state
from appstack.policy.pod_security import Level, violations
from appstack.settings import Settings
from tests.unit.stacks import stack
from tests.unit.test_rendered_pod_security import SIDECARS, containers, rendered_pod

RESTRICTED = "podSecurity: restricted"
FULL = "proxy: {static: [{path: /a/, from: /srv}]}"


def contexts(*texts: str) -> dict[str, Manifest]:
    """Return the securityContext of the pod and of each container by name."""
    pod = rendered_pod(RESTRICTED, *texts)
    own = {name: container.get("securityContext", {}) for name, (_, container) in containers(pod).items()}
    return {"pod": pod["spec"].get("securityContext", {}), **own}


def warnings(*texts: str) -> list[str]:
    """Return field and message of each warning of the option."""
    issues = compute_desired_state(stack(RESTRICTED, *texts), settings=Settings()).issues
    assert all(issue.severity is Severity.WARNING for issue in issues)
    prefix = "does not meet the Pod Security level restricted: "
    found = [
        f"{issue.field} {issue.message.removeprefix(prefix)}" for issue in issues if issue.message.startswith(prefix)
    ]
    return sorted(found)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job", "Pod", "CronJob"])
def test_pods_meet_the_level_without_values_of_the_spec(kind: str) -> None:
    options = {"CronJob": ", cronJob: {schedule: '@daily'}"}
    sidecars = SIDECARS.replace(", native: false", "")  # a Job has no ordinary sidecars
    pod = rendered_pod(RESTRICTED, sidecars, FULL, f"workload: {{kind: {kind}{options.get(kind, '')}}}")
    assert list(violations(pod, Level.RESTRICTED)) == []


def test_nothing_is_added_without_the_option() -> None:
    pod = rendered_pod(SIDECARS)
    assert "securityContext" not in pod["spec"]
    assert "securityContext" not in pod["spec"]["containers"][0]


def test_the_values_are_added_where_kubernetes_reads_them() -> None:
    found = contexts(SIDECARS)
    own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert found == {
        "pod": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "backend": own,
        "migrate": own,
        "agent": own,
        "plain": {**own, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
    }


OWN_VALUES: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "user of the pod": (
        "pod: {securityContext: {runAsUser: 0}}",
        {"pod": {"seccompProfile": {"type": "RuntimeDefault"}, "runAsUser": 0}},
        [
            "spec.backend.securityContext.runAsNonRoot must be true, here or in the pod's securityContext",
            "spec.pod.securityContext.runAsUser must not be 0",
        ],
    ),
    "user of the backend": (
        "backend: {image: a, securityContext: {runAsUser: 0}}",
        {
            "pod": {"seccompProfile": {"type": "RuntimeDefault"}, "runAsNonRoot": True},
            "backend": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "runAsNonRoot": False,
                "runAsUser": 0,
            },
        },
        [
            "spec.backend.securityContext.runAsNonRoot must be true, here or in the pod's securityContext",
            "spec.backend.securityContext.runAsUser must not be 0",
        ],
    ),
    "user of the backend beside root": (
        "{backend: {image: a, securityContext: {runAsUser: 7}}, pod: {securityContext: {runAsUser: 0}}}",
        {
            "backend": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "runAsNonRoot": True,
                "runAsUser": 7,
            }
        },
        ["spec.pod.securityContext.runAsUser must not be 0"],
    ),
    "root allowed": (
        "pod: {securityContext: {runAsNonRoot: false}}",
        {"pod": {"seccompProfile": {"type": "RuntimeDefault"}, "runAsNonRoot": False}},
        ["spec.pod.securityContext.runAsNonRoot must be true"],
    ),
    "privileged": (
        "backend: {image: a, securityContext: {privileged: true}}",
        {"backend": {"capabilities": {"drop": ["ALL"]}, "privileged": True}},
        [
            "spec.backend.securityContext.allowPrivilegeEscalation must be false",
            "spec.backend.securityContext.privileged must not be true",
        ],
    ),
    "capability": (
        "backend: {image: a, securityContext: {capabilities: {add: [CHOWN, CAP_SYS_ADMIN]}}}",
        {"backend": {"capabilities": {"drop": ["ALL"], "add": ["CHOWN", "CAP_SYS_ADMIN"]}}},
        [
            "spec.backend.securityContext.allowPrivilegeEscalation must be false",
            "spec.backend.securityContext.capabilities.add must not contain CAP_SYS_ADMIN, CHOWN; "
            "allowed: NET_BIND_SERVICE",
        ],
    ),
    "kept capabilities": (
        "backend: {image: a, securityContext: {capabilities: {drop: [KILL]}}}",
        {"backend": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["KILL"]}}},
        ["spec.backend.securityContext.capabilities.drop must contain ALL"],
    ),
    "seccomp": (
        "pod: {securityContext: {seccompProfile: {type: Unconfined}}}",
        {"pod": {"runAsNonRoot": True, "seccompProfile": {"type": "Unconfined"}}},
        ["spec.pod.securityContext.seccompProfile.type must not be 'Unconfined'; allowed: Localhost, RuntimeDefault"],
    ),
    "user namespace": ("pod: {hostUsers: false}", {"pod": {"seccompProfile": {"type": "RuntimeDefault"}}}, []),
    "Windows": ("pod: {os: {name: windows}}", {"pod": {"runAsNonRoot": True}, "backend": {}}, []),
    "cache of the node": (
        "{volumes: [{name: c, nodeCache: {}}], "
        "backend: {image: a, volumeMounts: [{name: c, mountPath: /c}], securityContext: {runAsUser: 7}}}",
        {},
        [
            "spec.volumes[0].nodeCache must not be set; allowed volume types: configMap, csi, downwardAPI, emptyDir, "
            "ephemeral, image, persistentVolumeClaim, projected, secret"
        ],
    ),
    "inherited": (
        "{backend: {image: a, securityContext: {privileged: true}}, initContainers: [{name: i, command: [i]}]}",
        {"i": {"capabilities": {"drop": ["ALL"]}, "privileged": True}},
        [
            "spec.backend.securityContext.allowPrivilegeEscalation must be false",
            "spec.backend.securityContext.privileged must not be true",
            "spec.initContainers[0].securityContext.allowPrivilegeEscalation must be false",
        ],
    ),
}


@pytest.mark.parametrize(("text", "expected", "messages"), OWN_VALUES.values(), ids=OWN_VALUES)
def test_values_of_the_spec_win_with_a_warning(text: str, expected: dict[str, Any], messages: list[str]) -> None:
    found = contexts(text)
    assert {name: found[name] for name in expected} == expected
    assert warnings(text) == messages


def test_warnings_are_bounded() -> None:
    ports = ", ".join(f"{{name: p{number}, containerPort: {number}, hostPort: {number}}}" for number in range(1, 500))
    backend = f"backend: {{image: a, ports: [{ports}]}}"
    issues = compute_desired_state(stack(RESTRICTED, backend), settings=Settings()).issues
    own = [issue.message for issue in issues if issue.field.startswith("spec.backend.ports")]
    assert len(own) == 51
    assert own[-1] == "and 449 more warnings of this kind"

"""The Pod Security checks, by check, path and level; API tests compare them with the API server."""

from __future__ import annotations

from typing import Any

import pytest

from appstack.k8s.metadata import Manifest
from appstack.policy.pod_security import VERSION, Level, violations
from tools.cluster import programs

RESTRICTED_CONTEXT = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(*, container: Manifest | None = None, context: Manifest | None = None, **spec: Any) -> Manifest:
    """Return a pod that passes `restricted` but for the given fields of its spec, container and securityContext."""
    only = {"name": "app", "securityContext": RESTRICTED_CONTEXT | (context or {}), **(container or {})}
    return {"metadata": {}, "spec": {"containers": [only], **spec}}


def found(manifest: Manifest, level: Level) -> list[tuple[str, str]]:
    """Return check and path of each violation."""
    return [(violation.check, violation.field) for violation in violations(manifest, level)]


CONTEXT = "spec.containers[0].securityContext"
BASELINE: dict[str, tuple[Manifest, str, str]] = {
    "network": (pod(hostNetwork=True), "hostNamespaces", "spec.hostNetwork"),
    "processes": (pod(hostPID=True), "hostNamespaces", "spec.hostPID"),
    "ipc": (pod(hostIPC=True), "hostNamespaces", "spec.hostIPC"),
    "privileged": (pod(context={"privileged": True}), "privileged", f"{CONTEXT}.privileged"),
    "host port": (
        pod(container={"ports": [{"containerPort": 80}, {"containerPort": 81, "hostPort": 81}]}),
        "hostPorts",
        "spec.containers[0].ports[1].hostPort",
    ),
    "probe": (
        pod(container={"livenessProbe": {"tcpSocket": {"host": "10.0.0.1", "port": 1}}}),
        "hostProbesAndHostLifecycle",
        "spec.containers[0].livenessProbe.tcpSocket.host",
    ),
    "hook": (
        pod(container={"lifecycle": {"preStop": {"httpGet": {"host": "10.0.0.1", "port": 1}}}}),
        "hostProbesAndHostLifecycle",
        "spec.containers[0].lifecycle.preStop.httpGet.host",
    ),
    "AppArmor": (
        pod(context={"appArmorProfile": {"type": "Unconfined"}}),
        "appArmorProfile",
        f"{CONTEXT}.appArmorProfile.type",
    ),
    "AppArmor annotation": (
        pod() | {"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/app": "unconfined"}}},
        "appArmorProfile",
        "metadata.annotations[container.apparmor.security.beta.kubernetes.io/app]",
    ),
    "SELinux type": (
        pod(securityContext={"seLinuxOptions": {"type": "spc_t"}}),
        "seLinuxOptions",
        "spec.securityContext.seLinuxOptions.type",
    ),
    "SELinux user": (
        pod(context={"seLinuxOptions": {"user": "system_u"}}),
        "seLinuxOptions",
        f"{CONTEXT}.seLinuxOptions.user",
    ),
    "sysctl": (
        pod(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}),
        "sysctls",
        "spec.securityContext.sysctls[0].name",
    ),
    "Windows": (
        pod(securityContext={"windowsOptions": {"hostProcess": True}}),
        "windowsHostProcess",
        "spec.securityContext.windowsOptions.hostProcess",
    ),
    "capability": (
        pod(context={"capabilities": {"drop": ["ALL"], "add": ["CHOWN", "SYS_ADMIN"]}}),
        "capabilities_baseline",
        f"{CONTEXT}.capabilities.add",
    ),
    "path": (pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), "hostPathVolumes", "spec.volumes[0].hostPath"),
    "proc": (pod(context={"procMount": "Unmasked"}), "procMount", f"{CONTEXT}.procMount"),
    "seccomp": (
        pod(context={"seccompProfile": {"type": "Unconfined"}}),
        "seccompProfile_baseline",
        f"{CONTEXT}.seccompProfile.type",
    ),
}
RESTRICTED: dict[str, tuple[Manifest, str, str]] = {
    "escalation": (
        pod(context={"allowPrivilegeEscalation": None}),
        "allowPrivilegeEscalation",
        f"{CONTEXT}.allowPrivilegeEscalation",
    ),
    "no drop": (pod(context={"capabilities": {}}), "capabilities_restricted", f"{CONTEXT}.capabilities.drop"),
    "capability": (
        pod(context={"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE", "CHOWN"]}}),
        "capabilities_restricted",
        f"{CONTEXT}.capabilities.add",
    ),
    "proc": (
        pod(context={"procMount": "Unmasked"}, hostUsers=False),
        "procMount_restricted",
        f"{CONTEXT}.procMount",
    ),
    "volume": (
        pod(volumes=[{"name": "v", "nfs": {"server": "s", "path": "/"}}, {"name": "w"}]),
        "restrictedVolumes",
        "spec.volumes[0].nfs",
    ),
    "user": (pod(context={"runAsNonRoot": None}), "runAsNonRoot", f"{CONTEXT}.runAsNonRoot"),
    "root": (pod(context={"runAsUser": 0}), "runAsUser", f"{CONTEXT}.runAsUser"),
    "seccomp": (
        pod(context={"seccompProfile": None}),
        "seccompProfile_restricted",
        f"{CONTEXT}.seccompProfile.type",
    ),
}
SUCCESSORS = {
    "capabilities_baseline": "capabilities_restricted",
    "hostPathVolumes": "restrictedVolumes",
    "procMount": "procMount_restricted",
    "seccompProfile_baseline": "seccompProfile_restricted",
}
"""Checks of `baseline` that a stricter check of `restricted` replaces."""


@pytest.mark.parametrize("name", BASELINE)
def test_every_level_but_privileged_has_the_checks_of_baseline(name: str) -> None:
    manifest, check, field = BASELINE[name]
    assert found(manifest, Level.PRIVILEGED) == []
    assert found(manifest, Level.BASELINE) == [(check, field)]
    assert found(manifest, Level.RESTRICTED) == [(SUCCESSORS.get(check, check), field)]


@pytest.mark.parametrize("name", RESTRICTED)
def test_restricted_has_further_checks(name: str) -> None:
    manifest, check, field = RESTRICTED[name]
    assert found(manifest, Level.BASELINE) == []
    assert found(manifest, Level.RESTRICTED) == [(check, field)]


def test_a_container_inherits_user_and_seccomp_profile_of_the_pod() -> None:
    context = {"runAsNonRoot": None, "seccompProfile": None}
    pod_context = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert found(pod(context=context, securityContext=pod_context), Level.RESTRICTED) == []


def test_pods_of_windows_need_no_fields_of_linux() -> None:
    manifest = pod(os={"name": "windows"}, securityContext={"runAsNonRoot": True})
    manifest["spec"]["containers"][0]["securityContext"] = None
    assert found(manifest, Level.RESTRICTED) == []


def test_a_user_namespace_permits_root() -> None:
    manifest = pod(hostUsers=False, context={"runAsNonRoot": False, "runAsUser": 0})
    assert found(manifest, Level.RESTRICTED) == []


def test_every_container_list_is_checked() -> None:
    bad = {"name": "bad", "securityContext": {"privileged": True}}
    lists = ("initContainers", "containers", "ephemeralContainers")
    manifest = {"spec": {name: [bad, bad] for name in lists}}
    assert {field for _, field in found(manifest, Level.BASELINE)} == {
        f"spec.{name}[{index}].securityContext.privileged" for name in lists for index in (0, 1)
    }


def test_the_checks_are_those_of_the_newest_supported_kubernetes() -> None:
    """Fail after an update of Kubernetes, until a reader has compared the checks of its PodSecurity admission."""
    assert programs.version(programs.SOURCES["kubernetes"]).rsplit(".", 1)[0] == VERSION

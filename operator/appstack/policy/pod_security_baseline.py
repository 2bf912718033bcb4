"""Checks of the level `baseline`; each yields the paths that it forbids, with messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from appstack.policy.pod_view import Finding, PodView, listed, mapping

BASELINE_CAPABILITIES: Final = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
SAFE_SYSCTLS: Final = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
SELINUX_TYPES: Final = frozenset({"container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
PROFILE_TYPES: Final = frozenset({"RuntimeDefault", "Localhost"})
"""Types of seccomp and AppArmor profiles."""
_APPARMOR_ANNOTATION: Final = "container.apparmor.security.beta.kubernetes.io/"
_PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")
_HOOKS: Final = ("postStart", "preStop")


def host_namespaces(pod: PodView) -> Iterator[Finding]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(name):
            yield f"spec.{name}", "must not be true"


def privileged(pod: PodView) -> Iterator[Finding]:
    for path, context in pod.container_contexts:
        if context.get("privileged"):
            yield f"{path}.privileged", "must not be true"


def capabilities(pod: PodView) -> Iterator[Finding]:
    return added_capabilities(pod, BASELINE_CAPABILITIES)


def added_capabilities(pod: PodView, allowed: frozenset[str]) -> Iterator[Finding]:
    for path, context in pod.container_contexts:
        forbidden = set(mapping(context, "capabilities").get("add") or ()) - allowed
        if forbidden:  # one finding for all: containers inherit long lists
            yield f"{path}.capabilities.add", f"must not contain {listed(forbidden)}; allowed: {listed(allowed)}"


def host_path_volumes(pod: PodView) -> Iterator[Finding]:
    for index, volume in enumerate(pod.spec.get("volumes") or ()):
        if volume.get("hostPath") is not None:
            yield f"spec.volumes[{index}].hostPath", "must not be set"


def host_ports(pod: PodView) -> Iterator[Finding]:
    for path, container in pod.containers:
        for index, port in enumerate(container.get("ports") or ()):
            if port.get("hostPort"):
                yield f"{path}.ports[{index}].hostPort", "must not be set"


def probe_and_lifecycle_hosts(pod: PodView) -> Iterator[Finding]:
    for container_path, container in pod.containers:
        lifecycle = mapping(container, "lifecycle")
        handlers = [
            *((f"{container_path}.{name}", mapping(container, name)) for name in _PROBES),
            *((f"{container_path}.lifecycle.{name}", mapping(lifecycle, name)) for name in _HOOKS),
        ]
        for path, handler in handlers:
            for action in ("httpGet", "tcpSocket"):
                if mapping(handler, action).get("host"):
                    yield f"{path}.{action}.host", "must not be set"


def app_armor(pod: PodView) -> Iterator[Finding]:
    yield from forbidden_profiles(pod, "appArmorProfile")
    for key, value in mapping(mapping(pod.manifest, "metadata"), "annotations").items():
        allowed = not value or value == "runtime/default" or value.startswith("localhost/")
        if key.startswith(_APPARMOR_ANNOTATION) and not allowed:
            yield f"metadata.annotations[{key}]", f"must not be {value!r}; allowed: runtime/default, localhost/*"


def forbidden_profiles(pod: PodView, name: str) -> Iterator[Finding]:
    for path, context in pod.contexts:
        profile = context.get(name)
        if profile is not None and profile.get("type") not in PROFILE_TYPES:
            yield f"{path}.{name}.type", f"must not be {profile.get('type')!r}; allowed: {listed(PROFILE_TYPES)}"


def selinux_options(pod: PodView) -> Iterator[Finding]:
    for context_path, context in pod.contexts:
        path, options = f"{context_path}.seLinuxOptions", mapping(context, "seLinuxOptions")
        if options.get("type") and options["type"] not in SELINUX_TYPES:
            yield f"{path}.type", f"must not be {options['type']!r}; allowed: {listed(SELINUX_TYPES)}"
        for name in ("user", "role"):
            if options.get(name):
                yield f"{path}.{name}", "must not be set"


def unmasked_proc_mounts(pod: PodView) -> Iterator[Finding]:
    for path, context in pod.container_contexts:
        if context.get("procMount") not in {None, "Default"}:
            yield f"{path}.procMount", "must be Default"


def proc_mount(pod: PodView) -> Iterator[Finding]:
    return iter(()) if pod.has_user_namespace else unmasked_proc_mounts(pod)


def sysctls(pod: PodView) -> Iterator[Finding]:
    path, context = pod.own_context
    for index, sysctl in enumerate(context.get("sysctls") or ()):
        if sysctl["name"] not in SAFE_SYSCTLS:
            yield f"{path}.sysctls[{index}].name", f"must not be {sysctl['name']!r}; allowed: {listed(SAFE_SYSCTLS)}"


def seccomp(pod: PodView) -> Iterator[Finding]:
    return forbidden_profiles(pod, "seccompProfile")


def windows_host_process(pod: PodView) -> Iterator[Finding]:
    for path, context in pod.contexts:
        if mapping(context, "windowsOptions").get("hostProcess"):
            yield f"{path}.windowsOptions.hostProcess", "must not be true"

"""Checks of the level `restricted`; each yields the paths that it forbids or requires, with messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from appstack.policy.pod_security_baseline import PROFILE_TYPES, added_capabilities, forbidden_profiles
from appstack.policy.pod_view import Finding, PodView, listed, mapping

RESTRICTED_CAPABILITIES: Final = frozenset({"NET_BIND_SERVICE"})
RESTRICTED_VOLUMES: Final = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)


def volumes(pod: PodView) -> Iterator[Finding]:
    for index, volume in enumerate(pod.spec.get("volumes") or ()):
        types = {name for name, value in volume.items() if name != "name" and value is not None}
        if types and types.isdisjoint(RESTRICTED_VOLUMES):
            path = ".".join((f"spec.volumes[{index}]", *sorted(types)))
            yield path, f"must not be set; allowed volume types: {listed(RESTRICTED_VOLUMES)}"


def privilege_escalation(pod: PodView) -> Iterator[Finding]:
    if not pod.is_windows:
        for path, context in pod.container_contexts:
            if context.get("allowPrivilegeEscalation") is not False:
                yield f"{path}.allowPrivilegeEscalation", "must be false"


def run_as_non_root(pod: PodView) -> Iterator[Finding]:
    if pod.has_user_namespace:
        return
    pod_path, pod_context = pod.own_context
    default = pod_context.get("runAsNonRoot")
    if default is False:
        yield f"{pod_path}.runAsNonRoot", "must be true"
    for path, context in pod.container_contexts:
        own = context.get("runAsNonRoot")
        if own is False or (own is None and default is None):
            yield f"{path}.runAsNonRoot", "must be true, here or in the pod's securityContext"


def run_as_user(pod: PodView) -> Iterator[Finding]:
    if not pod.has_user_namespace:
        for path, context in pod.contexts:
            if context.get("runAsUser") == 0:
                yield f"{path}.runAsUser", "must not be 0"


def seccomp(pod: PodView) -> Iterator[Finding]:
    if pod.is_windows:
        return
    yield from forbidden_profiles(pod, "seccompProfile")
    if pod.own_context[1].get("seccompProfile") is not None:
        return
    message = f"must be {' or '.join(sorted(PROFILE_TYPES))}, here or in the pod's securityContext"
    for path, context in pod.container_contexts:
        if context.get("seccompProfile") is None:
            yield f"{path}.seccompProfile.type", message


def capabilities(pod: PodView) -> Iterator[Finding]:
    if pod.is_windows:
        return
    for path, context in pod.container_contexts:
        if "ALL" not in (mapping(context, "capabilities").get("drop") or ()):
            yield f"{path}.capabilities.drop", "must contain ALL"
    yield from added_capabilities(pod, RESTRICTED_CAPABILITIES)

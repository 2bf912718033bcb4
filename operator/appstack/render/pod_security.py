"""The option `podSecurity: restricted`: values that the level requires, where the spec has none."""

from __future__ import annotations

from typing import Final

from appstack.k8s.metadata import Manifest
from appstack.render.hardening import overlay_context

_CONTAINER_LISTS: Final = ("initContainers", "containers")


def with_restricted_defaults(pod: Manifest) -> Manifest:
    """Return the spec of a pod with the values that `restricted` requires in the pod and in each container.

    Values of the spec win, and nothing is added that contradicts them.
    """
    context: Manifest = pod.get("securityContext") or {}
    is_windows = (pod.get("os") or {}).get("name") == "windows"
    # The level permits root in a user namespace, and a pod with one has it to run as root.
    is_user_open = "runAsNonRoot" not in context and pod.get("hostUsers") is not False
    is_root = context.get("runAsUser") == 0

    def with_defaults(container: Manifest) -> Manifest:
        own: Manifest = container.get("securityContext") or {}
        defaults = {} if is_windows else _of_linux_container()
        container_is_root = own.get("runAsUser", context.get("runAsUser")) == 0
        if is_user_open and container_is_root is not is_root:
            defaults["runAsNonRoot"] = not container_is_root
        return _with_context(container, defaults)

    defaults: Manifest = {} if is_windows else {"seccompProfile": {"type": "RuntimeDefault"}}
    if is_user_open:
        defaults["runAsNonRoot"] = True
    lists: Manifest = {name: [with_defaults(each) for each in pod[name]] for name in _CONTAINER_LISTS if name in pod}
    return {**_with_context(pod, defaults), **lists}


def _of_linux_container() -> Manifest:
    """Return the values that a container cannot inherit from its pod."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def _with_context(owner: Manifest, defaults: Manifest) -> Manifest:
    """Return a pod or container with defaults below its securityContext."""
    context = owner.get("securityContext") or {}
    return {**owner, "securityContext": overlay_context(defaults, context)} if defaults else owner

"""Security contexts of the containers that AppStack adds: the least privileges that each of them needs."""

from __future__ import annotations

from typing import Any, Final

from appstack.api import AppStackSpec
from appstack.api.pod import Pod
from appstack.k8s.metadata import Manifest
from appstack.render.merge import overlay
from appstack.render.paths import TOKEN_PATH

NO_TOKEN_VOLUME: Final = "appstack-no-token"
NGINX_USER_ID: Final = 101  # user `nginx` in the public images, both Debian and Alpine


def overlay_context(defaults: Manifest, own: Manifest) -> Manifest:
    """Return a container's securityContext of defaults and, over them, the values of the spec.

    A default that contradicts a value of the spec is left out, because the API server or the kubelet would refuse the
    pod: no escalation for a privileged container, and no user other than root beside `runAsUser: 0`.
    """
    return overlay({name: value for name, value in defaults.items() if not _contradicts(name, value, own)}, own)


def _contradicts(name: str, default: Any, own: Manifest) -> bool:
    if name == "allowPrivilegeEscalation":
        added = (own.get("capabilities") or {}).get("add") or ()
        return default is False and bool(own.get("privileged") or "CAP_SYS_ADMIN" in added)
    return name == "runAsNonRoot" and default is True and own.get("runAsUser") == 0


def restricted() -> Manifest:
    """Return a securityContext of the `restricted` Pod Security Standard with a read-only root file system."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def as_nginx(own: Manifest) -> Manifest:
    """Return the restricted securityContext with the user of nginx, and over it that of spec.proxy.

    The public image would start as root.
    """
    defaults = {**restricted(), "runAsUser": NGINX_USER_ID, "runAsGroup": NGINX_USER_ID}
    return overlay_context(defaults, own)


def as_backend(spec: AppStackSpec) -> Manifest:
    """Return the restricted securityContext with the user of the backend, for a container of its image.

    A backend may leave the user to its image, where it is often root. The container then runs as nginx, which reads the
    same files later: it runs as root only if the spec says so.
    """
    contexts = (spec.pod.security_context, spec.backend.security_context)
    written: Manifest = {}
    for context in contexts:
        written |= context.model_dump(by_alias=True, exclude_none=True) if context else {}
    user: Manifest = {key: written[key] for key in ("runAsUser", "runAsGroup") if key in written}
    is_restricted = spec.pod_security is not None and spec.pod.host_users is not False
    default_user = {} if written.get("runAsNonRoot", is_restricted) else {"runAsUser": NGINX_USER_ID}
    return {**restricted(), **default_user, **user, "runAsNonRoot": user.get("runAsUser") != 0}


def as_root_for_ownership() -> Manifest:
    """Return the restricted securityContext with root and the two capabilities that chown and chmod need."""
    return {
        **restricted(),
        "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "FOWNER"]},
        "runAsNonRoot": False,
        "runAsUser": 0,
    }


def has_token(pod: Pod) -> bool:
    """Return whether admission would mount a ServiceAccount token into every container of the pod."""
    return pod.automount_service_account_token is not False


def no_token_mounts(pod: Pod) -> list[Manifest]:
    """Return the volumeMounts that keep the token out of a container: admission skips a path with a mount."""
    if not has_token(pod):
        return []
    return [{"name": NO_TOKEN_VOLUME, "mountPath": TOKEN_PATH, "readOnly": True}]


def no_token_volumes(pod: Pod) -> list[Manifest]:
    """Return the empty volume that `no_token_mounts` mounts."""
    return [{"name": NO_TOKEN_VOLUME, "emptyDir": {"sizeLimit": "1Mi"}}] if has_token(pod) else []

"""What the containers that AppStack writes itself are allowed: as little as they need. PURE."""

from __future__ import annotations

from typing import Final

from appstack.api.pod import Pod
from appstack.k8s.metadata import Manifest
from appstack.render.paths import TOKEN_PATH

NO_TOKEN_VOLUME: Final = "appstack-no-token"
NGINX_USER: Final = 101  # `nginx` in the public images, Debian's and Alpine's alike


def restricted() -> Manifest:
    """Return a securityContext of the `restricted` Pod Security Standard, and a read-only root besides."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def as_nginx() -> Manifest:
    """Return the same under nginx's own user: the public image would start as root."""
    return {**restricted(), "runAsNonRoot": True, "runAsUser": NGINX_USER, "runAsGroup": NGINX_USER}


def as_root_for_ownership() -> Manifest:
    """Return the same as root with the two capabilities that giving a directory away takes."""
    return {
        **restricted(),
        "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "FOWNER"]},
        "runAsNonRoot": False,
        "runAsUser": 0,
    }


def has_token(pod: Pod) -> bool:
    """Tell whether admission would mount a ServiceAccount token into every container of the pod."""
    return pod.automount_service_account_token is not False


def no_token_mounts(pod: Pod) -> list[Manifest]:
    """Return the mount that keeps the token out: admission leaves alone what is mounted there already."""
    if not has_token(pod):
        return []
    return [{"name": NO_TOKEN_VOLUME, "mountPath": TOKEN_PATH, "readOnly": True}]


def no_token_volumes(pod: Pod) -> list[Manifest]:
    """Return the empty volume for that mount."""
    return [{"name": NO_TOKEN_VOLUME, "emptyDir": {"sizeLimit": "1Mi"}}] if has_token(pod) else []

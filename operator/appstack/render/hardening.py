"""Security contexts of the containers that AppStack adds: the least privileges that each of them needs."""

from __future__ import annotations

from typing import Final

from appstack.api.pod import Pod
from appstack.k8s.metadata import Manifest
from appstack.render.paths import TOKEN_PATH

NO_TOKEN_VOLUME: Final = "appstack-no-token"
NGINX_USER_ID: Final = 101  # user `nginx` in the public images, both Debian and Alpine


def restricted() -> Manifest:
    """Return a securityContext of the `restricted` Pod Security Standard with a read-only root file system."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def as_nginx() -> Manifest:
    """Return the restricted securityContext with the user of nginx: the public image would start as root."""
    return {**restricted(), "runAsNonRoot": True, "runAsUser": NGINX_USER_ID, "runAsGroup": NGINX_USER_ID}


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

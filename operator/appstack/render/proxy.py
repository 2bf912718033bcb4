"""nginx beside the backend: the sidecar, the check before anything starts, and the static files. PURE."""

from __future__ import annotations

from typing import Final

from appstack.api.containers import PROXY, Proxy, Static
from appstack.k8s.metadata import Manifest
from appstack.k8s.quantity import amount
from appstack.render import hardening
from appstack.render.context import Context
from appstack.render.files import Files
from appstack.render.merge import overlay
from appstack.render.paths import NGINX_WRITABLE, STATIC_ROOT
from appstack.render.probes import proxy_probes, with_ports

WRITABLE_VOLUME: Final = "appstack-nginx"
HTTP_PORT: Final = "appstack-http"
HEALTH_PORT: Final = "appstack-health"
_USUAL: Final = {"cpu": "10m", "memory": "32Mi"}


def _static_volume(index: int) -> str:
    return f"appstack-static-{index}"


def _image(context: Context, proxy: Proxy) -> str:
    return proxy.image or context.settings.proxy_image


def proxy_container(context: Context, files: Files) -> Manifest | None:
    """Return nginx as a native sidecar, with what the author wrote of it laid over; None without a proxy."""
    proxy = context.spec.proxy
    if proxy is None:
        return None
    container = {
        "name": PROXY,
        "image": _image(context, proxy),
        "restartPolicy": "Always",
        # Not the image's entrypoint, whose scripts want to write to /etc/nginx.
        "command": ["nginx", "-g", "daemon off;"],
        "ports": [
            {"name": HTTP_PORT, "containerPort": proxy.port},
            {"name": HEALTH_PORT, "containerPort": proxy.health_port},
        ],
        **proxy_probes(proxy.health_port),
        "resources": {"requests": _requests(proxy)},
        "securityContext": hardening.as_nginx(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _mounts(context, proxy, files),
    }
    return overlay(container, with_ports(proxy, proxy.container_fields(), first=proxy.port))


def _requests(proxy: Proxy) -> Manifest:
    """Return what nginx asks for by default, but never more than the limit that the author sets."""
    limits = (proxy.resources and proxy.resources.limits) or {}
    return {name: usual for name, usual in _USUAL.items() if not _less(limits.get(name), usual)}


def _less(limit: str | None, usual: str) -> bool:
    return limit is not None and (amount(limit) or 0) < (amount(usual) or 0)


def nginx_check(context: Context, files: Files) -> Manifest | None:
    """Return the init container that lets nginx judge its configuration; a wrong one never replaces a pod."""
    proxy = context.spec.proxy
    if proxy is None:
        return None
    own = proxy.container_fields()
    container = {
        "name": "appstack-nginx-check",
        "image": _image(context, proxy),
        "command": ["nginx", "-t"],
        "resources": {"requests": dict(_USUAL)},
        "securityContext": hardening.as_nginx(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _mounts(context, proxy, files),
    }
    # A configuration may name what the author mounts and sets, so the check sees it too.
    seen = ("imagePullPolicy", "env", "envFrom", "volumeMounts", "securityContext")
    return overlay(container, {field: own[field] for field in seen if field in own})


def static_copies(context: Context) -> list[Manifest]:
    """Return an init container of the backend's image for each directory that is copied out of it."""
    if context.settings.image_volumes:
        return []
    return [_copy(context, index, each) for index, each in _from_image(context)]


def _copy(context: Context, index: int, static: Static) -> Manifest:
    backend = context.spec.backend
    written = backend.security_context.model_dump(by_alias=True, exclude_none=True) if backend.security_context else {}
    user = {key: written[key] for key in ("runAsUser", "runAsGroup", "runAsNonRoot") if key in written}
    copy: Manifest = {
        "name": _static_volume(index),
        "image": backend.image,
        "command": ["cp", "-R", f"{(static.from_ or '').rstrip('/')}/.", f"{STATIC_ROOT}/{index}/"],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
        "securityContext": {**hardening.restricted(), **user},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": _static_volume(index), "mountPath": f"{STATIC_ROOT}/{index}"},
            *hardening.no_token_mounts(context.spec.pod),
        ],
    }
    return {**copy, "imagePullPolicy": backend.image_pull_policy} if backend.image_pull_policy else copy


def proxy_volumes(context: Context) -> list[Manifest]:
    """Return the volumes that only AppStack's own containers mount."""
    if context.spec.proxy is None:
        return []
    volumes: list[Manifest] = [{"name": WRITABLE_VOLUME, "emptyDir": {}}]
    for index, _ in _from_image(context):
        source: Manifest = {"emptyDir": {}}
        if context.settings.image_volumes:
            backend = context.spec.backend
            policy = {"pullPolicy": backend.image_pull_policy} if backend.image_pull_policy else {}
            source = {"image": {"reference": backend.image, **policy}}
        volumes.append({"name": _static_volume(index), **source})
    return volumes


def _from_image(context: Context) -> list[tuple[int, Static]]:
    static = context.spec.proxy.static if context.spec.proxy else ()
    return [(index, each) for index, each in enumerate(static) if each.from_]


def _mounts(context: Context, proxy: Proxy, files: Files) -> list[Manifest]:
    """Return what nginx sees: its files, where it may write, what it serves; not the token."""
    writable = [
        {"name": WRITABLE_VOLUME, "mountPath": path, "subPath": path.strip("/").replace("/", "-")}
        for path in NGINX_WRITABLE
    ]
    served = [_served(context, index, each) for index, each in enumerate(proxy.static)]
    return [*files.mounts(PROXY), *writable, *served, *hardening.no_token_mounts(context.spec.pod)]


def _served(context: Context, index: int, static: Static) -> Manifest:
    mount: Manifest = {"mountPath": f"{STATIC_ROOT}/{index}", "readOnly": True}
    if static.volume:
        sub_path = {"subPath": static.sub_path} if static.sub_path else {}
        return {"name": static.volume, **mount, **sub_path}
    sub_path = {"subPath": (static.from_ or "").strip("/")} if context.settings.image_volumes else {}
    return {"name": _static_volume(index), **mount, **sub_path}

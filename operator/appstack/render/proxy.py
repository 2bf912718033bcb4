"""nginx proxy of an AppStack: sidecar, configuration check before any container starts, and static files."""

from __future__ import annotations

from typing import Final

from appstack.api.containers import PROXY, Proxy, Static
from appstack.k8s.metadata import Manifest
from appstack.k8s.quantity import parse_quantity
from appstack.render import hardening
from appstack.render.context import Context
from appstack.render.files import Files
from appstack.render.merge import overlay
from appstack.render.paths import NGINX_WRITABLE, STATIC_ROOT
from appstack.render.probes import proxy_probes, with_ports

WRITABLE_VOLUME: Final = "appstack-nginx"
HTTP_PORT: Final = "appstack-http"
HEALTH_PORT: Final = "appstack-health"
_DEFAULT_REQUESTS: Final = {"cpu": "10m", "memory": "32Mi"}


def _static_volume(index: int) -> str:
    return f"appstack-static-{index}"


def _image(context: Context, proxy: Proxy) -> str:
    return proxy.image or context.settings.proxy_image


def proxy_container(context: Context, files: Files) -> Manifest | None:
    """Return nginx as a native sidecar with the fields of spec.proxy merged over it; None without a proxy."""
    proxy = context.spec.proxy
    if proxy is None:
        return None
    own = proxy.container_fields()
    container = {
        "name": proxy.name,
        "image": _image(context, proxy),
        "restartPolicy": "Always",
        # Replaces the entrypoint of the image: its scripts write to /etc/nginx, which is read-only.
        "command": ["nginx", "-g", "daemon off;"],
        "ports": [
            {"name": HTTP_PORT, "containerPort": proxy.port},
            {"name": HEALTH_PORT, "containerPort": proxy.health_port},
        ],
        **proxy_probes(context, proxy.health_port),
        "resources": {"requests": _requests(proxy)},
        "securityContext": hardening.as_nginx(own.get("securityContext", {})),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _volume_mounts(context, proxy, files),
    }
    return overlay(container, with_ports(proxy, proxy.container_fields(), default=proxy.port))


def _requests(proxy: Proxy) -> Manifest:
    """Return the default requests of nginx, without those above a limit of the spec: the API server rejects them."""
    limits = (proxy.resources and proxy.resources.limits) or {}
    return {name: request for name, request in _DEFAULT_REQUESTS.items() if not _is_below(limits.get(name), request)}


def _is_below(limit: str | None, request: str) -> bool:
    return limit is not None and (parse_quantity(limit) or 0) < (parse_quantity(request) or 0)


def nginx_check(context: Context, files: Files) -> Manifest | None:
    """Return the init container that runs `nginx -t`, so a pod with an invalid configuration never becomes ready."""
    proxy = context.spec.proxy
    if proxy is None:
        return None
    own = proxy.container_fields()
    container = {
        "name": "appstack-nginx-check",
        "image": _image(context, proxy),
        "command": ["nginx", "-t"],
        "resources": {"requests": dict(_DEFAULT_REQUESTS)},
        "securityContext": hardening.as_nginx(own.get("securityContext", {})),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _volume_mounts(context, proxy, files),
    }
    # The configuration may refer to mounts and environment variables of the proxy, so the check gets them too.
    shared = ("imagePullPolicy", "env", "envFrom", "volumeMounts", "securityContext")
    return overlay(container, {field: own[field] for field in shared if field in own})


def static_copies(context: Context) -> list[Manifest]:
    """Return one init container of the backend's image for each directory that is copied out of that image."""
    if context.settings.image_volumes:
        return []
    return [_static_copy(context, index, static) for index, static in _from_image(context)]


def _static_copy(context: Context, index: int, static: Static) -> Manifest:
    backend = context.spec.backend
    container: Manifest = {
        "name": _static_volume(index),
        "image": backend.image,
        # -f: after a restart of the node, a second run replaces read-only files of the first.
        "command": ["cp", "-Rf", f"{(static.from_ or '').rstrip('/')}/.", f"{STATIC_ROOT}/{index}/"],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
        "securityContext": hardening.as_backend(context.spec),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": _static_volume(index), "mountPath": f"{STATIC_ROOT}/{index}"},
            *hardening.no_token_mounts(context.spec.pod),
        ],
    }
    return {**container, "imagePullPolicy": backend.image_pull_policy} if backend.image_pull_policy else container


def proxy_volumes(context: Context) -> list[Manifest]:
    """Return the volumes that only containers of AppStack mount."""
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
    statics = context.spec.proxy.static if context.spec.proxy else ()
    return [(index, static) for index, static in enumerate(statics) if static.from_]


def _volume_mounts(context: Context, proxy: Proxy, files: Files) -> list[Manifest]:
    """Return the mounts of nginx: its files, its writable directories, the static files, and no token."""
    writable = [
        {"name": WRITABLE_VOLUME, "mountPath": path, "subPath": path.strip("/").replace("/", "-")}
        for path in NGINX_WRITABLE
    ]
    statics = [_static_mount(context, index, static) for index, static in enumerate(proxy.static)]
    return [*files.mounts(PROXY), *writable, *statics, *hardening.no_token_mounts(context.spec.pod)]


def _static_mount(context: Context, index: int, static: Static) -> Manifest:
    mount: Manifest = {"mountPath": f"{STATIC_ROOT}/{index}", "readOnly": True}
    if static.volume:
        sub_path = {"subPath": static.sub_path} if static.sub_path else {}
        return {"name": static.volume, **mount, **sub_path}
    sub_path = {"subPath": (static.from_ or "").strip("/")} if context.settings.image_volumes else {}
    return {"name": _static_volume(index), **mount, **sub_path}

"""nginx proxy of an AppStack: sidecar, configuration check before any container starts, and static files."""

from __future__ import annotations

from typing import Final

from appstack.api.containers import PROXY
from appstack.api.proxy import Proxy, Static
from appstack.k8s.metadata import Manifest
from appstack.k8s.quantity import parse_quantity
from appstack.render import hardening
from appstack.render.context import Context
from appstack.render.files import Files
from appstack.render.merge import overlay
from appstack.render.paths import CHECK_CONF, NGINX_WRITABLE, STATIC_ROOT, TLS_DIR
from appstack.render.probes import proxy_probes, with_ports

WRITABLE_VOLUME: Final = "appstack-nginx"
HTTP_PORT: Final = "appstack-http"
HTTPS_PORT: Final = "appstack-https"
HEALTH_PORT: Final = "appstack-health"
TLS_VOLUME: Final = "appstack-tls"
# Takes the source and the target. After a restart of the node, a second run replaces read-only files of the first (-f).
# The files may be readable by their owner only, and nginx has a user of its own.
_COPY_SCRIPT: Final = """\
cp -Rf "$1/." "$2/"
for each in "$2"/* "$2"/.[!.]* "$2"/..?*; do
    if [ -e "$each" ] && [ ! -L "$each" ]; then chmod -R a+rX "$each"; fi
done"""
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
            *([{"name": HTTPS_PORT, "containerPort": proxy.tls.port}] if proxy.tls else []),
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
        "command": ["nginx", "-t", *(["-c", CHECK_CONF] if proxy.tls else [])],
        "resources": {"requests": dict(_DEFAULT_REQUESTS)},
        "securityContext": hardening.as_nginx(own.get("securityContext", {})),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _volume_mounts(context, proxy, files),
    }
    # The configuration may refer to mounts and environment variables of the proxy, so the check gets them too.
    shared = ("imagePullPolicy", "env", "envFrom", "volumeMounts", "securityContext")
    return overlay(container, {field: own[field] for field in shared if field in own})


def static_copies(context: Context) -> list[Manifest]:
    """Return one init container for each directory that is copied out of an image."""
    if context.settings.image_volumes:
        return []
    return [_static_copy(context, index, static) for index, static in _from_image(context)]


def _static_copy(context: Context, index: int, static: Static) -> Manifest:
    source = (static.from_ or "").rstrip("/")
    container: Manifest = {
        "name": _static_volume(index),
        **_static_image(context, static, policy="imagePullPolicy", image="image"),
        "command": ["sh", "-ec", _COPY_SCRIPT, "copy", source, f"{STATIC_ROOT}/{index}"],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
        "securityContext": hardening.as_backend(context.spec) if static.image is None else hardening.as_nginx({}),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": _static_volume(index), "mountPath": f"{STATIC_ROOT}/{index}"},
            *hardening.no_token_mounts(context.spec.pod),
        ],
    }
    return container


def _static_image(context: Context, static: Static, *, image: str, policy: str) -> Manifest:
    """Return the image of static files, and the backend's pull policy for the backend's image, as these fields."""
    if static.image is not None:
        return {image: static.image}
    backend = context.spec.backend
    return {image: backend.image, **({policy: backend.image_pull_policy} if backend.image_pull_policy else {})}


def proxy_volumes(context: Context) -> list[Manifest]:
    """Return the volumes that only containers of AppStack mount."""
    if context.spec.proxy is None:
        return []
    volumes: list[Manifest] = [{"name": WRITABLE_VOLUME, "emptyDir": {}}]
    if context.spec.proxy.tls is not None:
        secret = {"secretName": context.spec.proxy.tls.secret_name, "defaultMode": 0o444}
        volumes.append({"name": TLS_VOLUME, "secret": secret})
    for index, static in _from_image(context):
        source: Manifest = {"emptyDir": {}}
        if context.settings.image_volumes:
            source = {"image": _static_image(context, static, image="reference", policy="pullPolicy")}
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
    tls = [{"name": TLS_VOLUME, "mountPath": TLS_DIR, "readOnly": True}] if proxy.tls else []
    socket = [context.socket.volume_mount()] if context.socket else []
    return [*files.mounts(PROXY), *writable, *statics, *tls, *socket, *hardening.no_token_mounts(context.spec.pod)]


def _static_mount(context: Context, index: int, static: Static) -> Manifest:
    mount: Manifest = {"mountPath": f"{STATIC_ROOT}/{index}", "readOnly": True}
    if static.volume:
        sub_path = {"subPath": static.sub_path} if static.sub_path else {}
        return {"name": static.volume, **mount, **sub_path}
    sub_path = {"subPath": (static.from_ or "").strip("/")} if context.settings.image_volumes else {}
    return {"name": _static_volume(index), **mount, **sub_path}

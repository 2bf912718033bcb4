"""The pod: every container at its place of the start order, every volume, and the rest as written. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from appstack.api.containers import BACKEND, InitContainer, Sidecar, SidecarRole
from appstack.api.volumes import NodeCache
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from appstack.render import hardening
from appstack.render.context import Context
from appstack.render.draining import drained, ready_when_listening
from appstack.render.files import Files
from appstack.render.merge import overlay
from appstack.render.paths import CACHE_ROOT
from appstack.render.probes import through_proxy, with_ports
from appstack.render.proxy import nginx_check, proxy_container, proxy_volumes, static_copies

_NOT_INHERITED: Final = (
    "name",
    "ports",
    "startupProbe",
    "livenessProbe",
    "readinessProbe",
    "lifecycle",
    "resources",
    "resizePolicy",
    "command",
    "args",
)
_OWN_TYPE_ONLY: Final = frozenset({"role", "native"})

# Every argument is one of ours: owner, mode and directory, for each cache.
_GIVE_AWAY: Final = 'while [ $# -gt 0 ]; do chown "$1" "$3"; chmod "$2" "$3"; shift 3; done'


def pod_template(context: Context, files: Files, *, led_to: bool) -> Manifest:
    """Return the pod template of whatever kind of workload the stack is; `led_to`: a Service leads to it."""
    spec = context.spec
    extra = spec.pod.metadata
    revision = {meta.FILES_LABEL: files.revision} if files.revision else {}
    metadata: Manifest = {"labels": {**((extra and extra.labels) or {}), **meta.labels(context.name), **revision}}
    if extra and extra.annotations:
        metadata["annotations"] = extra.annotations
    written = spec.pod.dump()
    written.pop("metadata", None)
    account = spec.service_account
    if account is not None:
        written["serviceAccountName"] = account.name or context.name
    starts = [*_ambassadors(context, files), *_before(context, files)]
    runs = [
        _backend(context, files, led_to=led_to),
        *(_sidecar(context, files, each) for each in spec.sidecars if not each.native),
    ]
    default = spec.workload.chosen.RESTART_POLICY
    if default:
        written.setdefault("restartPolicy", default)
    pod = {
        **written,
        "initContainers": [*_prepared(context, files, users=[*starts, *runs]), *starts],
        "containers": runs,
        "volumes": _volumes(context, files),
    }
    return {"metadata": metadata, "spec": {key: value for key, value in pod.items() if value != []}}


def _prepared(context: Context, files: Files, *, users: Sequence[Manifest]) -> list[Manifest]:
    """Return AppStack's own preparation, first of all; the check before all else, for nothing may start without."""
    own = [nginx_check(context, files), _cache_preparation(context, users), *static_copies(context)]
    return [container for container in own if container]


def _ambassadors(context: Context, files: Files) -> list[Manifest]:
    return [_sidecar(context, files, each) for each in context.spec.sidecars if _early(each)]


def _early(sidecar: Sidecar) -> bool:
    return sidecar.native and sidecar.role is SidecarRole.AMBASSADOR


def _before(context: Context, files: Files) -> list[Manifest]:
    """Return what runs between the ambassadors and the backend."""
    proxy = proxy_container(context, files)
    return [
        *(_inheriting(context, files, each) for each in context.spec.init_containers),
        *([proxy] if proxy else []),
        *(_sidecar(context, files, each) for each in context.spec.sidecars if each.native and not _early(each)),
    ]


def _backend(context: Context, files: Files, *, led_to: bool) -> Manifest:
    backend = context.spec.backend
    fields = through_proxy(context, with_ports(backend, backend.dump()))
    fields = drained(context, ready_when_listening(context, fields, led_to=led_to), led_to=led_to)
    return _with_mounts(fields, files.mounts(BACKEND))


def _sidecar(context: Context, files: Files, sidecar: Sidecar) -> Manifest:
    container = _inheriting(context, files, sidecar)
    return {**container, "restartPolicy": "Always"} if sidecar.native else container


def _inheriting(context: Context, files: Files, container: InitContainer | Sidecar) -> Manifest:
    """Return a container; without an image it is the backend in another role."""
    own = {name: value for name, value in container.dump().items() if name not in _OWN_TYPE_ONLY}
    inherits = container.image is None
    if inherits:
        backend = context.spec.backend.dump()
        own = overlay({key: value for key, value in backend.items() if key not in _NOT_INHERITED}, own)
    return _with_mounts(with_ports(container, own), files.mounts(container.name, inherits=inherits))


def _with_mounts(container: Manifest, mounts: list[Manifest]) -> Manifest:
    """Return one of the author's containers with its files, and with last words that status can quote."""
    every = [*container.get("volumeMounts", []), *mounts]
    spoken = {"terminationMessagePolicy": "FallbackToLogsOnError", **container}
    return {**spoken, "volumeMounts": every} if every else spoken


def _volumes(context: Context, files: Files) -> list[Manifest]:
    own = proxy_volumes(context)
    ours_run = own or any(volume.node_cache for volume in context.spec.volumes)
    entries = [(each.name, each.kind.entry(each.name, context.place)) for each in context.spec.volumes]
    return [
        *({"name": name, **entry} for name, entry in entries if entry is not None),
        *files.volumes,
        *own,
        *(hardening.no_token_volumes(context.spec.pod) if ours_run else []),
    ]


def _cache_preparation(context: Context, users: Sequence[Manifest]) -> Manifest | None:
    """Return the container that gives the node caches to the pod's user; None where there are none."""
    caches = [volume.name for volume in context.spec.volumes if isinstance(volume.kind, NodeCache)]
    if not caches:
        return None
    gifts = [word for name in caches for word in (*_owner_and_mode(context, users, name), f"{CACHE_ROOT}/{name}")]
    return {
        "name": "appstack-cache",
        "image": context.settings.helper_image,
        "command": ["sh", "-ec", _GIVE_AWAY, "appstack-cache"],
        "args": gifts,
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
        "securityContext": hardening.as_root_for_ownership(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            *({"name": name, "mountPath": f"{CACHE_ROOT}/{name}"} for name in caches),
            *hardening.no_token_mounts(context.spec.pod),
        ],
    }


def _owner_and_mode(context: Context, users: Sequence[Manifest], volume: str) -> tuple[str, str]:
    """Return whom a cache is given to: the one user that mounts it, or everybody in the pod where that is unknown.

    Only this stack's pods of this namespace are ever led to the directory, so an open mode opens it to nobody else.
    """
    pod = context.spec.pod.security_context
    default = pod.run_as_user if pod else None
    found = {
        each.get("securityContext", {}).get("runAsUser", default)
        for each in users
        if any(mount["name"] == volume for mount in each.get("volumeMounts", []))
    }
    user = found.pop() if len(found) == 1 else None
    if user is None:
        return "0:0", "0777"
    group = (pod and (pod.fs_group or pod.run_as_group)) or 0
    return f"{user}:{group}", "0770"

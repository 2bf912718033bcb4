"""Pod template of an AppStack: containers in start order, volumes, and the pod fields of the spec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from appstack.api.containers import BACKEND, InitContainer, Sidecar, SidecarRole
from appstack.api.volumes import NodeCache
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from appstack.render import hardening
from appstack.render.context import Context
from appstack.render.draining import with_default_readiness, with_pre_stop
from appstack.render.files import Files
from appstack.render.merge import overlay
from appstack.render.paths import CACHE_ROOT
from appstack.render.pod_security import with_restricted_defaults
from appstack.render.probes import through_proxy, with_ports
from appstack.render.proxy import nginx_check, proxy_container, proxy_volumes, static_copies
from appstack.render.socket import with_socket_group

NOT_INHERITED: Final = (
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
_APPSTACK_FIELDS: Final = frozenset({"role", "native"})  # fields of a sidecar that Kubernetes' Container has not

# Takes three arguments for each cache, none of them text of the user: owner, mode and directory.
_CHOWN_SCRIPT: Final = 'while [ $# -gt 0 ]; do chown "$1" "$3"; chmod "$2" "$3"; shift 3; done'


def pod_template(context: Context, files: Files, *, exposed_by: Sequence[Manifest]) -> Manifest:
    """Return the pod template, the same for every kind of workload; `exposed_by` are the Services of the pods."""
    spec = context.spec
    extra = spec.pod.metadata
    revision = {meta.FILES_LABEL: files.revision} if files.revision else {}
    metadata: Manifest = {"labels": {**meta.labels(context.name, extra.labels if extra else None), **revision}}
    if extra and extra.annotations:
        metadata["annotations"] = extra.annotations
    pod_fields = spec.pod.dump()
    pod_fields.pop("metadata", None)
    pod_fields = with_socket_group(spec, pod_fields)
    account = spec.service_account
    if account is not None:
        pod_fields["serviceAccountName"] = account.name or context.name
    init_containers = [*_ambassadors(context, files), *_init_containers(context, files)]
    containers = [
        _backend(context, files, exposed_by),
        *(_sidecar(context, files, sidecar) for sidecar in spec.sidecars if not sidecar.native),
    ]
    restart_policy = spec.workload.chosen.RESTART_POLICY
    if restart_policy:
        pod_fields.setdefault("restartPolicy", restart_policy)
    preparation = _preparation(context, files, users=[*init_containers, *containers])
    pod = {
        **pod_fields,
        "initContainers": [*preparation, *init_containers],
        "containers": containers,
        "volumes": _volumes(context, files),
    }
    pod = {key: value for key, value in pod.items() if value != []}
    return {"metadata": metadata, "spec": with_restricted_defaults(pod) if spec.pod_security else pod}


def _preparation(context: Context, files: Files, *, users: Sequence[Manifest]) -> list[Manifest]:
    """Return the init containers of AppStack, which run first; the configuration check precedes all others."""
    own = [nginx_check(context, files), _cache_preparation(context, users), *static_copies(context)]
    return [container for container in own if container]


def _ambassadors(context: Context, files: Files) -> list[Manifest]:
    return [_sidecar(context, files, sidecar) for sidecar in context.spec.sidecars if _is_ambassador(sidecar)]


def _is_ambassador(sidecar: Sidecar) -> bool:
    return sidecar.native and sidecar.role is SidecarRole.AMBASSADOR


def _init_containers(context: Context, files: Files) -> list[Manifest]:
    """Return the init containers and native sidecars that start after the ambassadors and before the backend."""
    proxy = proxy_container(context, files)
    return [
        *(_with_inherited_fields(context, files, container) for container in context.spec.init_containers),
        *([proxy] if proxy else []),
        *(
            _sidecar(context, files, sidecar)
            for sidecar in context.spec.sidecars
            if sidecar.native and not _is_ambassador(sidecar)
        ),
    ]


def _backend(context: Context, files: Files, exposed_by: Sequence[Manifest]) -> Manifest:
    backend = context.spec.backend
    fields = through_proxy(context, with_ports(backend, context.backend_fields))
    fields = with_default_readiness(context, fields, exposed_by)
    fields = with_pre_stop(context, fields, exposed=bool(exposed_by))
    return _with_mounts(fields, files.mounts(BACKEND))


def _sidecar(context: Context, files: Files, sidecar: Sidecar) -> Manifest:
    container = _with_inherited_fields(context, files, sidecar)
    return {**container, "restartPolicy": "Always"} if sidecar.native else container


def _with_inherited_fields(context: Context, files: Files, container: InitContainer | Sidecar) -> Manifest:
    """Return a container; one without an image inherits image and other fields of the backend."""
    own = {name: value for name, value in container.dump().items() if name not in _APPSTACK_FIELDS}
    inherits = container.image is None
    if inherits:
        backend = context.backend_fields.items()
        own = overlay({key: value for key, value in backend if key not in NOT_INHERITED}, own)
    return _with_mounts(with_ports(container, own), files.mounts(container.name, inherits=inherits))


def _with_mounts(container: Manifest, mounts: list[Manifest]) -> Manifest:
    """Return a container of the spec with its file mounts, and with a termination message that status can report."""
    volume_mounts = [*container.get("volumeMounts", []), *mounts]
    fields = {"terminationMessagePolicy": "FallbackToLogsOnError", **container}
    return {**fields, "volumeMounts": volume_mounts} if volume_mounts else fields


def _volumes(context: Context, files: Files) -> list[Manifest]:
    own = proxy_volumes(context)
    has_own_containers = own or any(volume.node_cache for volume in context.spec.volumes)
    sources = [
        (volume.name, volume.kind.volume_source(volume.name, context.volume_context)) for volume in context.spec.volumes
    ]
    return [
        *({"name": name, **source} for name, source in sources if source is not None),
        *files.volumes,
        *own,
        *(hardening.no_token_volumes(context.spec.pod) if has_own_containers else []),
    ]


def _cache_preparation(context: Context, users: Sequence[Manifest]) -> Manifest | None:
    """Return the init container that changes the owner of node caches to the pod's user; None without node caches."""
    caches = [volume.name for volume in context.spec.volumes if isinstance(volume.kind, NodeCache)]
    if not caches:
        return None
    users_by_volume = _users_by_volume(context, users)
    chown_args = [
        argument
        for name in caches
        for argument in (*_owner_and_mode(context, users_by_volume.get(name, set())), f"{CACHE_ROOT}/{name}")
    ]
    return {
        "name": "appstack-cache",
        "image": context.settings.helper_image,
        "command": ["sh", "-ec", _CHOWN_SCRIPT, "appstack-cache"],
        "args": chown_args,
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
        "securityContext": hardening.as_root_for_ownership(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            *({"name": name, "mountPath": f"{CACHE_ROOT}/{name}"} for name in caches),
            *hardening.no_token_mounts(context.spec.pod),
        ],
    }


def _users_by_volume(context: Context, containers: Sequence[Manifest]) -> dict[str, set[int | None]]:
    """Return the users of the containers that mount each volume, by its name; None is the user of an image."""
    pod = context.spec.pod.security_context
    default_user = pod.run_as_user if pod else None
    users: dict[str, set[int | None]] = {}
    for container in containers:
        user = container.get("securityContext", {}).get("runAsUser", default_user)
        for name in {mount["name"] for mount in container.get("volumeMounts", ())}:
            users.setdefault(name, set()).add(user)
    return users


def _owner_and_mode(context: Context, users: set[int | None]) -> tuple[str, str]:
    """Return owner and mode of a cache: of the one user whose containers mount it, else open to every user.

    Only pods of this AppStack in this namespace mount the directory, so an open mode gives access to no others.
    """
    user = next(iter(users)) if len(users) == 1 else None
    if user is None:
        return "0:0", "0777"
    pod = context.spec.pod.security_context
    group = (pod and (pod.fs_group or pod.run_as_group)) or 0
    return f"{user}:{group}", "0770"

"""Conversion of a pod template: containers, and the other fields of the pod."""

from __future__ import annotations

from typing import Any, Final

from appstack.api.containers import BACKEND, PROXY
from appstack.convert import api_defaults, inheritance
from appstack.convert.draft import Draft
from appstack.convert.labels import take_metadata
from appstack.convert.notes import NoteKind
from appstack.convert.proxy import convert_proxy
from appstack.convert.volumes import PodVolumes
from appstack.k8s.metadata import RESERVED_PREFIX, Manifest

_DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"
_RUN_ONCE: Final = ("Job", "CronJob")


def convert_pod(draft: Draft) -> None:
    """Convert the pod template of the workload."""
    group = draft.group
    containers = group.take("spec.containers") or []
    if not containers:
        path = group.path("spec.containers")
        draft.note(NoteKind.REQUIRED, f"{group.workload} {path}", "spec.backend", "the pod has no container")
        containers = [{"name": BACKEND}]
    if group.workload.is_live:
        _drop_injected(draft, containers)
    convert_proxy(draft, containers)
    position = _backend_position(draft, containers)
    converted = [_container(draft, each, f"spec.containers[{index}]") for index, each in enumerate(containers)]
    init = [
        _container(draft, each, f"spec.initContainers[{index}]")
        for index, each in enumerate(group.take("spec.initContainers") or [])
    ]
    volumes = PodVolumes(draft)
    volumes.convert([*init, *converted])
    backend = converted.pop(position)
    if position:
        path = group.path(f"spec.containers[{position}]")
        draft.note(NoteKind.CHANGED, f"{group.workload} {path}", "spec.backend", "is now the first container")
    backend_name = backend["name"]
    init, native = _trailing_sidecars(init)
    ordinary = [{**each, "native": False} for each in converted]
    _rename_reserved(draft, backend_name, [*init, *native, *ordinary])
    volumes.rename_container(backend_name, BACKEND)
    draft.set("backend", backend)
    draft.set("initContainers", init)
    draft.set("sidecars", [*native, *ordinary])
    draft.set("files", volumes.files)
    draft.set("volumes", volumes.volumes)
    inheritance.shorten(draft)
    if backend_name == BACKEND:
        del backend["name"]
    _pod_fields(draft)


def _drop_injected(draft: Draft, containers: list[Manifest]) -> None:
    """Drop the volume and the tolerations that admission adds to a pod."""
    group = draft.group
    volumes = group.get("spec.volumes") or []
    injected = {each["name"] for each in volumes if each["name"].startswith("kube-api-access-")}
    volumes[:] = [each for each in volumes if each["name"] not in injected]
    for container in (*containers, *(group.get("spec.initContainers") or [])):
        mounts = container.get("volumeMounts") or []
        mounts[:] = [each for each in mounts if each["name"] not in injected]
    if group.workload.kind == "Pod":
        for name in ("priority", "preemptionPolicy"):
            group.take(f"spec.{name}")
        tolerations = group.get("spec.tolerations") or []
        tolerations[:] = [each for each in tolerations if not _is_injected_toleration(each)]


def _is_injected_toleration(toleration: Manifest) -> bool:
    keys = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    return toleration.get("key") in keys and toleration.get("tolerationSeconds") == 300


def _backend_position(draft: Draft, containers: list[Manifest]) -> int:
    """Return the index of the main container: the one that kubectl uses by default."""
    annotations = draft.group.get("metadata.annotations") or {}
    names = [each.get("name") for each in containers]
    default = annotations.get(_DEFAULT_CONTAINER)
    return names.index(default) if default in names else 0


def _container(draft: Draft, container: Manifest, path: str) -> Manifest:
    """Return a container in its shortest form, with a note for each change of meaning."""
    short = api_defaults.short_container(container)
    if draft.group.get("spec.hostNetwork"):
        for port in short.get("ports", []):
            if port.get("hostPort") == port.get("containerPort"):
                del port["hostPort"]  # the API server sets it on the network of the host
    _merge_ports(draft, short, path)
    env = short.get("env") or []
    last = {each.get("name"): index for index, each in enumerate(env)}
    if len(last) < len(env):
        short["env"] = [each for index, each in enumerate(env) if last[each.get("name")] == index]
        names = sorted({str(each["name"]) for index, each in enumerate(env) if last[each["name"]] != index})
        message = f"{', '.join(names)}: set more than once, the last entry takes effect"
        draft.pod_note(NoteKind.CHANGED, f"{path}.env", "", message)
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        _shorten_port(draft, short, short.get(name))
    for handler in (short.get("lifecycle") or {}).values():
        _shorten_port(draft, short, handler)
    return short


def _merge_ports(draft: Draft, container: Manifest, path: str) -> None:
    """Keep one entry for each port and protocol: a server-side apply refuses a second one with another name."""
    entries: dict[Any, Manifest] = {}
    for port in container.get("ports") or []:
        first = entries.setdefault((port.get("containerPort"), port.get("protocol", "TCP")), port)
        if first is not port:
            number = port.get("containerPort")
            message = f"{number} has the name {first.get('name')!r} already; {port.get('name')!r} becomes the number"
            draft.pod_note(NoteKind.CHANGED, f"{path}.ports", "", message)
            draft.port_aliases[port.get("name")] = int(number or 0)
    if len(entries) < len(container.get("ports") or []):
        container["ports"] = list(entries.values())


def _shorten_port(draft: Draft, container: Manifest, handler: Any) -> None:
    """Remove the port of a probe or handler if it is the first port of the container, AppStack's default."""
    ports = container.get("ports") or []
    if not ports or not isinstance(handler, dict):
        return
    first = ports[0]
    for action in ("httpGet", "tcpSocket"):
        target = handler.get(action)
        if isinstance(target, dict) and target.get("port") in draft.port_aliases:
            target["port"] = draft.port_aliases[target["port"]]
        if isinstance(target, dict) and target.get("port") in (first.get("containerPort"), first.get("name")):
            del target["port"]


def _trailing_sidecars(init: list[Manifest]) -> tuple[list[Manifest], list[Manifest]]:
    """Split the init containers: native sidecars after the last ordinary one start at the same place as `sidecars`."""
    count = len(init)
    while count and init[count - 1].get("restartPolicy") == "Always":
        count -= 1
    native = [{key: value for key, value in each.items() if key != "restartPolicy"} for each in init[count:]]
    return init[:count], native


def _rename_reserved(draft: Draft, backend_name: str, others: list[Manifest]) -> None:
    """Rename containers that have a name which AppStack reserves."""
    for container in others:
        name = str(container.get("name"))
        if name in (BACKEND, PROXY) or name.startswith(RESERVED_PREFIX):
            new = f"{name.removeprefix(RESERVED_PREFIX)}-container"
            container["name"] = new
            draft.pod_note(
                NoteKind.CHANGED, f"spec.containers[{name}].name", "", f"becomes {new!r}: AppStack reserves {name!r}"
            )
    if backend_name == PROXY or backend_name.startswith(RESERVED_PREFIX):
        draft.pod_note(
            NoteKind.CHANGED, f"spec.containers[{backend_name}].name", "spec.backend.name", "AppStack reserves it"
        )


def _pod_fields(draft: Draft) -> None:
    """Convert the metadata of the pods and the remaining fields of the PodSpec."""
    group = draft.group
    metadata = take_metadata(draft, group.workload, group.path("metadata"))
    fields: Manifest = {}
    for key in list(group.get("spec") or {}):
        if key not in ("serviceAccountName", "serviceAccount"):
            fields[key] = group.take(f"spec.{key}")
    short = api_defaults.short_pod(fields)
    if group.workload.kind in _RUN_ONCE and short.get("restartPolicy") == "OnFailure":
        del short["restartPolicy"]
    for name in ("name", "namespace", "generateName"):
        group.take(f"metadata.{name}")
    draft.set("pod", {**({"metadata": metadata} if metadata else {}), **short})

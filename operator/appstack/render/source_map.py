"""Source map from fields of rendered objects to the fields of the AppStack that define them, for error messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from appstack.k8s.metadata import RESERVED_PREFIX, Manifest

# A bracketed name has at most 317 characters (an annotation key); without a bound, nested brackets take seconds.
_FIELD_PATH: Final = re.compile(r"\b(?:spec|metadata)(?:\.\w+|\[[^\][\s]{0,320}\])+")
_LIST_ITEM: Final = re.compile(r"(?P<list>initContainers|containers|volumes)\[(?P<index>\d+)\](?P<rest>.*)")

_INGRESS_HOST: Final = re.compile(r"spec\.(?:rules\[(?P<rule>\d+)\]\.host|tls\[\d+\]\.hosts\[(?P<tls>\d+)\])")
_SPEC_ITEM: Final = re.compile(r"spec\.(?P<proxy>proxy\.)?(?P<name>\w+)(?:\[(?P<index>\d+)\])?")
_KEYED_ITEM: Final = re.compile(r"\.(?P<list>volumeMounts|volumeDevices|ports|env)\[(?P<index>\d+)\](?P<rest>.*)")
_ITEM_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "protocol"),
    "env": ("name",),
}
_KEY_DEFAULTS: Final = {"protocol": "TCP"}


def _metadata(field: str) -> tuple[tuple[str, str], ...]:
    """Return the sources of the labels and annotations of an object, which the author writes below `field`."""
    return tuple((f"metadata.{name}", f"{field}.metadata.{name}") for name in ("labels", "annotations"))


_SOURCES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "Deployment": (("spec.template", ""), ("spec", "spec.workload.deployment"), *_metadata("spec.workload")),
    "StatefulSet": (("spec.template", ""), ("spec", "spec.workload.statefulSet"), *_metadata("spec.workload")),
    "DaemonSet": (("spec.template", ""), ("spec", "spec.workload.daemonSet"), *_metadata("spec.workload")),
    "Job": (("spec.template", ""), ("spec", "spec.workload.job"), *_metadata("spec.workload")),
    "CronJob": (
        ("spec.jobTemplate.spec.template", ""),
        ("spec.jobTemplate.spec", "spec.workload.job"),
        ("spec", "spec.workload.cronJob"),
        *_metadata("spec.workload"),
    ),
    "Pod": (("", ""),),
    "Service": (("spec", "spec.service"), *_metadata("spec.service")),
    "ServiceAccount": _metadata("spec.serviceAccount"),
    "Ingress": (("spec", "spec.ingress"), *_metadata("spec.ingress")),
    "HTTPRoute": (("spec", "spec.httpRoute"), *_metadata("spec.httpRoute")),
    "ServiceMonitor": (("spec", "spec.serviceMonitor"), *_metadata("spec.serviceMonitor")),
    "HorizontalPodAutoscaler": (("spec", "spec.autoscaling"), *_metadata("spec.autoscaling")),
    "PodDisruptionBudget": (("spec", "spec.podDisruptionBudget"), *_metadata("spec.podDisruptionBudget")),
    "NetworkPolicy": _metadata("spec.networkPolicy"),
}
"""By kind: prefixes of rendered fields with their sources, the longest first; an empty source marks a pod template."""

_INHERITING: Final = ("spec.initContainers[", "spec.sidecars[")

_GENERATED_CONTAINERS: Final = {
    f"{RESERVED_PREFIX}nginx-check": "spec.proxy",
    f"{RESERVED_PREFIX}cache": "spec.volumes",
}


def translate_field_paths(message: str, manifest: Manifest, spec: Mapping[str, Any]) -> str:
    """Return an API server's message about a manifest with the field paths of the AppStack's spec."""
    return _FIELD_PATH.sub(lambda match: author_field(match[0], manifest, spec) or match[0], message)


def author_field(field: str, manifest: Manifest, spec: Mapping[str, Any]) -> str:
    """Return the field of the AppStack's spec that defines a manifest's field; empty where there is none."""
    host = _INGRESS_HOST.fullmatch(field) if manifest["kind"] == "Ingress" else None
    if host is not None:
        return f"spec.ingress.hosts[{host['rule'] or host['tls']}]"
    for prefix, source in _SOURCES.get(manifest["kind"], ()):
        if prefix and not field.startswith((f"{prefix}.", f"{prefix}[")):
            continue
        if source:
            return _of_further_service(source, manifest, spec) + field.removeprefix(prefix)
        pod = manifest
        for part in prefix.split(".") if prefix else ():
            pod = pod[part]
        return _pod_source(field.removeprefix(f"{prefix}."), pod.get("spec") or {}, spec)
    return ""


def _of_further_service(source: str, manifest: Manifest, spec: Mapping[str, Any]) -> str:
    """Return the source with the entry of `services` in place of `service` if the manifest is that of an entry."""
    names = [entry.get("name") for entry in spec.get("services") or () if manifest["kind"] == "Service"]
    name = manifest["metadata"]["name"]
    return source.replace("spec.service", f"spec.services[{names.index(name)}]", 1) if name in names else source


def _pod_source(field: str, pod_spec: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """Return the source of a field of the pod template; empty where it has none."""
    if field == "spec.serviceAccountName":
        return "spec.serviceAccount.name"
    if not field.startswith("spec."):
        return f"spec.pod.{field}"
    item = _LIST_ITEM.fullmatch(field.removeprefix("spec."))
    if item is None:
        return f"spec.pod.{field.removeprefix('spec.')}"
    entries: Sequence[Mapping[str, Any]] = pod_spec.get(item["list"]) or ()
    index = int(item["index"])
    entry = entries[index] if index < len(entries) else {}
    name = entry.get("name", "")
    if item["list"] == "volumes":
        volumes: Sequence[Mapping[str, Any]] = spec.get("volumes") or ()
        names = [volume.get("name") for volume in volumes]
        if name not in names:
            return ""
        source = f"spec.volumes[{names.index(name)}]"
        return f"{source}.nodeCache" if "nodeCache" in volumes[names.index(name)] else f"{source}{item['rest']}"
    source = container_field_path(name, spec)
    return _container_source(source, item["rest"], entry, spec) if source else ""


def _container_source(source: str, field: str, rendered: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """Return the source of a container's field: of the container's own entry, or of the backend that it inherits."""
    declared = container_entry(source, spec)
    sources = [(source, declared)]
    if source.startswith(_INHERITING) and not declared.get("image"):
        sources.append(("spec.backend", spec.get("backend") or {}))
    item = _KEYED_ITEM.fullmatch(field)
    if item is None:
        written = (each for each, entry in sources if _is_written(field, entry))
        return f"{next(written, source)}{field}"
    items = rendered.get(item["list"]) or ()
    if int(item["index"]) >= len(items):
        return f"{source}{field}"
    key = _key(item["list"], items[int(item["index"])])
    for each, entry in sources:
        index = _index(key, entry.get(item["list"]) or (), item["list"], likely=int(item["index"]))
        if index is not None:
            return f"{each}.{item['list']}[{index}]{item['rest']}"
    return source if declared else f"{source}{field}"  # AppStack adds the item, or the whole container


def _index(key: tuple[Any, ...], items: Sequence[Mapping[str, Any]], list_name: str, *, likely: int) -> int | None:
    """Return the index of the item with a key; the search begins at the likely index, where most items are."""
    if likely < len(items) and _key(list_name, items[likely]) == key:
        return likely
    return next((index for index, item in enumerate(items) if _key(list_name, item) == key), None)


def container_entry(source: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the value at the field of a container, for example spec.sidecars[0]; empty if it has no entry."""
    item = _SPEC_ITEM.fullmatch(source)
    if item is None:
        return {}
    holder: Mapping[str, Any] = (spec.get("proxy") or {}) if item["proxy"] else spec
    value: Any = holder.get(item["name"]) or {}
    entry: Mapping[str, Any] = value if item["index"] is None else value[int(item["index"])]
    return entry


def _is_written(field: str, entry: Mapping[str, Any]) -> bool:
    """Return whether the entry of a container has a value at the field, for example .securityContext.privileged."""
    value: Any = entry
    for name in field.partition("[")[0].removeprefix(".").split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value is not None


def _key(list_name: str, item: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(item.get(name, _KEY_DEFAULTS.get(name)) for name in _ITEM_KEYS[list_name])


def container_field_path(name: str, spec: Mapping[str, Any]) -> str:
    """Return the field that defines a container, or for which AppStack generates it; empty where there is none."""
    return container_field_paths(spec).get(name) or _generated_container_source(name)


def container_field_paths(spec: Mapping[str, Any]) -> dict[str, str]:
    """Return the field that defines each container of the AppStack, by container name."""
    fields = {(spec.get(role) or {}).get("name") or role: f"spec.{role}" for role in ("backend", "proxy")}
    for key in ("initContainers", "sidecars"):
        entries: Sequence[Mapping[str, Any]] = spec.get(key) or ()
        fields |= {entry.get("name", ""): f"spec.{key}[{index}]" for index, entry in enumerate(entries)}
    return fields


def _generated_container_source(container: str) -> str:
    """Return the field for which AppStack generates a container of its own."""
    prefix, _, number = container.partition(f"{RESERVED_PREFIX}static-")
    if not prefix and number.isdecimal():
        return f"spec.proxy.static[{number}]"
    return _GENERATED_CONTAINERS.get(container, "")

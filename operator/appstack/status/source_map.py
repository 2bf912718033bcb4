"""Source map from fields of rendered objects to the fields of the AppStack that define them, for error messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from appstack.k8s.metadata import RESERVED_PREFIX, Manifest

# A bracketed name has at most 317 characters (an annotation key); without a bound, nested brackets take seconds.
_FIELD_PATH: Final = re.compile(r"\b(?:spec|metadata)(?:\.\w+|\[[^\][\s]{0,320}\])+")
_LIST_ITEM: Final = re.compile(r"(?P<list>initContainers|containers|volumes)\[(?P<index>\d+)\](?P<rest>.*)")

_SOURCES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "Deployment": (("spec.template", ""), ("spec", "spec.workload.deployment")),
    "StatefulSet": (("spec.template", ""), ("spec", "spec.workload.statefulSet")),
    "DaemonSet": (("spec.template", ""), ("spec", "spec.workload.daemonSet")),
    "Job": (("spec.template", ""), ("spec", "spec.workload.job")),
    "CronJob": (
        ("spec.jobTemplate.spec.template", ""),
        ("spec.jobTemplate.spec", "spec.workload.job"),
        ("spec", "spec.workload.cronJob"),
    ),
    "Pod": (("", ""),),
    "Service": (("spec", "spec.service"),),
    "HorizontalPodAutoscaler": (("spec", "spec.autoscaling"),),
    "PodDisruptionBudget": (("spec", "spec.podDisruptionBudget"),),
}
"""By kind: prefixes of rendered fields with their sources, the longest first; an empty source marks a pod template."""

_GENERATED_CONTAINERS: Final = {
    f"{RESERVED_PREFIX}nginx-check": "spec.proxy",
    f"{RESERVED_PREFIX}cache": "spec.volumes",
}


def translate_field_paths(message: str, manifest: Manifest, spec: Mapping[str, Any]) -> str:
    """Return an API server's message about a manifest with the field paths of the AppStack's spec."""
    return _FIELD_PATH.sub(lambda match: _source(match[0], manifest, spec) or match[0], message)


def _source(field: str, manifest: Manifest, spec: Mapping[str, Any]) -> str:
    """Return the source of a manifest's field; empty where it has none."""
    for prefix, source in _SOURCES.get(manifest["kind"], ()):
        if prefix and not field.startswith(f"{prefix}."):
            continue
        if source:
            return source + field.removeprefix(prefix)
        pod = manifest
        for part in prefix.split(".") if prefix else ():
            pod = pod[part]
        return _pod_source(field.removeprefix(f"{prefix}."), pod.get("spec") or {}, spec)
    return ""


def _pod_source(field: str, pod_spec: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """Return the source of a field of the pod template; empty where it has none."""
    if not field.startswith("spec."):
        return f"spec.pod.{field}"
    item = _LIST_ITEM.fullmatch(field.removeprefix("spec."))
    if item is None:
        return f"spec.pod.{field.removeprefix('spec.')}"
    entries: Sequence[Mapping[str, Any]] = pod_spec.get(item["list"]) or ()
    index = int(item["index"])
    name = entries[index]["name"] if index < len(entries) else ""
    if item["list"] == "volumes":
        names = [volume.get("name") for volume in spec.get("volumes") or ()]
        return f"spec.volumes[{names.index(name)}]{item['rest']}" if name in names else ""
    source = container_field_path(name, spec)
    return f"{source}{item['rest']}" if source else ""


def container_field_path(name: str, spec: Mapping[str, Any]) -> str:
    """Return the field that defines a container, or for which AppStack generates it; empty where there is none."""
    return container_field_paths(spec).get(name) or _generated_container_source(name)


def container_field_paths(spec: Mapping[str, Any]) -> dict[str, str]:
    """Return the field that defines each container of the AppStack, by container name."""
    fields = {"backend": "spec.backend", "proxy": "spec.proxy"}
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

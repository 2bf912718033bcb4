"""Where in an AppStack a field of a rendered object comes from: messages name what the author wrote. PURE."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from appstack.k8s.metadata import RESERVED_PREFIX, Manifest

# A name in brackets has 317 characters at most, an annotation's; without a bound what quotes brackets takes seconds.
_FIELD: Final = re.compile(r"\b(?:spec|metadata)(?:\.\w+|\[[^\][\s]{0,320}\])+")
_LISTED: Final = re.compile(r"(?P<list>initContainers|containers|volumes)\[(?P<index>\d+)\](?P<rest>.*)")

_PLACES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
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
"""By kind: where the object's fields come from, the longest way first; an empty place is the pod, a way of its own."""

_OWN: Final = ((f"{RESERVED_PREFIX}nginx-check", "spec.proxy"), (f"{RESERVED_PREFIX}cache", "spec.volumes"))


def translate_field_paths(message: str, manifest: Manifest, spec: Mapping[str, Any]) -> str:
    """Return what the API server says of a manifest with the fields of the AppStack's spec in place of its own."""
    return _FIELD.sub(lambda found: _source(found[0], manifest, spec) or found[0], message)


def _source(field: str, manifest: Manifest, spec: Mapping[str, Any]) -> str:
    for way, place in _PLACES.get(manifest["kind"], ()):
        if way and not field.startswith(f"{way}."):
            continue
        if place:
            return place + field.removeprefix(way)
        pod = manifest
        for part in way.split(".") if way else ():
            pod = pod[part]
        return _of_pod(field.removeprefix(f"{way}."), pod.get("spec") or {}, spec)
    return ""


def _of_pod(field: str, pod: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """Return the source of a field of the pod template."""
    if not field.startswith("spec."):
        return f"spec.pod.{field}"
    found = _LISTED.fullmatch(field.removeprefix("spec."))
    if found is None:
        return f"spec.pod.{field.removeprefix('spec.')}"
    entries: Sequence[Mapping[str, Any]] = pod.get(found["list"]) or ()
    index = int(found["index"])
    name = entries[index]["name"] if index < len(entries) else ""
    if found["list"] == "volumes":
        names = [volume.get("name") for volume in spec.get("volumes") or ()]
        return f"spec.volumes[{names.index(name)}]{found['rest']}" if name in names else ""
    source = of_container(name, spec)
    return f"{source}{found['rest']}" if source else ""


def of_container(name: str, spec: Mapping[str, Any]) -> str:
    """Return where a container's text stands, or for which field AppStack wrote it; empty when nobody knows."""
    return by_container(spec).get(name) or _own(name)


def by_container(spec: Mapping[str, Any]) -> dict[str, str]:
    """Return where each container's text stands in the AppStack."""
    fields = {"backend": "spec.backend", "proxy": "spec.proxy"}
    for key in ("initContainers", "sidecars"):
        entries: Sequence[Mapping[str, Any]] = spec.get(key) or ()
        fields |= {entry.get("name", ""): f"spec.{key}[{index}]" for index, entry in enumerate(entries)}
    return fields


def _own(container: str) -> str:
    """Return the field for which AppStack wrote one of its own containers."""
    static, _, number = container.partition(f"{RESERVED_PREFIX}static-")
    if not static and number.isdecimal():
        return f"spec.proxy.static[{number}]"
    return dict(_OWN).get(container, "")

"""Conversion of a workload object: its kind, its options, and its pod template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from appstack.convert import api_defaults
from appstack.convert.draft import Draft
from appstack.convert.labels import take_metadata
from appstack.convert.notes import NoteKind
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest

_HOOK: Final = "helm.sh/hook"
_OPTIONS: Final[Mapping[str, str]] = {
    "Deployment": "deployment",
    "StatefulSet": "statefulSet",
    "DaemonSet": "daemonSet",
    "Job": "job",
    "CronJob": "cronJob",
}
"""The field of `spec.workload` with the options of a kind."""


def convert_workload(draft: Draft) -> None:
    """Convert the workload object, except its pod template and its volumeClaimTemplates."""
    source = draft.group.workload
    kind = source.kind
    if source.has_former_version:
        message = f"{source.api_version} becomes {source.current_version}"
        draft.note(NoteKind.CHANGED, f"{source} apiVersion", "spec.workload.kind", message)
    if not source.take("metadata.name"):
        draft.note(
            NoteKind.REQUIRED, f"{source} metadata.name", "metadata.name", f"has no name; it is {draft.name!r} here"
        )
    elif draft.name != source.name:
        message = f"becomes {draft.name!r}, and with it the name of the {kind}"
        draft.note(NoteKind.CHANGED, f"{source} metadata.name", "metadata.name", message)
    source.take("metadata.namespace")
    source.take("metadata.generateName")
    if owners := source.take("metadata.ownerReferences"):
        names = ", ".join(f"{each.get('kind')}/{each.get('name')}" for each in owners)
        message = f"{names} controls the object, and would create it again: change that object instead"
        draft.note(NoteKind.REQUIRED, f"{source} metadata.ownerReferences", "", message)
    if hook := (source.get("metadata.annotations") or {}).get(_HOOK):
        message = f"Helm runs it at {hook}; as an AppStack it runs when it is applied"
        draft.note(NoteKind.REQUIRED, f"{source} metadata.annotations[{_HOOK}]", "spec.workload", message)
    if kind != "Deployment":
        draft.set("workload.kind", kind)
    if kind == "Pod":
        return
    metadata = take_metadata(draft, source)
    draft.set("workload.metadata", metadata)
    _convert_selector(draft)
    _convert_replicas(draft)
    if kind == "CronJob":
        job = _taken(draft, "spec.jobTemplate.spec", excluded={"template"})
        draft.set("workload.job", api_defaults.short_job(job))
    options = _taken(draft, "spec", excluded={"template", "jobTemplate", "serviceName", *_CLAIM_FIELDS})
    if kind == "Job":
        short = api_defaults.short_job(options)
    else:
        short = api_defaults.without_defaults(options, _shape(draft, options))
    draft.set(f"workload.{_OPTIONS[kind]}", short)


_CLAIM_FIELDS: Final = ("volumeClaimTemplates", "persistentVolumeClaimRetentionPolicy")


def _shape(draft: Draft, options: Manifest) -> api_defaults.Shape:
    """Return the defaults of the workload's kind.

    A strategy with numbers in a file is the author's choice, and AppStack's own default differs from Kubernetes'.
    """
    shape = api_defaults.WORKLOADS[draft.group.workload.kind]
    if not draft.group.workload.is_live and "rollingUpdate" in options.get("strategy", {}):
        return {key: value for key, value in shape.items() if key != "strategy"}
    return shape


def _taken(draft: Draft, path: str, *, excluded: set[str]) -> Manifest:
    """Take every field of an object in the workload but the excluded ones."""
    source = draft.group.workload
    taken: dict[str, Any] = {}
    for key in list(source.get(path) or {}):
        if key not in excluded:
            taken[key] = source.take(f"{path}.{key}")
    return taken


def _convert_selector(draft: Draft) -> None:
    source = draft.group.workload
    for path in ("spec.selector", "spec.manualSelector", "spec.jobTemplate.spec.selector"):
        if source.take(path) is not None:
            message = f"AppStack selects its pods by the label {meta.STACK_LABEL}"
            draft.note(NoteKind.CHANGED, f"{source} {path}", "", message)


def _convert_replicas(draft: Draft) -> None:
    source = draft.group.workload
    replicas = source.take("spec.replicas")
    if replicas is None:
        return
    if draft.group.members["HorizontalPodAutoscaler"]:
        message = f"{replicas} is the autoscaler's to set, see spec.autoscaling"
        draft.note(NoteKind.OMITTED, f"{source} spec.replicas", "", message)
    else:
        draft.set("replicas", replicas)

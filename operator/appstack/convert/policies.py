"""Conversion of the ServiceAccount, the autoscaler, the disruption budget and the network policy of a workload."""

from __future__ import annotations

from typing import Any, Final

from appstack.convert import api_defaults
from appstack.convert.draft import Draft
from appstack.convert.exposure import take_name
from appstack.convert.labels import take_metadata
from appstack.convert.notes import NoteKind
from appstack.convert.source import Source
from appstack.k8s.metadata import Manifest

_ONE: Final = "an AppStack has one"


def convert_account(draft: Draft) -> None:
    """Convert the ServiceAccount: AppStack creates it where it can express it, else it refers to it."""
    group = draft.group
    name, alias = group.take("spec.serviceAccountName"), group.take("spec.serviceAccount")
    name = name or alias
    source = group.only("ServiceAccount")
    if not name or name == "default":
        group.members["ServiceAccount"].clear()
        if source is not None:
            draft.keep(source, "it is the default ServiceAccount of the namespace")
        return
    if source is None:
        draft.set("serviceAccount", {"create": False, "name": name})
        return
    further = sorted({path.partition(".")[0].partition("[")[0] for path, _ in source.untaken()} - {"metadata"})
    if further:
        group.members["ServiceAccount"].clear()
        draft.keep(source, f"spec.serviceAccount has no {', '.join(further)}")
        draft.set("serviceAccount", {"create": False, "name": name})
        return
    metadata = take_metadata(draft, source)
    source.take("metadata.name")
    source.take("metadata.namespace")
    fields: Manifest = {} if name == draft.name else {"name": name}
    draft.spec["serviceAccount"] = {**fields, **({"metadata": metadata} if metadata else {})}


def convert_policies(draft: Draft) -> None:
    """Convert the autoscaler, the disruption budget and the network policy."""
    for kind, convert in (
        ("HorizontalPodAutoscaler", _autoscaler),
        ("PodDisruptionBudget", _budget),
        ("NetworkPolicy", _network_policy),
    ):
        for position, source in enumerate(list(draft.group.members[kind])):
            reason = _ONE if position else _kept_reason(draft, kind)
            if reason:
                draft.keep(source, reason)
                draft.group.members[kind].remove(source)
            else:
                convert(draft, source)


def _kept_reason(draft: Draft, kind: str) -> str:
    """Return the reason why AppStack would refuse an object of this kind; empty if there is none."""
    on_host = kind == "NetworkPolicy" and draft.spec.get("pod", {}).get("hostNetwork")
    return "it has no effect on pods with the network of the host" if on_host else ""


def _metadata(draft: Draft, source: Source, field: str) -> Manifest:
    """Take the metadata of an object that gets the stack's name, and return the `metadata` block of its field."""
    take_name(draft, source, field)
    metadata = take_metadata(draft, source)
    return {"metadata": metadata} if metadata else {}


def _autoscaler(draft: Draft, source: Source) -> None:
    metadata = _metadata(draft, source, "autoscaling")
    source.take("spec.scaleTargetRef")
    spec = source.take("spec") or {}
    if source.has_former_version:
        message = f"{source.api_version} becomes {source.current_version}"
        draft.note(NoteKind.CHANGED, f"{source} apiVersion", "spec.autoscaling", message)
    if "targetCPUUtilizationPercentage" in spec:  # autoscaling/v1
        target = {"type": "Utilization", "averageUtilization": spec.pop("targetCPUUtilizationPercentage")}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    draft.set("autoscaling", {**metadata, **api_defaults.without_defaults(spec, api_defaults.AUTOSCALER)})


def _budget(draft: Draft, source: Source) -> None:
    metadata = _metadata(draft, source, "podDisruptionBudget")
    if source.has_former_version:
        message = f"{source.api_version} becomes {source.current_version}"
        draft.note(NoteKind.CHANGED, f"{source} apiVersion", "spec.podDisruptionBudget", message)
    source.take("spec.selector")
    draft.set("podDisruptionBudget", {**metadata, **(source.take("spec") or {})})


def _network_policy(draft: Draft, source: Source) -> None:
    metadata = _metadata(draft, source, "networkPolicy")
    source.take("spec.podSelector")
    spec: dict[str, Any] = source.take("spec") or {}
    types = spec.pop("policyTypes", None) or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    rules = {name: spec.pop(name, None) or [] for name in ("ingress", "egress")}
    restricted = {name: rules[name] for name in ("ingress", "egress") if name.capitalize() in types}
    fields = api_defaults.without_defaults(restricted, api_defaults.NETWORK_POLICY)
    directions = {"policyTypes": types} if "Ingress" not in types else {}
    draft.spec["networkPolicy"] = {**metadata, **fields, **directions, **spec}

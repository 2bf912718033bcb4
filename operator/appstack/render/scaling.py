"""HorizontalPodAutoscaler and PodDisruptionBudget of the workload."""

from __future__ import annotations

from appstack.api.scaling import Autoscaling, PodDisruptionBudget
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from appstack.render.context import Context


def autoscaler(context: Context) -> Manifest | None:
    """Return the HorizontalPodAutoscaler, or None if the spec has none."""
    autoscaling = context.spec.autoscaling
    if autoscaling is None:
        return None
    kind = context.spec.workload.chosen
    target = {"apiVersion": kind.API_VERSION, "kind": kind.KIND, "name": context.name}
    extra = autoscaling.metadata
    head = context.child("autoscaling/v2", "HorizontalPodAutoscaler", name=context.name, extra=extra)
    return {**head, "spec": {"scaleTargetRef": target, **_without_metadata(autoscaling)}}


def disruption_budget(context: Context) -> Manifest | None:
    """Return the PodDisruptionBudget, or None if the spec has none."""
    budget = context.spec.pod_disruption_budget
    if budget is None:
        return None
    head = context.child("policy/v1", "PodDisruptionBudget", name=context.name, extra=budget.metadata)
    return {**head, "spec": {**_without_metadata(budget), "selector": {"matchLabels": meta.selector(context.name)}}}


def _without_metadata(block: Autoscaling | PodDisruptionBudget) -> Manifest:
    return {name: value for name, value in block.dump().items() if name != "metadata"}

"""HorizontalPodAutoscaler and PodDisruptionBudget of the workload."""

from __future__ import annotations

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
    head = context.child("autoscaling/v2", "HorizontalPodAutoscaler", name=context.name)
    return {**head, "spec": {"scaleTargetRef": target, **autoscaling.dump()}}


def disruption_budget(context: Context) -> Manifest | None:
    """Return the PodDisruptionBudget, or None if the spec has none."""
    budget = context.spec.pod_disruption_budget
    if budget is None:
        return None
    head = context.child("policy/v1", "PodDisruptionBudget", name=context.name)
    return {**head, "spec": {**budget.dump(), "selector": {"matchLabels": meta.selector(context.name)}}}

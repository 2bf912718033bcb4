"""The autoscaler and the disruption budget of the stack's workload. PURE."""

from __future__ import annotations

from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from appstack.render.context import Context


def autoscaler(context: Context) -> Manifest | None:
    """Return the HorizontalPodAutoscaler; None when none is asked for."""
    wanted = context.spec.autoscaling
    if wanted is None:
        return None
    kind = context.spec.workload.chosen
    target = {"apiVersion": kind.API_VERSION, "kind": kind.KIND, "name": context.name}
    head = context.child("autoscaling/v2", "HorizontalPodAutoscaler", name=context.name)
    return {**head, "spec": {"scaleTargetRef": target, **wanted.dump()}}


def disruption_budget(context: Context) -> Manifest | None:
    """Return the PodDisruptionBudget; None when none is asked for."""
    wanted = context.spec.pod_disruption_budget
    if wanted is None:
        return None
    head = context.child("policy/v1", "PodDisruptionBudget", name=context.name)
    return {**head, "spec": {**wanted.dump(), "selector": {"matchLabels": meta.selector(context.name)}}}

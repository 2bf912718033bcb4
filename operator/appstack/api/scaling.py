"""How many pods there are, and how many at least. PURE."""

from __future__ import annotations

from typing import ClassVar

from appstack.api import kube
from appstack.api.base import Kubernetes


class Autoscaling(Kubernetes, kube.HorizontalPodAutoscalerSpec):
    """Kubernetes' HorizontalPodAutoscalerSpec less `scaleTargetRef`. Excludes `spec.replicas`."""

    LESS: ClassVar[frozenset[str]] = frozenset({"scaleTargetRef"})

    scale_target_ref: None = None  # type: ignore[assignment]  # the stack's workload, see LESS


class PodDisruptionBudget(Kubernetes, kube.PodDisruptionBudgetSpec):
    """Kubernetes' PodDisruptionBudgetSpec less `selector`."""

    LESS: ClassVar[frozenset[str]] = frozenset({"selector"})

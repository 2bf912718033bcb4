"""Scaling models: HorizontalPodAutoscaler and PodDisruptionBudget."""

from __future__ import annotations

from typing import ClassVar

from appstack.api import kube
from appstack.api.base import KubernetesModel, ObjectMetadata


class Autoscaling(KubernetesModel, kube.HorizontalPodAutoscalerSpec):
    """A HorizontalPodAutoscaler for the workload. Cannot be combined with `spec.replicas`."""

    OMITTED_FIELDS: ClassVar[frozenset[str]] = frozenset({"scaleTargetRef"})

    scale_target_ref: None = None  # type: ignore[assignment]  # see OMITTED_FIELDS
    metadata: ObjectMetadata | None = None
    """Labels and annotations to add to the HorizontalPodAutoscaler."""


class PodDisruptionBudget(KubernetesModel, kube.PodDisruptionBudgetSpec):
    """A PodDisruptionBudget for the AppStack's pods."""

    OMITTED_FIELDS: ClassVar[frozenset[str]] = frozenset({"selector"})

    metadata: ObjectMetadata | None = None
    """Labels and annotations to add to the PodDisruptionBudget."""

"""The rest of the pod. PURE."""

from __future__ import annotations

from typing import ClassVar

from appstack.model import kube
from appstack.model.base import Kubernetes, ObjectMetadata


class Pod(Kubernetes, kube.PodSpec):
    """Kubernetes' PodSpec less what has a place of its own: containers, volumes, the ServiceAccount."""

    LESS: ClassVar[frozenset[str]] = frozenset(
        {
            "containers",
            "initContainers",
            "ephemeralContainers",
            "volumes",
            "serviceAccount",
            "serviceAccountName",
        }
    )

    containers: None = None  # type: ignore[assignment]  # has a place of its own, see LESS
    metadata: ObjectMetadata | None = None
    """Labels and annotations for the pods."""

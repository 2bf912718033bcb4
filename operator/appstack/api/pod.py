"""The rest of the pod. PURE."""

from __future__ import annotations

from typing import ClassVar, Final

from appstack.api import kube
from appstack.api.base import Kubernetes, ObjectMetadata

DRAIN_SECONDS: Final = 5  # a pod that goes is still sent requests until every node knows: so long it goes on serving
KEEPALIVE_SECONDS: Final = 3  # how old a connection gets: no client holds one any more when its pod stops serving


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

"""The pod model: the PodSpec fields that have no field of their own in the AppStack spec."""

from __future__ import annotations

from typing import ClassVar, Final

from appstack.api import kube
from appstack.api.base import KubernetesModel, ObjectMetadata

DRAIN_SECONDS: Final = 5
"""Seconds for which a terminating pod keeps serving: nodes route requests to it until their endpoints are updated."""

KEEPALIVE_SECONDS: Final = 3
"""Maximum age of a client connection; shorter than `DRAIN_SECONDS`, so that connections close before the pod stops."""


class Pod(KubernetesModel, kube.PodSpec):
    """Other PodSpec fields of the pods. Containers, volumes and the ServiceAccount have their own fields in `spec`."""

    OMITTED_FIELDS: ClassVar[frozenset[str]] = frozenset(
        {
            "containers",
            "initContainers",
            "ephemeralContainers",
            "volumes",
            "serviceAccount",
            "serviceAccountName",
        }
    )

    containers: None = None  # type: ignore[assignment]  # see OMITTED_FIELDS
    metadata: ObjectMetadata | None = None
    """Labels and annotations to add to the pods."""

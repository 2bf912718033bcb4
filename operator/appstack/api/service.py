"""How others reach the stack, and as whom its pods speak to the API server. PURE."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from pydantic import Field

from appstack.api import kube
from appstack.api.base import Kubernetes, Model, ObjectMetadata


class Service(Kubernetes, kube.ServiceSpec):
    """Kubernetes' ServiceSpec less `selector`; `ports` defaults to 80 for the proxy, else the backend's own."""

    LESS: ClassVar[frozenset[str]] = frozenset({"selector"})

    enabled: bool = True
    """False makes no Service."""
    metadata: ObjectMetadata | None = None
    """Labels and annotations for the Service."""


USUAL: Final = Service()
"""What a stack has that says nothing of a Service."""


class ServiceAccount(Model):
    """The ServiceAccount of the pods; without this block they run under the namespace's default one."""

    create: bool = True
    """False uses one that exists."""
    name: Annotated[str | None, Field(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", max_length=253)] = None
    """Default: the stack's name."""
    metadata: ObjectMetadata | None = None
    """Labels and annotations for the ServiceAccount."""

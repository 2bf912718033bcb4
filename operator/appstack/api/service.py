"""Service and ServiceAccount models."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from pydantic import Field

from appstack.api import kube
from appstack.api.base import KubernetesModel, Model, Name, ObjectMetadata


class Service(KubernetesModel, kube.ServiceSpec):
    """The AppStack's Service. Default of `ports`: port 80 for the proxy, else the backend's ports.

    Default of `targetPort`: the proxy, else the number of `port`.
    """

    OMITTED_FIELDS: ClassVar[frozenset[str]] = frozenset({"selector"})

    enabled: bool = True
    """False creates no Service."""
    name: Name | None = None
    """Name of the Service. Default: the AppStack's name."""
    metadata: ObjectMetadata | None = None
    """Labels and annotations to add to the Service."""

    @property
    def is_headless(self) -> bool:
        """Whether the Service has no address of its own, and so needs no port."""
        return self.enabled and self.cluster_ip == "None"


DEFAULT_SERVICE: Final = Service()
"""The Service of an AppStack without `spec.service`."""


class FurtherService(KubernetesModel, kube.ServiceSpec):
    """A Service in addition to `service`. Its `ports` have no default."""

    OMITTED_FIELDS: ClassVar[frozenset[str]] = frozenset({"selector"})

    name: Name
    """Name of the Service."""
    metadata: ObjectMetadata | None = None
    """Labels and annotations to add to the Service."""


class ServiceAccount(Model):
    """The ServiceAccount of the pods. They use the namespace's default ServiceAccount when this field is unset."""

    create: bool = True
    """False uses an existing ServiceAccount."""
    name: Annotated[str | None, Field(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", max_length=253)] = None
    """Name of the ServiceAccount. Default: the AppStack's name."""
    metadata: ObjectMetadata | None = None
    """Labels and annotations to add to the ServiceAccount."""

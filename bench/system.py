"""The protocol of a system under test: a controller, or a bare loop, that turns one object into three children."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bench.control_plane import ControlPlane
from bench.processes import Process

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """A resource of the API, as paths and the audit log name it."""

    api: str  # /api/v1, /apis/apps/v1
    plural: str

    def path(self, namespace: str = "", name: str = "") -> str:
        """Return the path of an object, or of the collection."""
        parts = (self.api, *(("namespaces", namespace) if namespace else ()), self.plural, name)
        return "/".join(part for part in parts if part)


CONFIG_MAPS = Resource("/api/v1", "configmaps")
SERVICES = Resource("/api/v1", "services")
DEPLOYMENTS = Resource("/apis/apps/v1", "deployments")


@dataclass(frozen=True, slots=True, order=True)
class Child:
    """A reference to an object that must exist for a stack."""

    resource: Resource
    namespace: str
    name: str


class System(Protocol):
    """A system under test. The bench calls prepare, start, then stop or kill, in this order.

    Every stack has one ConfigMap, one Service and one Deployment as children, of about the same size in each system
    and owned by the stack. The Deployment has `replicas: 0`, and a controller repairs that field when it is changed.
    An edit changes the image of the Deployment and nothing else.
    """

    name: str
    """A short name: column title, part of file names, ServiceAccount, and so the user in the audit log."""
    stacks: Resource
    """The resource that the client writes."""

    def settings(self) -> Mapping[str, str]:
        """Return version and settings for the report."""

    def prepare(self, control_plane: ControlPlane) -> None:
        """Install CustomResourceDefinitions and the like, before any stack exists and outside any measurement."""

    def start(self, control_plane: ControlPlane) -> Sequence[Process]:
        """Start with control_plane.run() and return at once; the processes are those to be metered."""

    def ready(self) -> bool:
        """Return whether the system reports that it works, by /readyz or the nearest equivalent."""

    def manifest(self, namespace: str, name: str) -> Manifest:
        """Return a stack to create."""

    def edited(self, manifest: Manifest, n: int) -> Manifest:
        """Return the stack after its n-th edit (1, 2, …), without a resourceVersion."""

    def children(self, manifest: Manifest) -> tuple[Child, ...]:
        """Return references to the children of a stack, the Deployment last."""

    def status_is_current(self, stack: Manifest) -> bool:
        """Return whether a watched stack's status reports every child of the current generation as applied."""

    def counters(self) -> Mapping[str, float]:
        """Return counters from /metrics, `reconciles` among them; empty if the system has no metrics."""

    def stop(self) -> None:
        """Stop the system with SIGTERM."""

    def kill(self) -> None:
        """Stop the system with SIGKILL."""

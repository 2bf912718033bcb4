"""What is compared: a loop, an operator, or another controller that turns one object into three."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bench.plane import Plane
from bench.processes import Process

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """A kind of object, as the API server's paths and its audit log call it."""

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
    """One object that must exist for a stack."""

    resource: Resource
    namespace: str
    name: str


class Contender(Protocol):
    """One of those that are compared. The bench calls prepare, start, and then stop or kill, in this order.

    Every stack becomes one ConfigMap, one Service and one Deployment of about the same size, owned by the stack, and
    the Deployment wants no replicas (`replicas: 0` is set, and put right when somebody scales it). An edit changes
    exactly one of them, the Deployment's image.
    """

    name: str
    """Short: it is a column, a file name, and the ServiceAccount (`plane.kubeconfig(name)`), thus the audit's user."""
    stacks: Resource
    """What the user writes."""

    def settings(self) -> Mapping[str, str]:
        """Return version and settings, to be printed."""

    def prepare(self, plane: Plane) -> None:
        """Bring in CRDs and definitions, as an installation would; before any stack and outside any time."""

    def start(self, plane: Plane) -> Sequence[Process]:
        """Start through plane.run() and return at once: the processes whose CPU, memory and sockets count."""

    def ready(self) -> bool:
        """Tell whether it says itself that it works: its /readyz, or as near as it gets to it."""

    def manifest(self, namespace: str, name: str) -> Manifest:
        """Return what the user creates."""

    def edited(self, manifest: Manifest, n: int) -> Manifest:
        """Return what the user's n-th edit (1, 2, …) replaces it with, without a resourceVersion."""

    def children(self, manifest: Manifest) -> tuple[Child, ...]:
        """Return what must exist for a stack, the Deployment last."""

    def is_true(self, seen: Manifest) -> bool:
        """Tell whether a stack's status, as a watch brings it, says of its present generation that all is applied."""

    def counters(self) -> Mapping[str, float]:
        """Return its own counters that it has on /metrics, `reconciles` among them; empty where it has none."""

    def stop(self) -> None:
        """End it in order."""

    def kill(self) -> None:
        """End it with SIGKILL."""

"""The AppStack itself: the table of contents of what a user may write. PURE."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from appstack.api.base import Model
from appstack.api.containers import Backend, InitContainer, Proxy, Sidecar
from appstack.api.files import File
from appstack.api.network import HTTPRoute, Ingress, NetworkPolicy
from appstack.api.pod import Pod
from appstack.api.scaling import Autoscaling, PodDisruptionBudget
from appstack.api.service import Service, ServiceAccount
from appstack.api.volumes import Volumes
from appstack.api.workloads import Replicas, Workload
from appstack.k8s import metadata as meta


class AppStackSpec(Model):
    """What the author wants to run."""

    workload: Workload = Workload()
    """The kind of workload and its own options."""
    replicas: Replicas = None
    """How many pods; unset is never applied, so that any autoscaler wins."""
    backend: Backend
    """The application's own container."""
    proxy: Proxy | None = None
    """nginx in front of the backend, which may then listen on 127.0.0.1 only."""
    init_containers: Annotated[tuple[InitContainer, ...], Field(max_length=32)] = ()
    """In order, each to its end, before the backend."""
    sidecars: Annotated[tuple[Sidecar, ...], Field(max_length=32)] = ()
    """Beside the backend."""
    files: Annotated[tuple[File, ...], Field(max_length=128)] = ()
    """Just-in-time file mounts."""
    volumes: Volumes = ()
    """What containers mount."""
    service: Service | None = None
    """How others in the cluster reach the stack; made by default when something listens."""
    service_account: ServiceAccount | None = None
    """As whom the pods speak to the API server."""
    ingress: Ingress | None = None
    """How browsers outside the cluster reach it."""
    http_route: HTTPRoute | None = None
    """The same with the Gateway API."""
    autoscaling: Autoscaling | None = None
    """Lets the load decide how many pods there are; excludes `replicas`."""
    pod_disruption_budget: PodDisruptionBudget | None = None
    """How many pods stay while nodes are drained."""
    network_policy: NetworkPolicy | None = None
    """Who in the cluster may reach the pods."""
    pod: Pod = Pod()
    """The rest of the pod."""
    paused: bool = False
    """True stops writing and keeps reporting."""


class Metadata(BaseModel):
    """The part of ObjectMeta that decisions are made on; the rest is not looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=meta.MAX_NAME)]
    namespace: str = "default"
    uid: str | None = None  # absent offline
    generation: int = 0
    deletion_timestamp: str | None = None


class AppStack(BaseModel):
    """One resource. Its status is not parsed: it is written, never read as a wish."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    api_version: Literal["appstack.dev/v1alpha1"]
    kind: Literal["AppStack"]
    metadata: Metadata
    spec: AppStackSpec
    status: Annotated[dict[str, Any] | None, Field(exclude=True)] = None

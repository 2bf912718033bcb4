"""The AppStack model: the top-level fields of the spec, and the metadata that rendering depends on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from appstack.api.base import Model, StackName
from appstack.api.containers import BACKEND, PROXY, Backend, Container, InitContainer, Sidecar
from appstack.api.files import File
from appstack.api.monitoring import ServiceMonitor
from appstack.api.network import HTTPRoute, Ingress, NetworkPolicy
from appstack.api.pod import Pod
from appstack.api.proxy import Proxy
from appstack.api.scaling import Autoscaling, PodDisruptionBudget
from appstack.api.service import FurtherService, Service, ServiceAccount
from appstack.api.volumes import Volumes
from appstack.api.workloads import Replicas, Workload


class Dependency(Model):
    """Another AppStack of the namespace."""

    name: StackName
    """Name of the AppStack."""


class AppStackSpec(Model):
    """Desired state of the AppStack."""

    workload: Workload = Workload()
    """Kind of the workload and the options of that kind. Default: a Deployment."""
    replicas: Replicas = None
    """Number of pods. When unset, AppStack does not manage the number of replicas, so that an autoscaler can."""
    backend: Backend
    """Main container of the application."""
    proxy: Proxy | None = None
    """nginx sidecar in front of the backend, which may then listen on 127.0.0.1 only. `{}` enables it with defaults."""
    init_containers: Annotated[tuple[InitContainer, ...], Field(max_length=32)] = ()
    """Containers that run before the backend, in order; each must complete before the next one starts."""
    sidecars: Annotated[tuple[Sidecar, ...], Field(max_length=32)] = ()
    """Containers that run beside the backend."""
    files: Annotated[tuple[File, ...], Field(max_length=128)] = ()
    """Files that are mounted into containers. Pods of an earlier revision keep the files of that revision."""
    volumes: Volumes = ()
    """Volumes that containers can mount."""
    service: Service | None = None
    """Service in front of the pods. Created by default if the proxy is enabled or the backend has ports."""
    services: Annotated[tuple[FurtherService, ...], Field(max_length=32)] = ()
    """Further Services in front of the pods."""
    service_account: ServiceAccount | None = None
    """ServiceAccount of the pods. Default: the namespace's default ServiceAccount."""
    ingress: Ingress | None = None
    """Ingress that exposes the Service outside the cluster."""
    http_route: HTTPRoute | None = None
    """Gateway API HTTPRoute that exposes the Service outside the cluster."""
    autoscaling: Autoscaling | None = None
    """HorizontalPodAutoscaler that sets the number of pods. Cannot be combined with `replicas`."""
    pod_disruption_budget: PodDisruptionBudget | None = None
    """PodDisruptionBudget that limits evictions of the pods, for example while nodes are drained."""
    network_policy: NetworkPolicy | None = None
    """NetworkPolicy that restricts ingress traffic to the pods. `{}` allows only the exposed ports."""
    pod_security: Literal["restricted"] | None = None
    """Adds what the Pod Security level `restricted` requires to the pods and to each container, wherever the spec has
    no value: `runAsNonRoot`, the seccomp profile `RuntimeDefault`, no privilege escalation, no capabilities."""
    service_monitor: ServiceMonitor | None = None
    """ServiceMonitor of the Prometheus Operator, by which Prometheus scrapes metrics from the pods."""
    pod: Pod = Pod()
    """Other PodSpec fields of the pods, for example `nodeSelector`, `tolerations` and `securityContext`."""
    depends_on: Annotated[tuple[Dependency, ...], Field(max_length=16)] = ()
    """AppStacks that must be Ready before the workload is first created. Later changes do not wait for them."""
    paused: bool = False
    """True suspends all writes to the AppStack's objects. The status is still updated."""

    @property
    def concurrent_containers(self) -> tuple[Container, ...]:
        """The containers that run at the same time: of the init containers only the native sidecars."""
        proxy = [self.proxy] if self.proxy else []
        native_sidecars = [container for container in self.init_containers if container.restart_policy]
        return (self.backend, *proxy, *native_sidecars, *self.sidecars)

    @property
    def files_by_role(self) -> tuple[File, ...]:
        """The files, with `backend` and `proxy` in place of the names that their authors gave to these containers."""
        roles = {self.proxy.name: PROXY} if self.proxy else {}
        roles[self.backend.name] = BACKEND
        return tuple(
            file.model_copy(update={"container": roles[file.container]}) if file.container in roles else file
            for file in self.files
        )

    @property
    def has_upstream(self) -> bool:
        """Whether the backend has a port or a socket to which nginx can pass requests."""
        return bool(self.backend.ports) or (self.proxy is not None and self.proxy.socket is not None)

    @property
    def has_default_ports(self) -> bool:
        """Whether a Service without ports gets some: the proxy's, or those of the backend."""
        return self.proxy is not None or bool(self.backend.ports)


class Metadata(BaseModel):
    """The fields of ObjectMeta that rendering and reconciling depend on; others are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)

    name: StackName
    namespace: str = "default"
    uid: str | None = None  # None when the document was read from a file
    generation: int = 0
    deletion_timestamp: str | None = None


class AppStack(BaseModel):
    """An AppStack resource. Its status is not parsed, as it is output only."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    api_version: Literal["appstack.dev/v1alpha1"]
    kind: Literal["AppStack"]
    metadata: Metadata
    spec: AppStackSpec
    status: Annotated[dict[str, Any] | None, Field(exclude=True)] = None

    @property
    def service_name(self) -> str:
        """The name of the Service, which exists unless it is disabled or no container listens."""
        service = self.spec.service
        return (service and service.name) or self.metadata.name

    @property
    def pod_service_name(self) -> str:
        """The name of the Service that gives each pod of a StatefulSet a DNS name.

        It is the Service of the spec if that is headless; another name is that of a headless Service of its own.
        """
        options, service = self.spec.workload.stateful_set, self.spec.service
        if options is not None and options.service_name:
            return options.service_name
        return self.service_name if service is not None and service.is_headless else f"{self.metadata.name}-pods"

"""The validation context: one AppStack, the operator's settings, and views of the containers derived from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from appstack.api import AppStack, AppStackSpec
from appstack.api.containers import BACKEND, PROXY, Container, InitContainer, Sidecar
from appstack.api.kube import ContainerPort, VolumeMount
from appstack.api.service import DEFAULT_SERVICE
from appstack.settings import Settings
from appstack.validation.field_values import FieldValue, field_values


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume mount of a container, and the field that declares it."""

    field: str  # spec.backend.volumeMounts[0]
    path: str
    volume: str


@dataclass(frozen=True, slots=True)
class ContainerView:
    """A container of the pod, and the field that declares it."""

    field: str  # spec.sidecars[0]
    name: str
    spec: Container
    inherits_backend: bool = False  # without an image of its own, a container runs the backend's, with its mounts
    runs_to_completion: bool = False  # before the backend starts

    def own_mounts(self) -> list[Mount]:
        """Return the volume mounts that the container itself declares."""
        declared: Iterable[VolumeMount] = self.spec.volume_mounts or []
        return [
            Mount(f"{self.field}.volumeMounts[{index}]", mount.mount_path, mount.name)
            for index, mount in enumerate(declared)
        ]

    def ports(self) -> list[tuple[str, ContainerPort]]:
        """Return the ports that the container declares, each with its field."""
        return [(f"{self.field}.ports[{index}]", port) for index, port in enumerate(self.spec.ports or [])]


@dataclass(frozen=True, slots=True)
class Listener:
    """A port on which a container of the pod listens."""

    field: str  # spec.proxy.port
    number: int
    protocol: str = "TCP"
    name: str = ""
    host_port: int | None = None
    host_ip: str = ""

    def __str__(self) -> str:
        """Return the port as number and protocol, for example 53/UDP."""
        return f"{self.number}/{self.protocol}"


@dataclass(frozen=True)
class ValidationContext:
    """An AppStack with the operator's settings; every check reads it and nothing else."""

    stack: AppStack
    settings: Settings

    @property
    def spec(self) -> AppStackSpec:
        """The spec of the AppStack."""
        return self.stack.spec

    @cached_property
    def backend(self) -> ContainerView:
        """The backend container."""
        return ContainerView("spec.backend", BACKEND, self.spec.backend)

    @cached_property
    def containers(self) -> tuple[ContainerView, ...]:
        """Every container that the spec declares: backend, proxy, init containers, sidecars."""
        proxy = self.spec.proxy
        return (
            self.backend,
            *([ContainerView("spec.proxy", PROXY, proxy)] if proxy else []),
            *(_view("initContainers", index, each) for index, each in enumerate(self.spec.init_containers)),
            *(_view("sidecars", index, each) for index, each in enumerate(self.spec.sidecars)),
        )

    @cached_property
    def concurrent_containers(self) -> tuple[ContainerView, ...]:
        """The containers that run at the same time: all but the init containers that run to completion."""
        return tuple(container for container in self.containers if not container.runs_to_completion)

    @cached_property
    def volume_names(self) -> tuple[str, ...]:
        """The names of the volumes in spec.volumes."""
        return tuple(volume.name for volume in self.spec.volumes)

    @property
    def max_pods(self) -> int | None:
        """The most pods that can run at once; None on a DaemonSet, where the number of nodes decides."""
        match self.spec.workload.kind:
            case "Deployment" | "StatefulSet" if self.spec.autoscaling:
                return self.spec.autoscaling.max_replicas
            case "Deployment" | "StatefulSet":
                return 1 if self.spec.replicas is None else self.spec.replicas
            case "DaemonSet":
                return None
            case "Job" | "CronJob":
                job = self.spec.workload.job
                return 1 if job is None or job.parallelism is None else job.parallelism
            case "Pod":
                return 1

    @property
    def uses_host_port(self) -> bool:
        """Whether a container listens on a port of the node, which every port is with hostNetwork."""
        listeners = [each for container in self.concurrent_containers for each in self.listeners(container)]
        return any(each.host_port is not None or self.spec.pod.host_network for each in listeners)

    @cached_property
    def has_service(self) -> bool:
        """Whether a Service exposes the pods: it is enabled, and it has a port."""
        service = self.spec.service or DEFAULT_SERVICE
        return service.enabled and bool(service.ports or self.spec.proxy or self.spec.backend.ports)

    @property
    def has_headless_service(self) -> bool:
        """Whether a headless Service exposes each pod of a StatefulSet by name."""
        listens = self.spec.proxy is not None or bool(self.spec.backend.ports)
        return self.spec.workload.kind == "StatefulSet" and listens

    @cached_property
    def field_values(self) -> list[FieldValue]:
        """The values of the whole spec, parents before their fields."""
        return field_values("spec", self.spec)

    def inherited_mounts(self, container: ContainerView) -> list[Mount]:
        """Return the mounts of the backend that a container inherits: those at whose path it has none of its own."""
        own_paths = {mount.path for mount in container.own_mounts()}
        return [
            mount for mount in self.backend.own_mounts() if container.inherits_backend and mount.path not in own_paths
        ]

    def visible_volumes(self, container: ContainerView) -> set[str]:
        """Return the names of the volumes that a container mounts, inherits, serves or has as a device."""
        visible = {mount.volume for mount in [*self.inherited_mounts(container), *container.own_mounts()]}
        if self.spec.proxy is not None and container.spec is self.spec.proxy:
            visible |= {static.volume for static in self.spec.proxy.static if static.volume}
        if container.inherits_backend:
            visible |= {device.name for device in self.backend.spec.volume_devices or []}
        return visible | {device.name for device in container.spec.volume_devices or []}

    def listeners(self, container: ContainerView) -> list[Listener]:
        """Return the ports on which a container listens: the proxy's two own ports first, then its declared ports."""
        declared = [
            Listener(
                field=f"{field}.containerPort",
                number=port.container_port,
                protocol=port.protocol or "TCP",
                name=port.name or "",
                host_port=port.host_port,
                host_ip=port.host_ip or "",
            )
            for field, port in container.ports()
        ]
        proxy = self.spec.proxy
        if proxy is None or container.spec is not proxy:
            return declared
        return [
            Listener("spec.proxy.port", proxy.port),
            Listener("spec.proxy.healthPort", proxy.health_port),
            *declared,
        ]


def _view(list_field: str, index: int, container: InitContainer | Sidecar) -> ContainerView:
    return ContainerView(
        field=f"spec.{list_field}[{index}]",
        name=container.name,
        spec=container,
        inherits_backend=container.image is None,
        runs_to_completion=isinstance(container, InitContainer) and container.restart_policy is None,
    )

"""The validation context: one AppStack, the operator's settings, and views of the containers derived from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from appstack.api import AppStack, AppStackSpec
from appstack.api.containers import BACKEND, PROXY, Container, InitContainer, Sidecar
from appstack.api.files import File
from appstack.api.kube import ContainerPort, ServicePort, VolumeMount
from appstack.api.proxy import Proxy
from appstack.api.service import DEFAULT_SERVICE, FurtherService, Service
from appstack.settings import Settings
from appstack.validation.field_values import FieldValue, field_values


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume mount of a container, and the field that declares it."""

    field: str  # spec.backend.volumeMounts[0]
    path: str
    volume: str
    read_only: bool = False


@dataclass(frozen=True, eq=False)
class ContainerView:
    """A container of the pod, and the field that declares it."""

    field: str  # spec.sidecars[0]
    name: str  # in the pod
    spec: Container
    inherits_backend: bool = False  # without an image of its own, a container runs the backend's, with its mounts
    runs_to_completion: bool = False  # before the backend starts

    @property
    def role(self) -> str:
        """The name by which AppStack's own fields refer to the container: `backend`, `proxy` or its name."""
        return {"spec.backend": BACKEND, "spec.proxy": PROXY}.get(self.field, self.name)

    @cached_property
    def own_mounts(self) -> tuple[Mount, ...]:
        """The volume mounts that the container itself declares."""
        declared: Iterable[VolumeMount] = self.spec.volume_mounts or ()
        return tuple(
            Mount(f"{self.field}.volumeMounts[{index}]", mount.mount_path, mount.name, bool(mount.read_only))
            for index, mount in enumerate(declared)
        )

    @cached_property
    def own_volumes(self) -> frozenset[str]:
        """The names of the volumes that the container mounts, serves or has as a device, without inherited ones."""
        devices = (device.name for device in self.spec.volume_devices or ())
        static = self.spec.static if isinstance(self.spec, Proxy) else ()
        served = (each.volume for each in static if each.volume)
        return frozenset((*(mount.volume for mount in self.own_mounts), *devices, *served))

    @cached_property
    def ports(self) -> tuple[tuple[str, ContainerPort], ...]:
        """The ports that the container declares, each with its field."""
        return tuple((f"{self.field}.ports[{index}]", port) for index, port in enumerate(self.spec.ports or ()))

    @cached_property
    def listeners(self) -> tuple[Listener, ...]:
        """The ports on which the container listens: the proxy's two own ports first, then its declared ports."""
        declared = (
            Listener(
                field=f"{field}.containerPort",
                number=port.container_port,
                protocol=port.protocol or "TCP",
                name=port.name or "",
                host_port=port.host_port,
                host_ip=port.host_ip or "",
            )
            for field, port in self.ports
        )
        if not isinstance(self.spec, Proxy):
            return tuple(declared)
        return (
            Listener("spec.proxy.port", self.spec.port),
            Listener("spec.proxy.healthPort", self.spec.health_port),
            *([Listener("spec.proxy.tls.port", self.spec.tls.port)] if self.spec.tls else []),
            *declared,
        )


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


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A Service of the AppStack, and the field that declares it."""

    field: str  # spec.services[0]
    name: str
    spec: Service | FurtherService

    @property
    def ports(self) -> Iterator[tuple[str, ServicePort]]:
        """The ports that the Service declares, each with its field."""
        declared = self.spec.ports or ()
        return ((f"{self.field}.ports[{index}]", port) for index, port in enumerate(declared))


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
        return ContainerView("spec.backend", self.spec.backend.name, self.spec.backend)

    @cached_property
    def containers(self) -> tuple[ContainerView, ...]:
        """Every container that the spec declares: backend, proxy, init containers, sidecars."""
        proxy = self.spec.proxy
        return (
            self.backend,
            *([ContainerView("spec.proxy", proxy.name, proxy)] if proxy else []),
            *(_view("initContainers", index, each) for index, each in enumerate(self.spec.init_containers)),
            *(_view("sidecars", index, each) for index, each in enumerate(self.spec.sidecars)),
        )

    @cached_property
    def concurrent_containers(self) -> tuple[ContainerView, ...]:
        """The containers that run at the same time: all but the init containers that run to completion."""
        return tuple(container for container in self.containers if not container.runs_to_completion)

    @cached_property
    def files(self) -> tuple[tuple[str, File], ...]:
        """The files, each with its field; their containers are given by role."""
        return tuple((f"spec.files[{index}]", file) for index, file in enumerate(self.spec.files_by_role))

    @cached_property
    def volume_names(self) -> dict[str, None]:
        """The names of the volumes in spec.volumes, in their order."""
        return dict.fromkeys(volume.name for volume in self.spec.volumes)

    @cached_property
    def empty_dirs(self) -> frozenset[str]:
        """The names of the volumes that are an emptyDir."""
        return frozenset(volume.name for volume in self.spec.volumes if volume.empty_dir is not None)

    @cached_property
    def written_volumes(self) -> frozenset[str]:
        """The names of the volumes whose content the kubelet writes: of ConfigMaps, Secrets and projections."""
        return frozenset(
            volume.name
            for volume in self.spec.volumes
            if volume.config_map or volume.secret or volume.projected or volume.downward_api
        )

    @property
    def is_windows(self) -> bool:
        """Whether the pods run on Windows nodes."""
        pod = self.spec.pod
        return (pod.os is not None and pod.os.name == "windows") or (
            pod.node_selector is not None and pod.node_selector.get("kubernetes.io/os") == "windows"
        )

    @cached_property
    def listeners(self) -> tuple[Listener, ...]:
        """The ports on which the containers that run at the same time listen."""
        return tuple(listener for container in self.concurrent_containers for listener in container.listeners)

    @cached_property
    def tcp_ports(self) -> frozenset[int]:
        """The numbers of the TCP ports among `listeners`."""
        return frozenset(listener.number for listener in self.listeners if listener.protocol == "TCP")

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

    @cached_property
    def uses_host_port(self) -> bool:
        """Whether a container listens on a port of the node, which every port is with hostNetwork."""
        return any(each.host_port is not None or self.spec.pod.host_network for each in self.listeners)

    @cached_property
    def services(self) -> tuple[ServiceView, ...]:
        """The AppStack's Service unless it is disabled, and the further ones."""
        own = self.spec.service or DEFAULT_SERVICE
        return (
            *([ServiceView("spec.service", self.stack.service_name, own)] if own.enabled else []),
            *(ServiceView(f"spec.services[{index}]", each.name, each) for index, each in enumerate(self.spec.services)),
        )

    @property
    def is_exposed(self) -> bool:
        """Whether a Service exposes the pods: the AppStack's own, or a further one."""
        return self.has_service or bool(self.spec.services)

    @cached_property
    def has_service(self) -> bool:
        """Whether the AppStack's own Service exposes the pods: it is enabled, and it has a port or is headless."""
        return self.has_service_ports or (self.spec.service or DEFAULT_SERVICE).is_headless

    @cached_property
    def has_service_ports(self) -> bool:
        """Whether the AppStack's own Service exposes the pods and has a port."""
        service = self.spec.service or DEFAULT_SERVICE
        return service.enabled and bool(service.ports or self.spec.has_default_ports)

    @property
    def has_headless_service(self) -> bool:
        """Whether a headless Service exposes each pod of a StatefulSet by name."""
        return self.spec.workload.kind == "StatefulSet" and self.spec.has_default_ports

    @cached_property
    def field_values(self) -> list[FieldValue]:
        """The values of the whole spec, parents before their fields."""
        return field_values("spec", self.spec)

    @cached_property
    def visible_volumes(self) -> dict[str, frozenset[str]]:
        """The names of the volumes that each container uses or inherits, by the field of the container."""
        return {
            container.field: container.own_volumes | self._inherited_volumes(container) for container in self.containers
        }

    @cached_property
    def users_of_volume(self) -> Counter[str]:
        """The number of containers that use or inherit each volume, by its name."""
        return Counter(chain.from_iterable(self.visible_volumes.values()))

    def _inherited_volumes(self, container: ContainerView) -> frozenset[str]:
        """Return the volumes of the backend that the container does not replace at all their paths."""
        if not container.inherits_backend:
            return frozenset()
        replaced = {mount.path for mount in container.own_mounts} & self._volumes_by_path.keys()
        if not replaced:
            return self.backend.own_volumes
        mounted, hidden = self._mounts_by_volume, Counter(self._volumes_by_path[path] for path in replaced)
        unmounted = {name for name in hidden if hidden[name] == mounted[name]}
        return self.backend.own_volumes - unmounted | self._devices

    @cached_property
    def _devices(self) -> frozenset[str]:
        return frozenset(device.name for device in self.backend.spec.volume_devices or ())

    @cached_property
    def _volumes_by_path(self) -> dict[str, str]:
        return {mount.path: mount.volume for mount in self.backend.own_mounts}

    @cached_property
    def _mounts_by_volume(self) -> Counter[str]:
        return Counter(self._volumes_by_path.values())


def _view(list_field: str, index: int, container: InitContainer | Sidecar) -> ContainerView:
    return ContainerView(
        field=f"spec.{list_field}[{index}]",
        name=container.name,
        spec=container,
        inherits_backend=container.image is None,
        runs_to_completion=isinstance(container, InitContainer) and container.restart_policy is None,
    )

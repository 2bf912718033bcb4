"""What every check looks at: the stack, and its containers with what they see once they have inherited. PURE."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from appstack.api import AppStack, AppStackSpec
from appstack.api.containers import BACKEND, PROXY, Container, InitContainer, Sidecar
from appstack.api.kube import ContainerPort, VolumeMount
from appstack.api.service import USUAL
from appstack.errors import ValidationIssue
from appstack.settings import Settings
from appstack.validation.tree import Value, values

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume where a container sees it, and the field that says so."""

    field: str  # spec.backend.volumeMounts[0]
    path: str
    volume: str


@dataclass(frozen=True, slots=True)
class Member:
    """One container of the pod, and the field that holds it."""

    field: str  # spec.sidecars[0]
    name: str
    container: Container
    inherits: bool = False  # from the backend
    runs_to_its_end: bool = False  # before the backend starts

    def own_mounts(self) -> list[Mount]:
        """Return what the container itself mounts."""
        written: Iterable[VolumeMount] = self.container.volume_mounts or []
        return [
            Mount(f"{self.field}.volumeMounts[{index}]", mount.mount_path, mount.name)
            for index, mount in enumerate(written)
        ]

    def ports(self) -> list[tuple[str, ContainerPort]]:
        """Return the ports that the container declares, each with its field."""
        return [(f"{self.field}.ports[{index}]", port) for index, port in enumerate(self.container.ports or [])]


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
        """The port as people write it."""
        return f"{self.number}/{self.protocol}"


@dataclass(frozen=True)
class Subject:
    """One stack and what the administrator decided."""

    stack: AppStack
    settings: Settings

    @property
    def spec(self) -> AppStackSpec:
        """The stack's spec."""
        return self.stack.spec

    @cached_property
    def backend(self) -> Member:
        """The application's own container."""
        return Member("spec.backend", BACKEND, self.spec.backend)

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """Every container that the author wrote, in the order of the document."""
        proxy = self.spec.proxy
        return (
            self.backend,
            *([Member("spec.proxy", PROXY, proxy)] if proxy else []),
            *(_beside("initContainers", index, each) for index, each in enumerate(self.spec.init_containers)),
            *(_beside("sidecars", index, each) for index, each in enumerate(self.spec.sidecars)),
        )

    @cached_property
    def together(self) -> tuple[Member, ...]:
        """The containers that run at the same time."""
        return tuple(member for member in self.members if not member.runs_to_its_end)

    @cached_property
    def volume_names(self) -> tuple[str, ...]:
        """The names of the stack's volumes."""
        return tuple(volume.name for volume in self.spec.volumes)

    @property
    def most_pods(self) -> int | None:
        """How many pods run at once at most, as far as the stack says so; None: as many as there are nodes."""
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
    def has_host_port(self) -> bool:
        """Whether a container asks for a port of the node: on the node's network each port is one."""
        listeners = [each for member in self.together for each in self.listeners(member)]
        return any(each.host_port is not None or self.spec.pod.host_network for each in listeners)

    @cached_property
    def has_service(self) -> bool:
        """Whether a Service leads to the pods: it is not switched off, and something listens."""
        service = self.spec.service or USUAL
        return service.enabled and bool(service.ports or self.spec.proxy or self.spec.backend.ports)

    @property
    def has_headless(self) -> bool:
        """Whether a Service names each pod of a set and leads to what listens."""
        listens = self.spec.proxy is not None or bool(self.spec.backend.ports)
        return self.spec.workload.kind == "StatefulSet" and listens

    @cached_property
    def values(self) -> list[Value]:
        """Every value of the spec."""
        return values("spec", self.spec)

    def inherited_mounts(self, member: Member) -> list[Mount]:
        """Return the backend's mounts that a container sees: all those that it has none of its own in place of."""
        own = {mount.path for mount in member.own_mounts()}
        return [mount for mount in self.backend.own_mounts() if member.inherits and mount.path not in own]

    def seen_volumes(self, member: Member) -> set[str]:
        """Return the names of the volumes that a container sees."""
        seen = {mount.volume for mount in [*self.inherited_mounts(member), *member.own_mounts()]}
        if self.spec.proxy is not None and member.container is self.spec.proxy:
            seen |= {static.volume for static in self.spec.proxy.static if static.volume}
        if member.inherits:
            seen |= {device.name for device in self.backend.container.volume_devices or []}
        return seen | {device.name for device in member.container.volume_devices or []}

    def listeners(self, member: Member) -> list[Listener]:
        """Return where a container listens, as far as the stack says so."""
        own = [
            Listener(
                field=f"{field}.containerPort",
                number=port.container_port,
                protocol=port.protocol or "TCP",
                name=port.name or "",
                host_port=port.host_port,
                host_ip=port.host_ip or "",
            )
            for field, port in member.ports()
        ]
        proxy = self.spec.proxy
        if proxy is None or member.container is not proxy:
            return own
        return [
            Listener("spec.proxy.port", proxy.port),
            Listener("spec.proxy.healthPort", proxy.health_port),
            *own,
        ]


def _beside(part: str, index: int, container: InitContainer | Sidecar) -> Member:
    return Member(
        field=f"spec.{part}[{index}]",
        name=container.name,
        container=container,
        inherits=container.image is None,
        runs_to_its_end=isinstance(container, InitContainer) and container.restart_policy is None,
    )


def repeated(
    items: Iterable[tuple[str, Item]], *, key: Callable[[Item], Hashable], what: Callable[[Item], str]
) -> Iterator[ValidationIssue]:
    """Yield a fault for each item, given with its field, whose key another before it has."""
    first: dict[Hashable, str] = {}
    for field, item in items:
        former = first.setdefault(key(item), field)
        if former != field:
            yield ValidationIssue(field, f"{what(item)} stands at {former} already", "keep one of the two")


def choices(names: Iterable[str], *, none: str) -> str:
    """Return a hint that lists what could be chosen instead."""
    listed = ", ".join(dict.fromkeys(names))
    return f"there are: {listed}" if listed else none


def one_of(where: str, value: str | None, known: tuple[str, ...], *, what: str) -> Iterator[ValidationIssue]:
    """Yield a value that is none of the known ones."""
    if value is not None and value not in known:
        yield ValidationIssue(where, f"{value!r} is not {what}", f"{', '.join(known[:-1])} or {known[-1]}")

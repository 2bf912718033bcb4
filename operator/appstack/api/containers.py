"""Container models: the backend, init containers and sidecars; `proxy.py` has the nginx proxy."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StrictInt, StrictStr

from appstack.api import kube
from appstack.api.base import KubernetesModel, Name

BACKEND: Final = "backend"
PROXY: Final = "proxy"


class HTTPGet(KubernetesModel, kube.HTTPGetAction):
    """An HTTP GET request to the container; `port` is optional."""

    port: StrictInt | StrictStr | None = None  # type: ignore[assignment]  # required by Kubernetes
    """Name or number of the port. Default: the container's first port."""


class TCPSocket(KubernetesModel, kube.TCPSocketAction):
    """A TCP connection to the container; `port` is optional."""

    port: StrictInt | StrictStr | None = None  # type: ignore[assignment]  # required by Kubernetes
    """Name or number of the port. Default: the container's first port."""


class Probe(KubernetesModel, kube.Probe):
    """A Kubernetes probe; its `port` defaults to the container's first port."""

    http_get: HTTPGet | None = None
    """HTTP GET request to perform."""
    tcp_socket: TCPSocket | None = None
    """TCP connection to open."""


class LifecycleHandler(KubernetesModel, kube.LifecycleHandler):
    """A Kubernetes lifecycle handler; its `port` defaults to the container's first port."""

    http_get: HTTPGet | None = None
    """HTTP GET request to perform."""
    tcp_socket: TCPSocket | None = None
    """Deprecated by Kubernetes, which does not support it as a lifecycle handler."""


class Lifecycle(KubernetesModel, kube.Lifecycle):
    """Kubernetes lifecycle handlers; their `port` defaults to the container's first port."""

    post_start: LifecycleHandler | None = None
    """Runs immediately after the container is created."""
    pre_stop: LifecycleHandler | None = None
    """Runs immediately before the container is terminated."""


class Container(KubernetesModel, kube.Container):
    """A Kubernetes container; the `port` of probes and lifecycle handlers defaults to the container's first port."""

    liveness_probe: Probe | None = None
    """The kubelet restarts the container when this probe fails."""
    readiness_probe: Probe | None = None
    """The pod receives requests from Services only while this probe succeeds."""
    startup_probe: Probe | None = None
    """The other probes start after this probe has succeeded."""
    lifecycle: Lifecycle | None = None
    """Handlers that run after the container starts and before it stops."""

    def port_number(self, port: int | str | None) -> int | None:
        """Return the number of a port given by name or number; None stands for the first port.

        Return None if the container has no such port.
        """
        ports = self.ports or []
        if port is None:
            return ports[0].container_port if ports else None
        if isinstance(port, int):
            return port
        return next((each.container_port for each in ports if each.name == port), None)

    def probes(self) -> dict[str, Probe]:
        """Return the probes that are set, by API field name."""
        probes = {
            "startupProbe": self.startup_probe,
            "livenessProbe": self.liveness_probe,
            "readinessProbe": self.readiness_probe,
        }
        return {name: probe for name, probe in probes.items() if probe is not None}

    def handlers(self) -> dict[str, LifecycleHandler]:
        """Return the lifecycle handlers that are set, by API field name."""
        if self.lifecycle is None:
            return {}
        handlers = {"postStart": self.lifecycle.post_start, "preStop": self.lifecycle.pre_stop}
        return {name: handler for name, handler in handlers.items() if handler is not None}


class Backend(Container):
    """The container of the application."""

    OMITTED_FIELDS: ClassVar[frozenset[str]] = frozenset({"restartPolicy", "restartPolicyRules"})

    name: Name = BACKEND
    """Name of the container in the pod. Other fields of AppStack may also refer to it as `backend`."""
    image: Annotated[StrictStr, Field(min_length=1, max_length=1024)]
    """Container image, for example registry.example.com/shop:1.4."""


class InitContainer(Container):
    """A container that runs to completion before the backend starts.

    Without `image` it inherits the backend's image, environment, mounts, files and securityContext.
    """

    name: Name
    """Name of the container, unique in the pod."""
    restart_policy: Literal["Always"] | None = None
    """`Always` makes it a native sidecar that starts at this position in the order of init containers."""


class SidecarRole(StrEnum):
    """The purpose of a sidecar."""

    SIDECAR = "Sidecar"
    ADAPTER = "Adapter"
    AMBASSADOR = "Ambassador"


class Sidecar(Container):
    """A container that runs beside the backend.

    Without `image` it inherits the backend's image, environment, mounts, files and securityContext.
    """

    OMITTED_FIELDS: ClassVar[frozenset[str]] = frozenset({"restartPolicy", "restartPolicyRules"})

    name: Name
    """Name of the container, unique in the pod."""
    role: SidecarRole = SidecarRole.SIDECAR
    """`Ambassador` starts before the init containers and proxies outgoing connections. `Adapter` converts the output
    of another container."""
    native: bool = True
    """True runs a native sidecar: it starts before the backend, stops after it and does not keep a Job from completing.
    False runs an ordinary container."""

"""Container models: the backend, the nginx proxy, init containers and sidecars."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, StrictInt, StrictStr

from appstack.api import kube
from appstack.api.base import KubernetesModel, Model, Name, PortNumber, Seconds
from appstack.settings import AbsolutePath

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


class Static(Model):
    """Files that nginx serves from the backend's image or from a volume, without a request to the backend."""

    path: Annotated[AbsolutePath, Field(pattern=r"^/([A-Za-z0-9._~-]+/)*$")]
    """URL path prefix of the files. Must begin and end with a slash, for example /static/."""
    from_: Annotated[AbsolutePath | None, Field(alias="from")] = None
    """Directory of the backend's image, for example /app/static. The files change with the image. Exactly one of
    `from` and `volume` is required."""
    volume: Name | None = None
    """Name of a volume in `spec.volumes`. Exactly one of `from` and `volume` is required."""
    sub_path: Annotated[str | None, Field(max_length=1024)] = None
    """Directory inside `volume`. Default: the root of the volume."""
    max_age_seconds: Annotated[int | None, Field(ge=0, le=31_536_000, strict=True)] = None
    """Seconds for which clients may cache a file (`Cache-Control: max-age`). No header is sent when unset."""


class Proxy(Container):
    """The nginx sidecar in front of the backend. Every field is optional."""

    OMITTED_FIELDS: ClassVar[frozenset[str]] = frozenset({"restartPolicy", "restartPolicyRules", "command", "args"})

    name: Name = PROXY
    """Name of the container in the pod. Other fields of AppStack may also refer to it as `proxy`."""
    image: Annotated[StrictStr | None, Field(min_length=1, max_length=1024)] = None
    """Image of nginx. Default: the operator's setting `proxyImage`."""
    port: PortNumber = 8080
    """Port on which nginx serves requests; the Service's target port."""
    health_port: PortNumber = 15080
    """Port on which nginx answers the kubelet's probes. It is not exposed by the Service."""
    upstream: Annotated[StrictInt | StrictStr | None, Field()] = None
    """Name or number of the backend's port that requests are proxied to. Default: the backend's first port."""
    static: Annotated[tuple[Static, ...], Field(max_length=32)] = ()
    """Files that nginx serves without a request to the backend."""
    client_max_body_size: Annotated[str | None, Field(pattern=r"^[0-9]+([KMG]i?|k)?$", max_length=32)] = None
    """Maximum size of a request body, for example 10Mi. Default: 1Mi, as in nginx."""
    read_timeout_seconds: Seconds | None = None
    """Maximum seconds between two reads of the backend's response (`proxy_read_timeout`). Default: 60, as in nginx."""
    server: Annotated[str | None, Field(max_length=65_536)] = None
    """Additional directives for nginx's `server` block."""
    config: Annotated[str | None, Field(max_length=131_072)] = None
    """Complete nginx.conf that replaces the generated one. Cannot be combined with `upstream`, `server`,
    `clientMaxBodySize` and `readTimeoutSeconds`."""

    def container_fields(self) -> dict[str, Any]:
        """Return the fields of the Kubernetes Container that are set, without `image` and `name`."""
        own_fields = set(type(self).model_fields) - set(kube.Container.model_fields)
        return self.model_dump(by_alias=True, exclude_none=True, exclude=own_fields | {"image", "name"})


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

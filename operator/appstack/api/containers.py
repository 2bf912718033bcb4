"""Containers: the backend, the proxy before it, and what stands beside them. PURE."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, StrictInt, StrictStr

from appstack.api import kube
from appstack.api.base import AbsolutePath, Kubernetes, Model, Name, PortNumber, Seconds

BACKEND: Final = "backend"
PROXY: Final = "proxy"


class HTTPGet(Kubernetes, kube.HTTPGetAction):
    """Kubernetes' HTTPGetAction; `port` defaults to the container's first."""

    port: StrictInt | StrictStr | None = None  # type: ignore[assignment]  # optional here


class TCPSocket(Kubernetes, kube.TCPSocketAction):
    """Kubernetes' TCPSocketAction; `port` defaults to the container's first."""

    port: StrictInt | StrictStr | None = None  # type: ignore[assignment]  # optional here


class Probe(Kubernetes, kube.Probe):
    """Kubernetes' Probe, whose ports have a default."""

    http_get: HTTPGet | None = None
    tcp_socket: TCPSocket | None = None


class LifecycleHandler(Kubernetes, kube.LifecycleHandler):
    """Kubernetes' LifecycleHandler, whose ports have a default."""

    http_get: HTTPGet | None = None
    tcp_socket: TCPSocket | None = None


class Lifecycle(Kubernetes, kube.Lifecycle):
    """Kubernetes' Lifecycle, whose handlers' ports have a default."""

    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None


class Container(Kubernetes, kube.Container):
    """Kubernetes' Container; a probe's or handler's `port` defaults to the container's first."""

    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle | None = None

    def port_number(self, port: int | str | None) -> int | None:
        """Return the number of a port, named, numbered or (None) the first; None when there is no such port."""
        ports = self.ports or []
        if port is None:
            return ports[0].container_port if ports else None
        if isinstance(port, int):
            return port
        return next((each.container_port for each in ports if each.name == port), None)

    def probes(self) -> dict[str, Probe]:
        """Return the probes that are written, by the API's name of the field."""
        written = {
            "startupProbe": self.startup_probe,
            "livenessProbe": self.liveness_probe,
            "readinessProbe": self.readiness_probe,
        }
        return {name: probe for name, probe in written.items() if probe is not None}

    def handlers(self) -> dict[str, LifecycleHandler]:
        """Return the lifecycle handlers that are written, by the API's name of the field."""
        if self.lifecycle is None:
            return {}
        written = {"postStart": self.lifecycle.post_start, "preStop": self.lifecycle.pre_stop}
        return {name: handler for name, handler in written.items() if handler is not None}


class Backend(Container):
    """The application's own container, always named `backend`."""

    LESS: ClassVar[frozenset[str]] = frozenset({"restartPolicy", "restartPolicyRules"})

    name: Literal["backend"] = BACKEND
    image: Annotated[StrictStr, Field(min_length=1, max_length=1024)]


class Static(Model):
    """Files that nginx serves itself, out of the backend's image or out of a volume."""

    path: Annotated[AbsolutePath, Field(pattern=r"^/([A-Za-z0-9._~-]+/)*$")]
    """The URL's prefix; begins and ends with a slash."""
    from_: Annotated[AbsolutePath | None, Field(alias="from")] = None
    """A directory of the backend's image; a new image always brings its new files."""
    volume: Name | None = None
    """A volume of `spec.volumes` instead of `from`."""
    sub_path: Annotated[str | None, Field(max_length=1024)] = None
    """The directory inside `volume`; default its root."""
    max_age_seconds: Annotated[int | None, Field(ge=0, le=31_536_000, strict=True)] = None
    """How long a browser may keep a file (Cache-Control: max-age); unset sends no such header."""


class Proxy(Container):
    """The nginx sidecar in front of the backend, always named `proxy`. Every field is optional."""

    LESS: ClassVar[frozenset[str]] = frozenset({"restartPolicy", "restartPolicyRules", "command", "args"})

    name: Literal["proxy"] = PROXY
    image: Annotated[StrictStr | None, Field(min_length=1, max_length=1024)] = None
    """Default: the image that the operator's settings name."""
    port: PortNumber = 8080
    """What the Service leads to."""
    health_port: PortNumber = 15080
    """Where kubelets ask; no Service leads to it."""
    upstream: Annotated[StrictInt | StrictStr | None, Field()] = None
    """The backend's port that requests go to, by name or number; default its first."""
    static: Annotated[tuple[Static, ...], Field(max_length=32)] = ()
    """What nginx serves itself."""
    client_max_body_size: Annotated[str | None, Field(pattern=r"^[0-9]+([KMG]i?|k)?$", max_length=32)] = None
    """The largest request body, as a quantity (`10Mi`); default 1Mi, nginx's own."""
    read_timeout_seconds: Seconds | None = None
    """How long the backend may be silent while it answers; default 60, nginx's own."""
    server: Annotated[str | None, Field(max_length=65_536)] = None
    """Extra directives inside nginx's `server {}`."""
    config: Annotated[str | None, Field(max_length=131_072)] = None
    """The whole nginx.conf instead of the generated one; excludes upstream, server, clientMaxBodySize and
    readTimeoutSeconds."""

    def container_fields(self) -> dict[str, Any]:
        """Return what the author wrote of Kubernetes' own Container, `image` and `name` aside."""
        ours = set(type(self).model_fields) - set(kube.Container.model_fields)
        return self.model_dump(by_alias=True, exclude_none=True, exclude=ours | {"image", "name"})


class InitContainer(Container):
    """A container that runs to its end before the backend starts; without `image` the backend in another role."""

    name: Name
    restart_policy: Literal["Always"] | None = None
    """`Always` makes it a native sidecar at this place of the order."""


class SidecarRole(StrEnum):
    """What a sidecar is there for."""

    SIDECAR = "Sidecar"
    ADAPTER = "Adapter"
    AMBASSADOR = "Ambassador"


class Sidecar(Container):
    """A container beside the backend; without `image` the backend in another role."""

    LESS: ClassVar[frozenset[str]] = frozenset({"restartPolicy", "restartPolicyRules"})

    name: Name
    role: SidecarRole = SidecarRole.SIDECAR
    """`Ambassador` is up before the init containers; `Adapter` reshapes what another container writes."""
    native: bool = True
    """True: it starts before the backend, stops after it, and does not hold up its end. False: an ordinary
    container."""

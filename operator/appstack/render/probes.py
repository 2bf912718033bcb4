"""Probes and lifecycle handlers: default ports, and httpGet probes that nginx proxies to a private backend.

A kubelet probes the address of the pod, on which a backend behind a proxy need not listen. The httpGet probes of such
a backend are therefore rewritten to nginx's health port, with one path for each, and nginx proxies them to the backend
over loopback.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from appstack.api.containers import Container, HTTPGet, LifecycleHandler, Probe
from appstack.api.proxy import Proxy, UpstreamProtocol
from appstack.k8s.metadata import Manifest
from appstack.render.context import LOOPBACK, Context
from appstack.render.nginx_upstream import BACKEND

PROXY_HEALTH_PATH: Final = "/proxy"
_CONNECTION_HEADERS: Final = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "te", "transfer-encoding", "upgrade"}
)
"""Headers of the spec that concern the connection, which is nginx's own."""
DEFAULT_READINESS: Final = "answers"  # name of the readiness probe of a backend whose spec has none


@dataclass(frozen=True, slots=True)
class ProxiedProbe:
    """A request of a kubelet to nginx at `location`, for which nginx sends one with `path` to the backend."""

    name: str
    address: str  # of the backend; the name of the upstream for its main port or socket
    port: int | None  # None: a unix socket
    protocol: UpstreamProtocol = UpstreamProtocol.HTTP
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    any_response: bool = False  # whether every HTTP response of the backend, errors included, is a success

    @property
    def location(self) -> str:
        """The location on the health port, without the token."""
        return f"/backend/{self.name}"


def proxied_probes(context: Context) -> tuple[ProxiedProbe, ...]:
    """Return the probes that nginx proxies: httpGet probes and handlers of the backend, and the default readiness."""
    if context.spec.proxy is None:
        return ()
    backend = context.spec.backend
    handlers: dict[str, Probe | LifecycleHandler] = {**backend.probes(), **backend.handlers()}
    probes = [
        _proxied_probe(context, context.spec.proxy, name, handler.http_get)
        for name, handler in handlers.items()
        if handler.http_get is not None
    ]
    if backend.readiness_probe is None and context.upstream_address is not None:
        probes.append(
            ProxiedProbe(
                name=DEFAULT_READINESS,
                address=BACKEND,
                port=context.upstream_port,
                protocol=context.spec.proxy.protocol,
                any_response=True,
            )
        )
    return tuple(probes)


def _proxied_probe(context: Context, proxy: Proxy, name: str, action: HTTPGet) -> ProxiedProbe:
    """Return the probe that reaches the backend by its main protocol, or a further port of the backend by HTTP."""
    headers = [(header.name, header.value) for header in action.http_headers or []]
    port = None if proxy.socket and action.port is None else context.spec.backend.port_number(action.port) or 0
    if port == context.upstream_port:
        address, protocol = BACKEND, proxy.protocol
    else:
        address, protocol = f"{LOOPBACK}:{port}", UpstreamProtocol.HTTP
    if protocol is UpstreamProtocol.HTTP and action.scheme == "HTTPS":
        protocol = UpstreamProtocol.HTTPS
    return ProxiedProbe(
        name=name,
        address=address,
        port=port,
        protocol=protocol,
        path="/" + (action.path or "").removeprefix("/"),  # a kubelet adds the slash, too; nginx would read a port
        headers=tuple(each for each in headers if each[0].lower() not in _CONNECTION_HEADERS),
    )


def with_ports(container: Container, fields: Manifest, *, default: int | None = None) -> Manifest:
    """Return the rendered fields of a container, with a port in every probe and handler that leaves it out.

    The port is `default` if given, else the first port of the container.
    """
    port = default or container.port_number(None)
    probes = {name: _with_port(fields[name], port) for name in container.probes() if name in fields}
    lifecycle = {
        name: _with_port(handler, port) if isinstance(handler, dict) else handler
        for name, handler in fields.get("lifecycle", {}).items()
    }
    return {**fields, **probes, **({"lifecycle": lifecycle} if lifecycle else {})}


def _with_port(handler: Manifest, port: int | None) -> Manifest:
    """Return a probe or handler with a port in its httpGet or tcpSocket."""
    actions: Manifest = {
        action: {**handler[action], "port": handler[action].get("port", port)}
        for action in ("httpGet", "tcpSocket")
        if action in handler
    }
    return {**handler, **actions}


def through_proxy(context: Context, fields: Manifest) -> Manifest:
    """Return the rendered fields of the backend, with every httpGet sent to nginx's health port if there is a proxy."""
    proxy = context.spec.proxy
    if proxy is None:
        return fields
    probes = {probe.name: probe for probe in proxied_probes(context)}

    def http_get(location: str) -> Manifest:
        return {"path": health_path(context, location), "port": proxy.health_port}

    def redirected(handlers: Mapping[str, Manifest]) -> dict[str, Manifest]:
        return {
            name: {**handlers[name], "httpGet": http_get(probes[name].location)}
            for name in handlers.keys() & probes.keys()
        }

    result = {**fields, **redirected({name: value for name, value in fields.items() if isinstance(value, dict)})}
    if "lifecycle" in fields:
        result["lifecycle"] = {**fields["lifecycle"], **redirected(fields["lifecycle"])}
    if DEFAULT_READINESS in probes:
        result["readinessProbe"] = {"httpGet": http_get(probes[DEFAULT_READINESS].location)}
    return result


def health_path(context: Context, location: str) -> str:
    """Return the path of a location on the health port; only users with read access to the AppStack know it."""
    return f"/{context.token}{location}"


def proxy_probes(context: Context, health_port: int) -> Manifest:
    """Return the probes of nginx itself.

    The startup probe delays the backend, the readiness probe the endpoints of the Service, until nginx listens.
    """

    def probe(**timing: int) -> Manifest:
        return {"httpGet": {"path": health_path(context, PROXY_HEALTH_PATH), "port": health_port}, **timing}

    return {
        "startupProbe": probe(periodSeconds=1, failureThreshold=60),
        "readinessProbe": probe(periodSeconds=5),
    }

"""Endpoints of a stack: its addresses inside the cluster, of single pods, and from outside, one function per kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from appstack.api.status import MAX_ENDPOINTS, Endpoint
from appstack.k8s.observed import Child, Observed

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class EndpointContext:
    """A child that exposes the stack, with the context in which its endpoints are computed."""

    child: Child
    stack: str
    service: str  # the Service of the spec
    pods: tuple[Child, ...]
    default_scheme: str  # of a port without a scheme in its Service
    pod_service: str  # the headless Service that gives each pod of a StatefulSet a DNS name

    @property
    def is_own(self) -> bool:
        """Whether the child is the AppStack's own Service."""
        return self.child.ref.name == self.service

    @property
    def is_pod_service(self) -> bool:
        """Whether the child is the headless Service of the pods, and not the AppStack's own."""
        return not self.is_own and self.child.ref.name == self.pod_service


def endpoints(observed: Observed, spec: Mapping[str, Any], *, stack: str) -> tuple[Endpoint, ...]:
    """Return the endpoints of Services, then Ingresses, then HTTPRoutes, with unique names.

    Those of the AppStack's own Service come first. Those of a further Service have its name as well.
    """
    service = (spec.get("service") or {}).get("name") or stack
    default_scheme = "tcp" if spec.get("proxy") is None else "http"
    children = [child for _, child in sorted(observed.children.items()) if child.stack == stack]
    children.sort(key=lambda child: child.ref.name != service)
    service_names = (child.spec.get("serviceName") for child in children if child.ref.kind == "StatefulSet")
    pod_service = next(service_names, None) or f"{stack}-pods"
    found: dict[str, Endpoint] = {}
    for kind, endpoints_of in ENDPOINTS_BY_KIND.items():
        for child in (child for child in children if child.ref.kind == kind and not child.deleting):
            context = EndpointContext(child, stack, service, observed.pods, default_scheme, pod_service)
            for endpoint in endpoints_of(context):
                found.setdefault(endpoint.name, endpoint)
    return tuple(islice(found.values(), MAX_ENDPOINTS))


def _service(context: EndpointContext) -> Iterator[Endpoint]:
    """Yield an endpoint for each port of a Service, or for each pod of a headless one."""
    ports = context.child.spec.get("ports") or ()
    host = f"{context.child.ref.name}.{context.child.ref.namespace}.svc"
    if context.is_pod_service:
        pods = (pod for pod in context.pods if not pod.deleting)
        pod_names = sorted(pod.ref.name for pod in pods if _has_ordinal(pod.ref.name, context.stack))
        for port in ports[:1]:
            for name in pod_names:
                url = _url(f"{name}.{host}", port, default_scheme=context.default_scheme)
                yield Endpoint(name=name, url=url, scope="Pod")
        return
    prefix = "" if context.is_own else f"{context.child.ref.name}:"
    for port in ports:
        url = _url(host, port, default_scheme=context.default_scheme)
        yield Endpoint(name=f"{prefix}{_port_name(port)}", url=url, scope="Cluster")
    for address in ((context.child.status.get("loadBalancer") or {}).get("ingress") or ())[:1]:
        external_host = address.get("hostname") or address.get("ip") or ""
        for port in ports:
            url = _url(external_host, port, default_scheme=context.default_scheme)
            yield Endpoint(name=f"{prefix}{_port_name(port)}-external", url=url, scope="External")


def _has_ordinal(pod: str, stack: str) -> bool:
    """Return whether a pod has a name that a StatefulSet gives: `shop-0`."""
    name, _, number = pod.rpartition("-")
    return name == stack and number.isdecimal()


def _ingress(context: EndpointContext) -> Iterator[Endpoint]:
    """Yield the hosts of an Ingress, and its load balancer's address for a rule without a host."""
    tls = context.child.spec.get("tls") or ()
    tls_hosts = {host for entry in tls for host in entry.get("hosts") or ()}
    for rule in context.child.spec.get("rules") or ():
        host, path = rule.get("host"), _path(rule)
        scheme = "https" if host in tls_hosts or (tls and not tls_hosts) else "http"
        if host:
            yield Endpoint(name=host, url=f"{scheme}://{host}{path}", scope="External")
            continue
        for address in ((context.child.status.get("loadBalancer") or {}).get("ingress") or ())[:1]:
            external_host = address.get("hostname") or address.get("ip")
            yield Endpoint(name="ingress", url=f"{scheme}://{external_host}{path}", scope="External")


def _path(rule: Mapping[str, Any]) -> str:
    paths = (rule.get("http") or {}).get("paths") or ()
    return str(paths[0].get("path") or "").removesuffix("/") if paths else ""


def _http_route(context: EndpointContext) -> Iterator[Endpoint]:
    """Yield the host names of an HTTPRoute; the scheme is http, because only its Gateway knows of TLS."""
    for host in context.child.spec.get("hostnames") or ():
        yield Endpoint(name=host, url=f"http://{host}", scope="External")


ENDPOINTS_BY_KIND: Final[Mapping[str, Callable[[EndpointContext], Iterator[Endpoint]]]] = {
    "Service": _service,
    "Ingress": _ingress,
    "HTTPRoute": _http_route,
}
"""In order of precedence: of several endpoints with one name, the first counts."""


def _port_name(port: Mapping[str, Any]) -> str:
    return str(port.get("name") or port["port"])


def _url(host: str, port: Mapping[str, Any], *, default_scheme: str) -> str:
    scheme, number = _scheme(port, default=default_scheme), port["port"]
    suffix = "" if _DEFAULT_PORTS.get(scheme) == number else f":{number}"
    return f"{scheme}://{host}{suffix}"


def _scheme(port: Mapping[str, Any], *, default: str) -> str:
    """Return the URL scheme of a Service's port, from its protocol, else its appProtocol, name or number."""
    if port.get("protocol", "TCP") != "TCP":
        return str(port["protocol"]).lower()
    protocol = port.get("appProtocol") or (port.get("name") or "").partition("-")[0]
    if protocol:
        return protocol if protocol in _DEFAULT_PORTS else "tcp"
    return next((scheme for scheme, number in _DEFAULT_PORTS.items() if number == port["port"]), default)

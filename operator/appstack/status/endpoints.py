"""Where a stack answers: a function for each kind of object that makes it reachable. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from appstack.api.status import MAX_ENDPOINTS, Endpoint
from appstack.k8s.observed import Child, Observed

_SCHEMES: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Seen:
    """One object that makes the stack reachable, and what it stands among."""

    child: Child
    stack: str
    pods: tuple[Child, ...]
    usual: str  # how a port is spoken to that does not tell
    cluster: bool  # whether the Service is the stack's own; a StatefulSet's other one names its pods


def endpoints(observed: Observed, *, stack: str, usual: str) -> tuple[Endpoint, ...]:
    """Return the addresses by name: within the cluster, of each pod that has a name, from outside."""
    children = [child for _, child in sorted(observed.children.items()) if child.stack == stack]
    found: dict[str, Endpoint] = {}
    for kind, tell in KINDS.items():
        for child in (child for child in children if child.ref.kind == kind and not child.deleting):
            seen = Seen(child, stack, observed.pods, usual, cluster=child.ref.name == stack)
            for endpoint in tell(seen):
                found.setdefault(endpoint.name, endpoint)
    return tuple(islice(found.values(), MAX_ENDPOINTS))


def _service(seen: Seen) -> Iterator[Endpoint]:
    """Yield a Service's ports; of the headless one of a StatefulSet, its pods."""
    ports = seen.child.spec.get("ports") or ()
    host = f"{seen.child.ref.name}.{seen.child.ref.namespace}.svc"
    if not seen.cluster:
        named = sorted(pod.ref.name for pod in seen.pods if not pod.deleting and _ordinal(pod.ref.name, seen.stack))
        for port in ports[:1]:
            for name in named:
                url = _url(f"{name}.{host}", port, usual=seen.usual)
                yield Endpoint(name=name, url=url, scope="Pod")
        return
    for port in ports:
        yield Endpoint(name=_named(port), url=_url(host, port, usual=seen.usual), scope="Cluster")
    for address in ((seen.child.status.get("loadBalancer") or {}).get("ingress") or ())[:1]:
        where = address.get("hostname") or address.get("ip") or ""
        for port in ports:
            url = _url(where, port, usual=seen.usual)
            yield Endpoint(name=f"{_named(port)}-external", url=url, scope="External")


def _ordinal(pod: str, stack: str) -> bool:
    name, _, number = pod.rpartition("-")
    return name == stack and number.isdecimal()


def _ingress(seen: Seen) -> Iterator[Endpoint]:
    """Yield the hosts of an Ingress; one without takes every name at its address."""
    secured = seen.child.spec.get("tls") or ()
    covered = {host for one in secured for host in one.get("hosts") or ()}
    for rule in seen.child.spec.get("rules") or ():
        host, path = rule.get("host"), _path(rule)
        scheme = "https" if host in covered or (secured and not covered) else "http"
        if host:
            yield Endpoint(name=host, url=f"{scheme}://{host}{path}", scope="External")
            continue
        for address in ((seen.child.status.get("loadBalancer") or {}).get("ingress") or ())[:1]:
            where = address.get("hostname") or address.get("ip")
            yield Endpoint(name="ingress", url=f"{scheme}://{where}{path}", scope="External")


def _path(rule: Mapping[str, Any]) -> str:
    paths = (rule.get("http") or {}).get("paths") or ()
    return str(paths[0].get("path") or "").removesuffix("/") if paths else ""


def _route(seen: Seen) -> Iterator[Endpoint]:
    """Yield the host names of an HTTPRoute; whether its Gateway speaks TLS only the Gateway tells."""
    for host in seen.child.spec.get("hostnames") or ():
        yield Endpoint(name=host, url=f"http://{host}", scope="External")


KINDS: Final[Mapping[str, Callable[[Seen], Iterator[Endpoint]]]] = {
    "Service": _service,
    "Ingress": _ingress,
    "HTTPRoute": _route,
}
"""By kind of object. Two endpoints of one name are one: the first."""


def _named(port: Mapping[str, Any]) -> str:
    return str(port.get("name") or port["port"])


def _url(host: str, port: Mapping[str, Any], *, usual: str) -> str:
    scheme, number = _scheme(port, usual=usual), port["port"]
    shown = "" if _SCHEMES.get(scheme) == number else f":{number}"
    return f"{scheme}://{host}{shown}"


def _scheme(port: Mapping[str, Any], *, usual: str) -> str:
    """Return how to speak to a port, as its Service tells it: by protocol, appProtocol, name, number."""
    if port.get("protocol", "TCP") != "TCP":
        return str(port["protocol"]).lower()
    told = port.get("appProtocol") or (port.get("name") or "").partition("-")[0]
    if told:
        return told if told in _SCHEMES else "tcp"
    return next((scheme for scheme, number in _SCHEMES.items() if number == port["port"]), usual)

"""nginx's health server, which kubelets probe: nginx itself, and the proxied probes of the backend.

A client that reaches the port can at most repeat a probe of the spec, and gets its status. Each probe is a subrequest,
to which nginx passes neither body nor query nor headers, and of which it returns the status only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from appstack.api.proxy import GRPC_PROTOCOLS, Proxy
from appstack.render.context import LOOPBACK, Context
from appstack.render.nginx_probe_request import GRPC_LOCATION, grpc_relay, probe_request
from appstack.render.nginx_syntax import Directive, directive
from appstack.render.nginx_upstream import BACKEND
from appstack.render.probes import PROXY_HEALTH_PATH, ProxiedProbe, health_path, proxied_probes

_NO_BODY: Final = "$appstack_no_body"
_REPORTED: Final = (400, 401, 403, 404, 405, 408, 410, 429, 500, 501, 503, 504)
"""Statuses of the backend that a kubelet gets, and shows in its event. It gets 502 for any other failure."""

_DIRECTIVES: Final = (
    ("access_log", "off"),
    ("auth_basic", "off"),
    ("satisfy", "all"),
    ("allow", "all"),
    ("client_max_body_size", "1k"),
    ("mirror", "off"),
)
"""Directives of the server. The author's http {} could set them otherwise, for every server."""


def health_directives(context: Context, proxy: Proxy, listen: Iterable[Directive]) -> Iterator[Directive]:
    """Yield the directives of the file for http {}: the health server, the backend as upstream, and variables."""
    yield directive("geo", "$appstack_dollar", block=[directive("default", "$")])
    pod_address = [directive("default", "$server_addr"), directive("~:", "[$server_addr]")]
    yield directive("map", "$server_addr", "$appstack_pod_address", block=pod_address)
    if context.upstream_address is not None:
        yield directive("upstream", BACKEND, block=[directive("server", context.upstream_address)])
    probes = proxied_probes(context)
    yield directive("server", block=_server(context, proxy, probes, listen))
    if any(probe.protocol in GRPC_PROTOCOLS for probe in probes):
        yield directive("server", block=_relay_server(proxy))


def _server(
    context: Context, proxy: Proxy, probes: Sequence[ProxiedProbe], listen: Iterable[Directive]
) -> Iterator[Directive]:
    yield from listen
    yield from (directive(name, value) for name, value in _DIRECTIVES)
    yield directive("set", _NO_BODY, "")
    yield directive("error_page", 404, "=", "@unknown")
    yield directive("if", "($request_method", "!~", "^(GET|HEAD)$)", block=[_empty(405)])
    own_path = health_path(context, PROXY_HEALTH_PATH)
    yield directive("location", "=", own_path, block=[directive("return", 204)])
    for probe in probes:
        yield directive("location", "=", health_path(context, probe.location), block=_probe(probe))
        yield directive("location", "=", _request_location(probe), block=probe_request(proxy, probe))
    if probes:  # else nginx knows none of their variables, and refuses the file
        yield from _results()
    yield directive("location", "@unknown", block=[_empty(404)])
    yield directive("location", "/", block=[_empty(404)])


def _empty(status: int) -> Directive:
    """Return an answer without a body: without a text, or with a constant empty one, nginx sends a page of its own."""
    return directive("return", status, _NO_BODY)


def _request_location(probe: ProxiedProbe) -> str:
    return f"/request/{probe.name}"


def _probe(probe: ProxiedProbe) -> Iterator[Directive]:
    """Yield the location that a kubelet requests; an accepted subrequest continues with try_files."""
    yield directive("auth_request", _request_location(probe))
    yield directive("auth_request_set", "$appstack_probe_status", "$upstream_status")
    yield directive("auth_request_set", "$appstack_probe_header_time", "$upstream_header_time")
    yield directive("error_page", 403, 500, "=", "@answered" if probe.any_response else "@failed")
    yield directive("try_files", "/appstack-none", "@passed")


def _results() -> Iterator[Directive]:
    """Yield the named locations that end a subrequest and a request."""
    yield directive("location", "@refused", block=[_empty(403)])
    yield directive("location", "@passed", block=[directive("return", 204)])
    reported = [
        directive("if", "($appstack_probe_status", "=", f"{status})", block=[_empty(status)]) for status in _REPORTED
    ]
    yield directive("location", "@failed", block=[*reported, _empty(502)])
    # An error that nginx generates itself, because the backend does not listen, has no time of a header.
    responded = directive("if", "($appstack_probe_header_time", "~", "^[0-9])", block=[directive("return", 204)])
    yield directive("location", "@answered", block=[responded, _empty(502)])


def _relay_server(proxy: Proxy) -> Iterator[Directive]:
    """Yield the server that sends gRPC requests to the backend; only nginx itself reaches its address."""
    yield directive("listen", f"{LOOPBACK}:{proxy.health_port}")
    yield directive("access_log", "off")
    yield directive("location", "=", GRPC_LOCATION, block=grpc_relay(proxy))
    yield directive("location", "@closed", block=[directive("return", 444)])  # closes the connection, without an answer
    yield directive("location", "/", block=[directive("return", 404)])

"""nginx's health server, which kubelets probe: nginx itself, and the proxied probes of the backend.

A client that reaches the port can at most repeat a probe of the spec, and gets its status. Each probe is a subrequest,
to which nginx passes neither body nor query nor headers, and of which it returns the status only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from appstack.render.context import Context
from appstack.render.nginx_syntax import Directive, directive, literal
from appstack.render.probes import PASSED_HEADERS, PROXY_HEALTH_PATH, ProxiedProbe, health_path, proxied_probes

LOOPBACK: Final = "127.0.0.1"
_NO_BODY: Final = "$appstack_no_body"
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_ERRORS: Final = (*range(400, 418), *range(421, 427), 428, 429, 431, 451, *range(500, 509), 510, 511)
_REPORTED: Final = (400, 401, 403, 404, 405, 408, 410, 429, 500, 501, 503, 504)
"""Statuses of the backend that a kubelet gets, and shows in its event. It gets 502 for any other failure."""

_DIRECTIVES: Final = (
    ("access_log", "off"),
    ("auth_basic", "off"),
    ("satisfy", "all"),
    ("allow", "all"),
    ("client_max_body_size", "1k"),
    ("proxy_method", "GET"),
    ("proxy_cache", "off"),
    ("proxy_store", "off"),
    ("proxy_ssl_verify", "off"),
    ("proxy_http_version", "1.1"),
    ("proxy_pass_request_body", "off"),
    ("proxy_pass_request_headers", "off"),
    ("proxy_redirect", "off"),
    ("proxy_intercept_errors", "on"),
    ("mirror", "off"),
)
"""Directives of the server. The author's http {} could set them otherwise, for every server."""


def health_server(context: Context, listen: Iterator[Directive]) -> Iterator[Directive]:
    """Yield the directives of the file for http {}: the health server, and the variables that it uses."""
    yield directive("geo", "$appstack_dollar", block=[directive("default", "$")])
    pod_address = [directive("default", "$server_addr"), directive("~:", "[$server_addr]")]
    yield directive("map", "$server_addr", "$appstack_pod_address", block=pod_address)
    yield directive("server", block=_server(context, listen))


def _server(context: Context, listen: Iterator[Directive]) -> Iterator[Directive]:
    yield from listen
    for name, value in _DIRECTIVES:
        yield directive(name, value)
    yield directive("set", _NO_BODY, "")
    yield directive("error_page", 404, "=", "@unknown")
    yield directive("if", "($request_method", "!~", "^(GET|HEAD)$)", block=[_empty(405)])
    own_path = health_path(context, PROXY_HEALTH_PATH)
    yield directive("location", "=", own_path, block=[directive("return", 204)])
    probes = proxied_probes(context)
    for probe in probes:
        yield directive("location", "=", health_path(context, probe.location), block=_probe(probe))
        yield directive("location", "=", _request_location(probe), block=_request(probe))
    if probes:
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


def _request(probe: ProxiedProbe) -> Iterator[Directive]:
    """Yield the location of the subrequest: only what the spec says reaches the backend."""
    yield directive("internal")
    # `$` would start an nginx variable, so every character that has no place in a path is percent-encoded.
    path = quote(probe.path, safe="/%?&=+:;,@!*()-._~'")
    yield directive("proxy_pass", f"{probe.scheme.lower()}://{LOOPBACK}:{probe.port}{path}")
    for name, value in _headers(probe):
        yield directive("proxy_set_header", name, value)
    # A kubelet would follow the redirect on the health port, which does not serve that path. The backend responded,
    # which is enough for a probe.
    yield directive("error_page", *_REDIRECTS, "=", "@passed")
    yield directive("error_page", *_ERRORS, "=", "@refused")  # nginx logs any other failure of a subrequest


def _headers(probe: ProxiedProbe) -> Iterator[tuple[str, str]]:
    """Yield the headers of the request: those of the spec, and those that a kubelet sends by default."""
    own = {name.lower() for name, _ in probe.headers}
    yield "Connection", "close"
    yield "Content-Length", ""
    yield "Transfer-Encoding", ""
    if "host" not in own:
        yield "Host", f"$appstack_pod_address:{probe.port}"
    for name, value in PASSED_HEADERS.items():
        if name.lower() not in own:
            yield name, value
    for name, value in probe.headers:
        yield name, literal(value)


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

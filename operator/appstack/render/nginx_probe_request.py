"""The requests that the health server sends to the backend, for each protocol: what the spec says, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, unquote

from appstack.api.proxy import FastCGI, Proxy, UpstreamProtocol
from appstack.render.context import LOOPBACK
from appstack.render.nginx_locations import fastcgi_root
from appstack.render.nginx_syntax import Directive, directive, literal
from appstack.render.nginx_upstream import BACKEND, PROTOCOLS, script_parameters
from appstack.render.probes import ProxiedProbe

GRPC_LOCATION: Final = "/grpc.health.v1.Health/Check"
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_ERRORS: Final = (*range(400, 418), *range(421, 427), 428, 429, 431, 451, *range(500, 509), 510, 511)
_KUBELET_HEADERS: Final = {"User-Agent": "$http_user_agent", "Accept": "*/*"}
"""Headers that a kubelet sends and that reach the backend, unless the spec sets them otherwise."""


def probe_request(proxy: Proxy, probe: ProxiedProbe) -> Iterator[Directive]:
    """Yield the location of the subrequest."""
    yield directive("internal")
    prefix = PROTOCOLS[probe.protocol].prefix
    match prefix:
        case "fastcgi" | "uwsgi":
            yield from _cgi_request(proxy, probe)
        case "grpc":
            yield from _grpc_request(proxy)
        case _:
            yield from _http_request(probe)
    prefix = "proxy" if prefix == "grpc" else prefix
    yield directive(f"{prefix}_pass_request_body", "off")
    yield directive(f"{prefix}_pass_request_headers", "off")
    yield directive(f"{prefix}_cache", "off")
    yield directive(f"{prefix}_store", "off")
    yield directive(f"{prefix}_intercept_errors", "on")
    # A kubelet would follow the redirect on the health port, which does not serve that path. The backend responded,
    # which is enough for a probe.
    yield directive("error_page", *_REDIRECTS, "=", "@passed")
    yield directive("error_page", *_ERRORS, "=", "@refused")  # nginx logs any other failure of a subrequest


def _http_request(probe: ProxiedProbe) -> Iterator[Directive]:
    protocol = PROTOCOLS[probe.protocol]
    yield protocol.pass_to(f"{probe.address}{_path(probe)}")
    yield directive("proxy_method", "GET")
    yield directive("proxy_http_version", "1.1")
    yield directive("proxy_redirect", "off")
    yield directive("proxy_ssl_verify", "off")
    yield directive("proxy_set_header", "Connection", "close")
    yield directive("proxy_set_header", "Content-Length", "")
    yield directive("proxy_set_header", "Transfer-Encoding", "")
    for name, value in _headers(probe):
        yield directive("proxy_set_header", name, value)


def _path(probe: ProxiedProbe) -> str:
    """Return the path for nginx; `$` would start a variable, so all but the characters of a URL are encoded."""
    return quote(probe.path, safe="/%?&=+:;,@!*()-._~'")


def _headers(probe: ProxiedProbe) -> Iterator[tuple[str, str]]:
    """Yield the headers of the request: those of the spec, and those that a kubelet sends by default."""
    own = {name.lower() for name, _ in probe.headers}
    if "host" not in own:
        yield "Host", "$appstack_pod_address" + (f":{probe.port}" if probe.port else "")
    for name, value in _KUBELET_HEADERS.items():
        if name.lower() not in own:
            yield name, value
    for name, value in probe.headers:
        yield name, literal(value)


def _cgi_request(proxy: Proxy, probe: ProxiedProbe) -> Iterator[Directive]:
    """Yield a request by FastCGI, which the index script answers, or by uWSGI."""
    protocol = PROTOCOLS[probe.protocol]
    yield protocol.pass_to(probe.address)
    path, _, query = _path(probe).partition("?")
    parameters: dict[str, str | int] = {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": f"{path}?{query}" if query else path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "$server_addr",
        "SERVER_PORT": probe.port or 80,
        "REMOTE_ADDR": "$remote_addr",
    }
    if probe.protocol is UpstreamProtocol.FCGI:
        own = script_parameters(fastcgi_root(proxy), f"/{(proxy.fast_cgi or FastCGI()).index}")
        parameters |= {**own, "DOCUMENT_URI": path}
    else:
        parameters |= {"PATH_INFO": literal(unquote(probe.path.partition("?")[0])), "DOCUMENT_ROOT": "/"}
    for name, value in parameters.items():
        yield directive(protocol.setter, name, value)
    for name, value in _headers(probe):
        yield directive(protocol.setter, f"HTTP_{name.upper().replace('-', '_')}", value)


def _grpc_request(proxy: Proxy) -> Iterator[Directive]:
    """Yield a request to nginx itself with POST, which gRPC requires and which the subrequest cannot have."""
    yield directive("proxy_pass", f"http://{LOOPBACK}:{proxy.health_port}{GRPC_LOCATION}")
    yield directive("proxy_method", "POST")
    yield directive("proxy_http_version", "1.1")
    yield directive("proxy_set_header", "Connection", "close")
    yield directive("proxy_set_header", "Content-Length", "0")
    yield directive("proxy_set_header", "Host", "$appstack_pod_address")


def grpc_relay(proxy: Proxy) -> Iterator[Directive]:
    """Yield the location that sends the request to the backend by gRPC."""
    yield PROTOCOLS[proxy.protocol].pass_to(BACKEND)
    yield directive("grpc_set_header", "Content-Type", "application/grpc")
    yield directive("grpc_set_header", "TE", "trailers")
    yield directive("error_page", 502, 504, "=", "@closed")  # nginx's own errors are no answer of the backend

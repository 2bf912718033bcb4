"""What nginx sends to the backend: the directives for each protocol, and its headers and parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from appstack.api.proxy import UpstreamProtocol
from appstack.render.nginx_syntax import Directive, directive, literal

BACKEND: Final = "appstack_backend"
"""Name of the upstream, and of the named location that passes a request to it."""

_HTTP_HEADERS: Final = {
    "Host": "$http_host",
    "X-Real-IP": "$remote_addr",
    "X-Forwarded-For": "$appstack_forwarded_for",
    "X-Forwarded-Proto": "$appstack_scheme",
    "X-Forwarded-Host": "$appstack_forwarded_host",
    "Proxy": "",  # a CGI program would read it as its variable HTTP_PROXY
}
_UPGRADE_HEADERS: Final = {"Upgrade": "$http_upgrade", "Connection": "$appstack_connection"}
_CGI: Final = {
    "QUERY_STRING": "$query_string",
    "REQUEST_METHOD": "$request_method",
    "CONTENT_TYPE": "$content_type",
    "CONTENT_LENGTH": "$content_length",
    "REQUEST_URI": "$request_uri",
    "SERVER_PROTOCOL": "$server_protocol",
    "REQUEST_SCHEME": "$appstack_scheme",
    "REMOTE_ADDR": "$remote_addr",
    "REMOTE_PORT": "$remote_port",
    "SERVER_PORT": "$server_port",
    "SERVER_NAME": "$host",
    "HTTP_X_REAL_IP": "$remote_addr",
    "HTTP_X_FORWARDED_FOR": "$appstack_forwarded_for",
    "HTTP_X_FORWARDED_PROTO": "$appstack_scheme",
    "HTTP_X_FORWARDED_HOST": "$appstack_forwarded_host",
    "HTTP_PROXY": "",
}


@dataclass(frozen=True, slots=True)
class Protocol:
    """The module of nginx for a protocol: the prefix of its directives, the scheme of an address, and headers."""

    prefix: str
    scheme: str
    setter: str
    headers: Mapping[str, str]
    buffers: bool = True  # whether requests and answers can be buffered

    def pass_to(self, address: str) -> Directive:
        """Return the directive that passes a request to an address, or to the name of an upstream."""
        return directive(f"{self.prefix}_pass", f"{self.scheme}{address}")

    def timeouts(self, seconds: int) -> Iterator[Directive]:
        """Yield the directives for the maximum time between two reads, or two writes."""
        yield directive(f"{self.prefix}_read_timeout", f"{seconds}s")
        yield directive(f"{self.prefix}_send_timeout", f"{seconds}s")

    def buffering(self, *, answers: bool | None, requests: bool | None) -> Iterator[Directive]:
        """Yield the directives that switch buffering; None keeps the default."""
        for name, value in (("buffering", answers), ("request_buffering", requests)):
            if value is not None and self.buffers:
                yield directive(f"{self.prefix}_{name}", "on" if value else "off")


HTTP: Final = Protocol("proxy", "http://", "proxy_set_header", {**_HTTP_HEADERS, **_UPGRADE_HEADERS})
PROTOCOLS: Final[Mapping[UpstreamProtocol, Protocol]] = {
    UpstreamProtocol.HTTP: HTTP,
    UpstreamProtocol.HTTPS: Protocol("proxy", "https://", "proxy_set_header", HTTP.headers),
    UpstreamProtocol.GRPC: Protocol("grpc", "grpc://", "grpc_set_header", _HTTP_HEADERS, buffers=False),
    UpstreamProtocol.GRPCS: Protocol("grpc", "grpcs://", "grpc_set_header", _HTTP_HEADERS, buffers=False),
    UpstreamProtocol.FCGI: Protocol("fastcgi", "", "fastcgi_param", _CGI),
    UpstreamProtocol.UWSGI: Protocol(
        "uwsgi", "", "uwsgi_param", {**_CGI, "PATH_INFO": "$document_uri", "DOCUMENT_ROOT": "$document_root"}
    ),
}


def script_parameters(root: str, script: str) -> dict[str, str]:
    """Return the parameters of FastCGI that name the script to run; `script` may contain variables."""
    return {
        "SCRIPT_FILENAME": f"{literal(root)}{script}",
        "SCRIPT_NAME": script,
        "DOCUMENT_ROOT": literal(root),
        "DOCUMENT_URI": "$document_uri",
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REDIRECT_STATUS": "200",  # PHP refuses to run without it if it was built with --enable-force-cgi-redirect
    }


def header_directives(setter: str, headers: Mapping[str, str], *, without: Iterable[str] = ()) -> Iterator[Directive]:
    """Yield a directive for each header or parameter, except those whose name in lower case is in `without`."""
    left_out = frozenset(without)
    for name, value in headers.items():
        if name.lower() not in left_out:
            yield directive(setter, name, value)
    if setter in ("fastcgi_param", "uwsgi_param") and "https" not in left_out:
        yield directive(setter, "HTTPS", "$appstack_https", "if_not_empty")

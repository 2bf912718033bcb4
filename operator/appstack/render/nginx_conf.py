"""nginx configuration of an AppStack, built as directives and serialized by `render.nginx_syntax`.

Configuration text of the user is never part of a generated file. It is a separate file that nginx includes, so it
cannot close a block that it did not open, and nginx's error messages name the file and thereby the field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from appstack.api.proxy import GRPC_PROTOCOLS, FastCGI, Proxy, ProxyTLS, UpstreamProtocol
from appstack.render.context import Context
from appstack.render.nginx_health import health_directives
from appstack.render.nginx_http import certificate_variable, http_defaults, variables
from appstack.render.nginx_locations import backend_locations, fastcgi_root, route_locations, static_directives
from appstack.render.nginx_syntax import Directive, directive, literal, serialize
from appstack.render.nginx_text import AuthorText
from appstack.render.nginx_upstream import HTTP, PROTOCOLS, Protocol, header_directives, script_parameters
from appstack.render.paths import (
    CHECK_CONF,
    HEALTH_CONF,
    HTTP_CONF,
    NGINX_CONF,
    NGINX_DIR,
    PROXY_PARAMS,
    SERVER_DIR,
    STATIC_CONF,
    TLS_DIR,
    USER_CONF,
)


def nginx_files(context: Context) -> dict[str, str]:
    """Return the configuration files of the proxy as path to text; empty without a proxy."""
    proxy = context.spec.proxy
    if proxy is None:
        return {}
    files = {HEALTH_CONF: serialize(health_directives(context, proxy, _listen(context, proxy.health_port)))}
    if proxy.static:
        files[STATIC_CONF] = serialize(static_directives(proxy))
    if proxy.config is not None:
        return {NGINX_CONF: proxy.config, **files}
    text = AuthorText(proxy)
    files[NGINX_CONF] = serialize(_main(context, proxy, text, certificates="$appstack_tls"))
    files[PROXY_PARAMS] = serialize(_headers(proxy, HTTP, text))
    if proxy.tls is not None:
        files[CHECK_CONF] = serialize(_main(context, proxy, text, certificates=TLS_DIR))
    if proxy.http_snippet is not None:
        files[HTTP_CONF] = proxy.http_snippet
    if proxy.server_snippet is not None:
        files[USER_CONF] = proxy.server_snippet
    return files


def _main(context: Context, proxy: Proxy, text: AuthorText, *, certificates: str) -> Iterator[Directive]:
    yield directive("worker_processes", 2)
    yield directive("pid", "/tmp/nginx.pid")
    yield directive("error_log", "stderr", "notice")
    yield directive("events", block=[directive("worker_connections", 1024)])
    yield directive("http", block=_http(context, proxy, text, certificates))


def _http(context: Context, proxy: Proxy, text: AuthorText, certificates: str) -> Iterator[Directive]:
    yield directive("include", "/etc/nginx/mime.types")
    yield from http_defaults(context, proxy, text)
    yield from variables(context, proxy)
    if proxy.http_snippet is not None:
        yield directive("include", HTTP_CONF)
    yield directive("include", f"{NGINX_DIR}/*.conf")
    if proxy.tls is None:
        yield directive("server", block=_server(context, proxy, text, [*_listen(context, proxy.port, default=True)]))
        return
    yield certificate_variable()
    plain, encrypted = [*_listen(context, proxy.port, default=True)], [*_tls(context, proxy, proxy.tls, certificates)]
    if proxy.tls.redirect:
        redirect = directive("return", 301, "https://$host$request_uri")
        yield directive("server", block=[*plain, redirect])
        yield directive("server", block=_server(context, proxy, text, encrypted))
    else:
        yield directive("server", block=_server(context, proxy, text, [*plain, *encrypted]))


def _tls(context: Context, proxy: Proxy, tls: ProxyTLS, certificates: str) -> Iterator[Directive]:
    yield from _listen(context, tls.port, "ssl", default=True, http2=_is_grpc(proxy))
    yield directive("ssl_certificate", f"{certificates}/tls.crt")
    yield directive("ssl_certificate_key", f"{certificates}/tls.key")


def _is_grpc(proxy: Proxy) -> bool:
    return proxy.protocol in GRPC_PROTOCOLS


def _listen(
    context: Context, port: int, *flags: str, default: bool = False, http2: bool | None = None
) -> Iterator[Directive]:
    """Yield the addresses of a port; gRPC needs HTTP/2, for which nginx 1.22 has no directive of its own."""
    proxy = context.spec.proxy
    uses_http2 = default and proxy is not None and _is_grpc(proxy) if http2 is None else http2
    all_flags = [*flags, *(["http2"] if uses_http2 else []), *(["default_server"] if default else [])]
    yield directive("listen", port, *all_flags)
    if context.settings.ipv6:
        yield directive("listen", f"[::]:{port}", *all_flags)


def _server(context: Context, proxy: Proxy, text: AuthorText, listen: list[Directive]) -> Iterator[Directive]:
    yield from listen
    for protocol in {each.setter: each for each in (HTTP, PROTOCOLS[proxy.protocol])}.values():
        yield from _headers(proxy, protocol, text)
    yield from _response_headers(proxy)
    yield directive("include", f"{SERVER_DIR}/*.conf")
    yield from route_locations(context, proxy, text)
    yield from backend_locations(context, proxy, text)


def _headers(proxy: Proxy, protocol: Protocol, text: AuthorText) -> Iterator[Directive]:
    """Yield the headers of requests to the backend, except those that the author's server {} sets itself.

    They are in server {}, so that every location inherits them that sets none.
    """
    headers: Mapping[str, str] = protocol.headers
    if protocol is PROTOCOLS[UpstreamProtocol.FCGI]:
        script = f"/{(proxy.fast_cgi or FastCGI()).index}"
        headers = {**headers, **script_parameters(fastcgi_root(proxy), script)}
    left_out = (name for setter, name in text.server_headers if setter == protocol.setter)
    yield from header_directives(protocol.setter, headers, without=left_out)


def _response_headers(proxy: Proxy) -> Iterator[Directive]:
    """Yield the headers of answers; one that is set replaces the backend's."""
    headers = proxy.response_headers
    if headers is None:
        return
    prefixes = dict.fromkeys(protocol.prefix for protocol in (HTTP, PROTOCOLS[proxy.protocol]))
    for name in dict.fromkeys((*(each.name for each in headers.set), *headers.remove)):
        for prefix in prefixes:
            yield directive(f"{prefix}_hide_header", name)
    for header in headers.set:
        yield directive("add_header", header.name, literal(header.value), "always")

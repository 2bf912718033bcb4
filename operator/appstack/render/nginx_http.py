"""The generated directives of nginx's http {}: defaults that the author's server {} inherits, and variables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from appstack.api.pod import KEEPALIVE_SECONDS
from appstack.api.proxy import Proxy
from appstack.render.context import Context
from appstack.render.nginx_syntax import Directive, directive
from appstack.render.nginx_text import AuthorText
from appstack.render.nginx_upstream import HTTP, PROTOCOLS
from appstack.render.paths import TLS_DIR

_UNITS: Final = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_DEFAULTS: Final = (
    ("default_type", "application/octet-stream"),
    ("access_log", "/dev/stdout"),
    ("server_tokens", "off"),
    ("sendfile", "on"),
    ("keepalive_time", f"{KEEPALIVE_SECONDS}s"),  # before the pod terminates: see render/draining.py
    ("absolute_redirect", "off"),  # the port of nginx is not the one that clients use
    ("large_client_header_buffers", "4", "32k"),
    ("proxy_http_version", "1.1"),
    *(
        directive
        for prefix in ("proxy", "fastcgi", "uwsgi")
        for directive in ((f"{prefix}_buffer_size", "16k"), (f"{prefix}_buffers", "8", "16k"))
    ),
    ("grpc_buffer_size", "16k"),
)
"""Directives with one value, which a directive of the author's replaces."""

_COMPRESSED_TYPES: Final = (  # text/html always is; never text/event-stream, whose events would wait in a buffer
    *("text/plain", "text/css", "text/xml", "text/javascript", "text/calendar", "text/markdown", "image/svg+xml"),
    *("application/javascript", "application/json", "application/ld+json", "application/manifest+json"),
    *("application/xml", "application/rss+xml", "application/atom+xml", "application/xhtml+xml", "application/wasm"),
    *("application/vnd.api+json", "application/problem+json", "application/graphql-response+json"),
    *("font/ttf", "font/otf", "image/bmp", "image/x-icon"),
)


def http_defaults(context: Context, proxy: Proxy, text: AuthorText) -> Iterator[Directive]:
    """Yield the directives that nginx's server {} and its locations inherit."""
    for name, *args in _DEFAULTS:
        if name not in text.http_names:
            yield directive(name, *args)
    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        yield directive(f"{kind}_temp_path", f"/tmp/{kind}")
    if proxy.client_max_body_size is not None:
        yield directive("client_max_body_size", to_bytes(proxy.client_max_body_size))
    for protocol in {each.prefix: each for each in (HTTP, PROTOCOLS[proxy.protocol])}.values():
        if proxy.read_timeout_seconds is not None:
            yield from protocol.timeouts(proxy.read_timeout_seconds)
        yield from protocol.buffering(answers=proxy.buffering, requests=proxy.request_buffering)
    if proxy.compression is not None and proxy.compression.enabled:
        yield from _compression()
    if proxy.tls is not None and "ssl_protocols" not in text.http_names:
        yield directive("ssl_protocols", "TLSv1.2", "TLSv1.3")
    addresses = trusted_proxies(context, proxy)
    if addresses and not text.http_names & {"set_real_ip_from", "real_ip_header", "real_ip_recursive"}:
        yield from (directive("set_real_ip_from", address) for address in addresses)
        yield directive("real_ip_header", "X-Forwarded-For")
        yield directive("real_ip_recursive", "on")


def _compression() -> Iterator[Directive]:
    yield directive("gzip", "on")
    yield directive("gzip_vary", "on")
    yield directive("gzip_proxied", "any")
    yield directive("gzip_min_length", 1024)
    yield directive("gzip_types", *_COMPRESSED_TYPES)


def trusted_proxies(context: Context, proxy: Proxy) -> tuple[str, ...]:
    """Return the addresses of proxies that nginx believes: of the spec, else of the operator's settings."""
    if proxy.trusted_proxies is not None:
        return proxy.trusted_proxies
    return context.settings.proxy_trusted_proxies


def variables(context: Context, proxy: Proxy) -> Iterator[Directive]:
    """Yield the variables of the headers that nginx sends to the backend.

    Without trusted proxies, X-Forwarded-Proto is believed from every client, because an Ingress that ends TLS is in
    front of most AppStacks; nothing else is.
    """
    yield _map("$http_upgrade", "$appstack_connection", default="upgrade", values={"''": "close"})
    forwarded_for = "$http_x_forwarded_for, $realip_remote_addr"
    yield _map("$http_x_forwarded_for", "$appstack_forwarded_for", forwarded_for, {"''": "$realip_remote_addr"})
    addresses = trusted_proxies(context, proxy)
    if addresses:
        trusted = [directive("default", 0), *(directive(address, 1) for address in addresses)]
        yield directive("geo", "$realip_remote_addr", "$appstack_trusted", block=trusted)
        yield _map("$appstack_trusted:$http_x_forwarded_proto", "$appstack_scheme", "$scheme", _schemes(prefix="1:"))
        host = {"~^1:.": "$http_x_forwarded_host"}
        yield _map("$appstack_trusted:$http_x_forwarded_host", "$appstack_forwarded_host", "$http_host", host)
    else:
        yield _map("$http_x_forwarded_proto", "$appstack_scheme", "$scheme", _schemes(prefix=""))
        yield _map("$http_host", "$appstack_forwarded_host", "$http_host", {})
    yield _map("$appstack_scheme", "$appstack_https", "", {"https": "on"})


def _schemes(*, prefix: str) -> dict[str, str]:
    return {f"{prefix}{scheme}": scheme for scheme in ("http", "https")}


def _map(source: str, name: str, default: str, values: dict[str, str]) -> Directive:
    entries = [directive("default", default), *(directive(key, value) for key, value in values.items())]
    return directive("map", source, name, block=entries)


def certificate_variable() -> Directive:
    """Return the variable in the path of the certificate: with one, nginx reads the files at each handshake.

    A renewed certificate is then used without a restart. A fixed path is read once, and a variable of `set` is not
    defined yet in the handshake.
    """
    return _map("", "$appstack_tls", TLS_DIR, {})


def to_bytes(quantity: str) -> int:
    """Return the number of bytes of a size such as 10Mi."""
    number = quantity.rstrip("kKMGi")
    return int(number) * _UNITS[quantity[len(number) :]]

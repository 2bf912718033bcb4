"""nginx configuration of an AppStack, built as directives and serialized by `render.nginx_syntax`.

Configuration text of the user is never part of a generated file. It is a separate file that nginx includes, so it
cannot close a block that it did not open, and nginx's error messages name the file and thereby the field.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from appstack.api.containers import Proxy
from appstack.api.pod import KEEPALIVE_SECONDS
from appstack.render.context import Context
from appstack.render.nginx_syntax import Directive, directive, serialize
from appstack.render.paths import HEALTH_CONF, NGINX_CONF, NGINX_DIR, SERVER_DIR, STATIC_CONF, STATIC_ROOT, USER_CONF
from appstack.render.probes import PROXY_HEALTH_PATH, ProxiedProbe, proxied_probes

_UNITS: Final = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_LOOPBACK: Final = "127.0.0.1"
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_ERRORS: Final = (
    *range(400, 418),
    421,
    422,
    423,
    424,
    425,
    426,
    428,
    429,
    431,
    451,
    *range(500, 509),
    510,
    511,
)


def nginx_files(context: Context) -> dict[str, str]:
    """Return the configuration files of the proxy as path to text; empty without a proxy."""
    proxy = context.spec.proxy
    if proxy is None:
        return {}
    files = {
        NGINX_CONF: proxy.config if proxy.config is not None else serialize(_main(context, proxy)),
        HEALTH_CONF: serialize(_health(context, proxy)),
    }
    if proxy.static:
        files[STATIC_CONF] = serialize(_static(proxy))
    if proxy.server is not None:
        files[USER_CONF] = proxy.server
    return files


def _main(context: Context, proxy: Proxy) -> Iterator[Directive]:
    yield directive("worker_processes", 2)
    yield directive("pid", "/tmp/nginx.pid")
    yield directive("error_log", "stderr", "notice")
    yield directive("events", block=[directive("worker_connections", 1024)])
    yield directive("http", block=_http(context, proxy))


def _http(context: Context, proxy: Proxy) -> Iterator[Directive]:
    yield directive("include", "/etc/nginx/mime.types")
    yield directive("default_type", "application/octet-stream")
    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        yield directive(f"{kind}_temp_path", f"/tmp/{kind}")
    yield directive("access_log", "/dev/stdout")
    yield directive("server_tokens", "off")
    yield directive("sendfile", "on")
    # Keep-alive connections are closed before the pod terminates: see render/draining.py.
    yield directive("keepalive_time", f"{KEEPALIVE_SECONDS}s")
    yield directive("map", "$http_upgrade", "$appstack_connection", block=_map(default="upgrade", empty="close"))
    yield directive(
        "map",
        "$http_x_forwarded_proto",
        "$appstack_scheme",
        block=_map(default="$http_x_forwarded_proto", empty="$scheme"),
    )
    yield directive("include", f"{NGINX_DIR}/*.conf")
    yield directive("server", block=_server(context, proxy))


def _map(*, default: str, empty: str) -> list[Directive]:
    return [directive("default", default), directive("''", empty)]


def _server(context: Context, proxy: Proxy) -> Iterator[Directive]:
    yield from _listen(context, proxy.port)
    if proxy.client_max_body_size is not None:
        yield directive("client_max_body_size", _to_bytes(proxy.client_max_body_size))
    yield directive("include", f"{SERVER_DIR}/*.conf")
    if context.upstream_port is not None:
        yield directive("location", "/", block=_upstream(context.upstream_port, proxy))
    elif all(static.path != "/" for static in proxy.static):
        yield directive("location", "/", block=[directive("return", 404)])


def _listen(context: Context, port: int) -> Iterator[Directive]:
    yield directive("listen", port)
    if context.settings.ipv6:
        yield directive("listen", f"[::]:{port}")


def _upstream(port: int, proxy: Proxy) -> Iterator[Directive]:
    """Yield the directives that proxy every request, including WebSockets, to the backend.

    Connections to the backend are not reused, so no request is sent over one that the backend is closing.
    """
    yield directive("proxy_pass", f"http://{_LOOPBACK}:{port}")
    yield directive("proxy_http_version", "1.1")
    if proxy.read_timeout_seconds is not None:
        yield directive("proxy_read_timeout", f"{proxy.read_timeout_seconds}s")
    for header, value in {
        "Host": "$http_host",
        "X-Real-IP": "$remote_addr",
        "X-Forwarded-For": "$proxy_add_x_forwarded_for",
        "X-Forwarded-Proto": "$appstack_scheme",
        "Upgrade": "$http_upgrade",
        "Connection": "$appstack_connection",
    }.items():
        yield directive("proxy_set_header", header, value)


def _static(proxy: Proxy) -> Iterator[Directive]:
    for index, static in enumerate(proxy.static):
        block = [directive("alias", f"{STATIC_ROOT}/{index}/")]
        if static.max_age_seconds is not None:
            block.append(directive("add_header", "Cache-Control", f"public, max-age={static.max_age_seconds}"))
        yield directive("location", static.path, block=block)


def _health(context: Context, proxy: Proxy) -> Iterator[Directive]:
    yield directive("server", block=_health_server(context, proxy))


def _health_server(context: Context, proxy: Proxy) -> Iterator[Directive]:
    """Yield the server that kubelets probe: a location for nginx itself, and one for each proxied probe."""
    yield from _listen(context, proxy.health_port)
    yield directive("access_log", "off")
    yield directive("underscores_in_headers", "on")
    yield directive("ignore_invalid_headers", "off")
    yield directive("location", "=", PROXY_HEALTH_PATH, block=[directive("return", 204)])
    for probe in proxied_probes(context):
        yield directive("location", "=", probe.location, block=_probe_location(probe))
    yield directive("location", "@passed", block=[directive("return", 204)])
    yield directive("location", "@answered", block=_answered())
    yield directive("location", "/", block=[directive("return", 404)])


def _probe_location(probe: ProxiedProbe) -> Iterator[Directive]:
    # `$` would start an nginx variable, so every character that has no place in a path is percent-encoded.
    path = quote(probe.path, safe="/%?&=+:;,@!*()-._~'")
    yield directive("proxy_pass", f"{probe.scheme.lower()}://{_LOOPBACK}:{probe.port}{path}")
    yield directive("proxy_http_version", "1.1")
    yield directive("proxy_set_header", "Connection", "close")
    yield directive("proxy_set_header", "Host", "$http_host" if probe.host else f"$host:{probe.port}")
    yield directive("proxy_redirect", "off")
    yield directive("proxy_intercept_errors", "on")
    # A kubelet would follow the redirect on the health port, which does not serve that path. The backend responded,
    # which is enough for a probe.
    yield directive("error_page", *_REDIRECTS, "=", "@passed")
    if probe.any_response:
        yield directive("error_page", *_ERRORS, "=", "@answered")


def _answered() -> list[Directive]:
    """Return directives that succeed if the backend sent a response, and fail if nginx generated the error itself."""
    responded = directive("if", "($upstream_header_time", "~", "^[0-9])", block=[directive("return", 204)])
    return [responded, directive("return", 502)]


def _to_bytes(quantity: str) -> int:
    number = quantity.rstrip("kKMGi")
    return int(number) * _UNITS[quantity[len(number) :]]

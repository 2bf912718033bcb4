"""nginx configuration of an AppStack, built as directives and serialized by `render.nginx_syntax`.

Configuration text of the user is never part of a generated file. It is a separate file that nginx includes, so it
cannot close a block that it did not open, and nginx's error messages name the file and thereby the field.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from appstack.api.containers import Proxy
from appstack.api.pod import KEEPALIVE_SECONDS
from appstack.render.context import Context
from appstack.render.nginx_health import LOOPBACK, health_server
from appstack.render.nginx_syntax import Directive, directive, serialize
from appstack.render.paths import HEALTH_CONF, NGINX_CONF, NGINX_DIR, SERVER_DIR, STATIC_CONF, STATIC_ROOT, USER_CONF

_UNITS: Final = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def nginx_files(context: Context) -> dict[str, str]:
    """Return the configuration files of the proxy as path to text; empty without a proxy."""
    proxy = context.spec.proxy
    if proxy is None:
        return {}
    files = {
        NGINX_CONF: proxy.config if proxy.config is not None else serialize(_main(context, proxy)),
        HEALTH_CONF: serialize(health_server(context, _listen(context, proxy.health_port))),
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
    yield directive("proxy_pass", f"http://{LOOPBACK}:{port}")
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


def _to_bytes(quantity: str) -> int:
    number = quantity.rstrip("kKMGi")
    return int(number) * _UNITS[quantity[len(number) :]]

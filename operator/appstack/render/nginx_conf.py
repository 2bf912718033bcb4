"""nginx's configuration for a stack: built as directives, printed by `appstack.nginx`. PURE.

Text of the author's is never part of a generated file: it is a file of its own that nginx includes, so it can't end a
block that it did not begin, and nginx's complaint names the file and with it the field.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from appstack.api.containers import Proxy
from appstack.api.pod import KEEPALIVE_SECONDS
from appstack.render.context import Context
from appstack.render.nginx_syntax import Directive, directive, text
from appstack.render.paths import HEALTH_CONF, NGINX_CONF, NGINX_DIR, SERVER_DIR, STATIC_CONF, STATIC_ROOT, USER_CONF
from appstack.render.probes import PROXY_HEALTH_PATH, Carried, carried

_UNITS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_LOOPBACK = "127.0.0.1"


def nginx_files(context: Context) -> dict[str, str]:
    """Return the files that the proxy reads, path to text; empty without a proxy."""
    proxy = context.spec.proxy
    if proxy is None:
        return {}
    files = {
        NGINX_CONF: proxy.config if proxy.config is not None else text(_main(context, proxy)),
        HEALTH_CONF: text(_health(context, proxy)),
    }
    if proxy.static:
        files[STATIC_CONF] = text(_static(proxy))
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
    # A kept connection ends with an answer that says so, and before the pod that it leads to: see render/draining.py.
    yield directive("keepalive_time", f"{KEEPALIVE_SECONDS}s")
    yield directive("map", "$http_upgrade", "$appstack_connection", block=_map(otherwise="upgrade", empty="close"))
    yield directive(
        "map",
        "$http_x_forwarded_proto",
        "$appstack_scheme",
        block=_map(otherwise="$http_x_forwarded_proto", empty="$scheme"),
    )
    yield directive("include", f"{NGINX_DIR}/*.conf")
    yield directive("server", block=_server(context, proxy))


def _map(*, otherwise: str, empty: str) -> list[Directive]:
    return [directive("default", otherwise), directive("''", empty)]


def _server(context: Context, proxy: Proxy) -> Iterator[Directive]:
    yield from _listen(context, proxy.port)
    if proxy.client_max_body_size is not None:
        yield directive("client_max_body_size", _bytes(proxy.client_max_body_size))
    yield directive("include", f"{SERVER_DIR}/*.conf")
    if context.upstream is not None:
        yield directive("location", "/", block=_upstream(context.upstream, proxy))
    elif all(each.path != "/" for each in proxy.static):
        yield directive("location", "/", block=[directive("return", 404)])


def _listen(context: Context, port: int) -> Iterator[Directive]:
    yield directive("listen", port)
    if context.settings.ipv6:
        yield directive("listen", f"[::]:{port}")


def _upstream(port: int, proxy: Proxy) -> Iterator[Directive]:
    """Pass everything on, WebSockets too; one connection a request, so none is reused as the backend closes it."""
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
    for index, each in enumerate(proxy.static):
        block = [directive("alias", f"{STATIC_ROOT}/{index}/")]
        if each.max_age_seconds is not None:
            block.append(directive("add_header", "Cache-Control", f"public, max-age={each.max_age_seconds}"))
        yield directive("location", each.path, block=block)


def _health(context: Context, proxy: Proxy) -> Iterator[Directive]:
    yield directive("server", block=_health_server(context, proxy))


def _health_server(context: Context, proxy: Proxy) -> Iterator[Directive]:
    """Answer kubelets: for nginx itself, and for each question that is carried to the backend."""
    yield from _listen(context, proxy.health_port)
    yield directive("access_log", "off")
    yield directive("underscores_in_headers", "on")
    yield directive("ignore_invalid_headers", "off")
    yield directive("location", "=", PROXY_HEALTH_PATH, block=[directive("return", 204)])
    for question in carried(context):
        yield directive("location", "=", question.location, block=_question(question))
    yield directive("location", "@passed", block=[directive("return", 204)])
    yield directive("location", "@answered", block=_answered())
    yield directive("location", "/", block=[directive("return", 404)])


def _question(question: Carried) -> Iterator[Directive]:
    # `$` would begin a variable of nginx's, so it is percent-encoded with all else that is not a path's own.
    path = quote(question.path, safe="/%?&=+:;,@!*()-._~'")
    yield directive("proxy_pass", f"{question.scheme.lower()}://{_LOOPBACK}:{question.port}{path}")
    yield directive("proxy_http_version", "1.1")
    yield directive("proxy_set_header", "Connection", "close")
    yield directive("proxy_set_header", "Host", "$http_host" if question.host else f"$host:{question.port}")
    yield directive("proxy_redirect", "off")
    yield directive("proxy_intercept_errors", "on")
    # A kubelet would follow a redirect to this port, where nothing else is: that the backend answered is enough.
    yield directive("error_page", *(301, 302, 303, 307, 308), "=", "@passed")
    if question.any_answer:
        codes = [
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
        ]
        yield directive("error_page", *codes, "=", "@answered")


def _answered() -> list[Directive]:
    """Say yes where the backend sent a header, and no where nginx itself made the error up."""
    answered = directive("if", "($upstream_header_time", "~", "^[0-9])", block=[directive("return", 204)])
    return [answered, directive("return", 502)]


def _bytes(quantity: str) -> int:
    number = quantity.rstrip("kKMGi")
    return int(number) * _UNITS[quantity[len(number) :]]

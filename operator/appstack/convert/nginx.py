"""Conversion of an nginx configuration in front of one application to the fields of `spec.proxy`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from appstack.k8s.metadata import Manifest
from appstack.render.nginx_syntax import Directive, NginxSyntaxError, parse, serialize

NGINX_IMAGE: Final = re.compile(
    r"(?:docker\.io/)?(?:library/)?(?:nginx|nginxinc/nginx-unprivileged)(?::[\w.-]+)?(?:@.+)?"
)
CONFIG_PATHS: Final = ("/etc/nginx/nginx.conf", "/etc/nginx/conf.d/default.conf")
"""The files that hold the whole configuration of a simple proxy."""

_OWN_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "host": ("$host", "$http_host"),
    "x-real-ip": ("$remote_addr",),
    "x-forwarded-for": ("$proxy_add_x_forwarded_for",),
    "x-forwarded-proto": ("$scheme",),
    "x-forwarded-host": ("$host", "$http_host"),
    "upgrade": ("$http_upgrade",),
    "connection": ("upgrade", "Upgrade", "$connection_upgrade", ""),
}
"""Request headers that the generated configuration sets, with the values that mean the same."""

_OWN_DIRECTIVES: Final = frozenset(
    {
        *("sendfile", "tcp_nopush", "tcp_nodelay", "keepalive_timeout", "types_hash_max_size", "default_type"),
        *("access_log", "error_log", "log_format", "server_tokens", "include", "server_name", "proxy_http_version"),
        *("proxy_redirect", "charset", "worker_processes", "pid", "user", "events"),
    }
)
"""Directives that the generated configuration has of its own, or that nothing depends on in a pod."""

_DEFAULT_PORT: Final = 8080  # of spec.proxy
_SECONDS: Final = re.compile(r"(\d+)s?")
_SIZE: Final = re.compile(r"(\d+)([kKmMgG]?)")
_TARGET: Final = re.compile(r"http://(?P<host>[^/:$]+)(?::(?P<port>\d+))?(?P<path>/.*)?")


@dataclass
class NginxProxy:
    """The fields of `spec.proxy`, the application's port, and the directives that the fields replace."""

    fields: Manifest = field(default_factory=dict)
    targets: set[tuple[str, int]] = field(default_factory=set)
    omitted: list[str] = field(default_factory=list)
    leads_to_application: bool = False  # whether `location /` does


class Unsupported(Exception):
    """The configuration needs more than the fields of a proxy; the message gives the directive."""


def convert_nginx(config: str, is_application: Callable[[str], bool]) -> NginxProxy:
    """Return the proxy of a configuration with one server, whose `location /` leads to the application.

    Raise Unsupported for anything that the fields, and text inside `server`, cannot express exactly.
    """
    try:
        directives = parse(config)
    except NginxSyntaxError as error:
        raise Unsupported(str(error)) from None
    http = [each for each in directives if each.name == "http"]
    result = NginxProxy()
    outer = [each for each in directives if each.name != "http"] if http else []
    _omit(result, outer)
    inner = http[0].block or () if len(http) == 1 else directives
    servers = [each for each in inner if each.name == "server"]
    if len(http) > 1 or len(servers) != 1:
        raise Unsupported(f"it has {len(servers)} servers")
    upstreams = {each.args[0]: _upstream(each) for each in inner if each.name == "upstream"}
    _omit(result, (each for each in inner if each.name not in ("server", "upstream")))
    _server(result, servers[0].block or (), upstreams, is_application)
    return result


def _omit(result: NginxProxy, directives: Iterable[Directive]) -> None:
    for each in directives:
        if each.name not in _OWN_DIRECTIVES:
            raise Unsupported(each.name)
        result.omitted.append(" ".join((each.name, *each.args)))


def _upstream(directive: Directive) -> str:
    """Return the address of an upstream with one server."""
    servers = [each for each in directive.block or () if each.name == "server"]
    if len(servers) != 1 or len(directive.block or ()) != 1 or len(servers[0].args) != 1:
        raise Unsupported(f"upstream {directive.args[0]} has more than one server")
    return servers[0].args[0]


def _server(
    result: NginxProxy,
    directives: Iterable[Directive],
    upstreams: Mapping[str, str],
    is_application: Callable[[str], bool],
) -> None:
    text: list[Directive] = []
    ports: set[int] = set()
    for each in directives:
        if each.name == "listen":
            ports.add(_port(each))
        elif each.name == "location" and each.args == ("/",):
            _root_location(result, each.block or (), upstreams, is_application)
        elif not _set_field(result, each):
            if each.name in _OWN_DIRECTIVES:
                result.omitted.append(" ".join((each.name, *each.args)))
            else:
                text.append(_with_addresses(result, each, upstreams, is_application))
    if len(ports) != 1:
        raise Unsupported(f"it listens on {len(ports)} ports")
    if not result.leads_to_application:
        raise Unsupported("no location / leads to the application")
    port = ports.pop()
    # Without privileges nginx cannot listen below 1024; the Service keeps the port.
    chosen = port if port >= 1024 else _DEFAULT_PORT
    ((_, application_port),) = result.targets
    if chosen == application_port:
        chosen += 1
    result.fields |= {} if chosen == _DEFAULT_PORT else {"port": chosen}
    if text:
        result.fields["serverSnippet"] = serialize(text)


def _port(listen: Directive) -> int:
    address, *options = listen.args
    port = address.rpartition(":")[2]
    if set(options) - {"default_server"} or not port.isdecimal():
        raise Unsupported(f"listen {' '.join(listen.args)}")
    return int(port)


def _root_location(
    result: NginxProxy,
    directives: Iterable[Directive],
    upstreams: Mapping[str, str],
    is_application: Callable[[str], bool],
) -> None:
    for each in directives:
        if each.name == "proxy_pass":
            if _target(result, each.args[0], upstreams, is_application) is None or each.args[0].count("/") > 2:
                raise Unsupported(f"proxy_pass {each.args[0]}")
            result.leads_to_application = True
        elif each.name == "proxy_set_header":
            if each.args[1] not in _OWN_HEADERS.get(each.args[0].lower(), ()):
                raise Unsupported(f"proxy_set_header {' '.join(each.args)}")
        elif not _set_field(result, each):
            _omit(result, [each])


def _set_field(result: NginxProxy, directive: Directive) -> bool:
    """Set the field of a directive; return whether there is one."""
    value = directive.args[0] if directive.args else ""
    if directive.name == "client_max_body_size" and (found := _SIZE.fullmatch(value)):
        result.fields["clientMaxBodySize"] = found[1] + {"k": "Ki", "m": "Mi", "g": "Gi", "": ""}[found[2].lower()]
    elif directive.name == "proxy_read_timeout" and (found := _SECONDS.fullmatch(value)):
        result.fields["readTimeoutSeconds"] = int(found[1])
    else:
        return False
    return True


def _target(
    result: NginxProxy, url: str, upstreams: Mapping[str, str], is_application: Callable[[str], bool]
) -> int | None:
    """Return the application's port of a URL; None if it leads elsewhere."""
    found = _TARGET.fullmatch(url)
    if found is None:
        raise Unsupported(f"proxy_pass {url}")
    address = upstreams.get(found["host"], found["host"] + (f":{found['port']}" if found["port"] else ""))
    host, _, port = address.partition(":")
    if not is_application(host):
        return None
    number = int(port or 80)
    result.targets.add((host, number))
    if len(result.targets) > 1:
        raise Unsupported("it leads to several ports of the application")
    return number


def _with_addresses(
    result: NginxProxy, directive: Directive, upstreams: Mapping[str, str], is_application: Callable[[str], bool]
) -> Directive:
    """Return a directive with the application at 127.0.0.1, where it is in the pod of the proxy."""
    if directive.name == "proxy_pass":
        number = _target(result, directive.args[0], upstreams, is_application)
        if number is None:
            raise Unsupported(f"proxy_pass {directive.args[0]} leads to another application")
        found = _TARGET.fullmatch(directive.args[0])
        return Directive("proxy_pass", (f"http://127.0.0.1:{number}{(found and found['path']) or ''}",))
    if directive.name in (
        "root",
        "alias",
        "fastcgi_pass",
        "uwsgi_pass",
        "grpc_pass",
        "ssl_certificate",
        "include",
        "set",
    ):
        raise Unsupported(f"{directive.name} {' '.join(directive.args)}")
    if directive.block is None:
        return directive
    block = tuple(_with_addresses(result, each, upstreams, is_application) for each in directive.block)
    return Directive(directive.name, directive.args, block)

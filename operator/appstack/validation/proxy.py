"""Checks of `spec.proxy`, the nginx in front of the backend: upstream, protocol, TLS, headers and addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final

from appstack.api.containers import LifecycleHandler, Probe
from appstack.api.proxy import UNIX, Proxy, UpstreamProtocol
from appstack.errors import Severity, ValidationIssue
from appstack.render.nginx_locations import static_at_root
from appstack.render.nginx_upstream import PROTOCOLS
from appstack.render.socket import changes_owner, socket_of
from appstack.validation.containers import SHARED_LOOPBACK
from appstack.validation.context import ValidationContext
from appstack.validation.issues import available_hint, duplicate_issues

_MAX_SOCKET_PATH: Final = 107  # bytes of the address of a unix socket, in Linux
_HEADER_VALUE: Final = re.compile(r"[!-~]([ -~]*[!-~])?")
_OWN_HEADERS: Final = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "date", "keep-alive", "location", "server"}
    | {"trailer", "transfer-encoding", "upgrade"}
)
"""Headers of answers that nginx writes itself: a second one would be sent."""


def host_network(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for a proxy with hostNetwork, where clients could bypass it and reach the backend."""
    if context.spec.proxy and context.spec.pod.host_network:
        yield ValidationIssue("spec.proxy", SHARED_LOOPBACK, "remove spec.pod.hostNetwork, or spec.proxy")


def upstream(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for a proxy with nothing to serve, or with an upstream that is not a TCP port of the backend."""
    proxy = context.spec.proxy
    if proxy is None:
        return
    if proxy.socket is not None:
        yield from _socket(context, proxy.socket)
        return
    listeners = context.backend.listeners
    if proxy.upstream is None:
        texts = (proxy.http_snippet, proxy.server_snippet, proxy.config)
        serves = listeners or proxy.static or proxy.routes or any(text is not None for text in texts)
        if not serves:
            hint = "declare the port of the backend in spec.backend.ports, or set spec.proxy.static"
            yield ValidationIssue("spec.proxy", "has nothing to serve: the backend declares no port", hint)
        if listeners and listeners[0].protocol != "TCP":
            message = f"the first port of the backend is {listeners[0]}, and nginx connects over TCP only"
            yield ValidationIssue(
                "spec.proxy.upstream", message, "set the HTTP port as upstream, or put that port first"
            )
        return
    yield from port_issues(context, "spec.proxy.upstream", proxy.upstream)


def port_issues(context: ValidationContext, field: str, port: int | str) -> Iterator[ValidationIssue]:
    """Yield an issue if the backend has no TCP port with this name or number."""
    tcp_listeners = [each for each in context.backend.listeners if each.protocol == "TCP"]
    if not any(port in (each.number, each.name) for each in tcp_listeners):
        names = [each.name or str(each.number) for each in tcp_listeners]
        hint = available_hint(names, if_none="declare the port in spec.backend.ports")
        yield ValidationIssue(field, f"the backend has no TCP port {port!r}", hint)


def _socket(context: ValidationContext, path: str) -> Iterator[ValidationIssue]:
    """Yield an issue for a unix socket that nginx cannot reach."""
    field = "spec.proxy.upstream"
    if not path.startswith("/") or ".." in path.split("/") or path.endswith("/"):
        message = f"{path!r} is not an absolute path of a socket"
        yield ValidationIssue(field, message, f"write it without '..', for example {UNIX}/run/shop/app.sock")
        return
    if not re.fullmatch(r"[A-Za-z0-9._/@+,=-]+", path):
        yield ValidationIssue(field, f"{path!r} has characters that nginx would interpret", "use letters and digits")
        return
    socket = socket_of(context.spec)
    empty_dirs = {volume.name for volume in context.spec.volumes if volume.empty_dir is not None}
    if socket is None or socket.volume not in empty_dirs:
        message = f"the backend mounts no emptyDir that contains {path!r}"
        hint = "add an emptyDir to spec.volumes, and mount it at the directory in spec.backend.volumeMounts"
        yield ValidationIssue(field, message, hint)
        return
    if any(mount.name == socket.volume and mount.sub_path_expr for mount in context.spec.backend.volume_mounts or ()):
        message = "is in a mount with subPathExpr, which nginx cannot evaluate"
        yield ValidationIssue(field, message, "use subPath, or mount the whole volume")
    if max(len(path), len(socket.address) - len(UNIX)) > _MAX_SOCKET_PATH:
        yield ValidationIssue(
            field, f"the path of a unix socket has at most {_MAX_SOCKET_PATH} characters", "shorten it"
        )
    security = context.spec.pod.security_context
    if changes_owner(context.spec) and (security is None or security.fs_group is None):
        message = (
            "nginx has a user of its own (101), and connects only to a socket that all users may write (mode 0666)"
        )
        hint = "set spec.pod.securityContext.fsGroup, which also changes the group of the claims, or the socket's mode"
        yield ValidationIssue(field, message, hint, Severity.WARNING)


def protocol(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each field that does not fit the protocol of the backend."""
    proxy = context.spec.proxy
    if proxy is None:
        return
    is_fastcgi = proxy.protocol is UpstreamProtocol.FCGI
    if proxy.fast_cgi is not None and not is_fastcgi:
        message = f"has no effect with upstreamProtocol: {proxy.protocol}"
        yield ValidationIssue("spec.proxy.fastCGI", message, "remove upstreamProtocol; fastCGI implies FCGI")
    if is_fastcgi:
        yield from _fastcgi(proxy)
    if not PROTOCOLS[proxy.protocol].buffers:
        named = (("buffering", proxy.buffering), ("requestBuffering", proxy.request_buffering))
        for name in (name for name, value in named if value is not None):
            message = f"has no effect with {proxy.protocol}, whose messages nginx passes on at once"
            yield ValidationIssue(f"spec.proxy.{name}", message, "remove the field")
        yield from _http_probes_of_grpc(context, proxy)


def _fastcgi(proxy: Proxy) -> Iterator[ValidationIssue]:
    static = static_at_root(proxy)
    own = proxy.fast_cgi
    root = own.root if own else None
    if root is not None and ".." in root.split("/"):
        yield ValidationIssue("spec.proxy.fastCGI.root", f"{root!r} contains '..'", "use a path without '..'")
    if root is None and (static is None or static[1].from_ is None):
        message = "is required: there are no static files `from` an image at /, which would be its default"
        yield ValidationIssue("spec.proxy.fastCGI.root", message, "set the directory of the scripts in the backend")
    if own is not None and own.scripts == "All" and static is None:
        message = "All runs scripts that exist among the static files at /, and there are none"
        hint = "add the directory of the scripts to spec.proxy.static with path: /, or use Index"
        yield ValidationIssue("spec.proxy.fastCGI.scripts", message, hint)


def _http_probes_of_grpc(context: ValidationContext, proxy: Proxy) -> Iterator[ValidationIssue]:
    """Yield an issue for each probe by HTTP of the port on which the backend speaks gRPC."""
    backend = context.spec.backend
    main = backend.port_number(proxy.upstream) if proxy.socket is None else None
    handlers: dict[str, Probe | LifecycleHandler] = {
        **backend.probes(),
        **{f"lifecycle.{name}": each for name, each in backend.handlers().items()},
    }
    for name, handler in handlers.items():
        if handler.http_get is not None and backend.port_number(handler.http_get.port) == main:
            message = f"the backend speaks {proxy.protocol} on this port, not HTTP/1.1"
            hint = "remove the probe: the default readiness probe calls gRPC's health service; or use exec"
            yield ValidationIssue(f"spec.backend.{name}.httpGet", message, hint)


def timeouts(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield a warning for a read timeout without an upstream."""
    proxy = context.spec.proxy
    if proxy is None or proxy.read_timeout_seconds is None or proxy.config is not None:
        return
    if not context.spec.has_upstream and not proxy.routes:
        message = "has no effect: the backend declares no port"
        yield ValidationIssue("spec.proxy.readTimeoutSeconds", message, "remove the field", Severity.WARNING)


def tls(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for a redirect to TLS that would not end."""
    proxy = context.spec.proxy
    if proxy is None or proxy.tls is None or not proxy.tls.redirect:
        return
    for name, value in (("ingress", context.spec.ingress), ("httpRoute", context.spec.http_route)):
        if value is not None:
            message = f"spec.{name} sends its requests to port 80, so every redirect would lead to the same redirect"
            hint = f"remove the redirect, and let the controller of spec.{name} redirect"
            yield ValidationIssue("spec.proxy.tls.redirect", message, hint)


def response_headers(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each header that cannot be sent, or that would be sent twice."""
    proxy = context.spec.proxy
    headers = proxy.response_headers if proxy else None
    if proxy is None or headers is None:
        return
    field = "spec.proxy.responseHeaders"
    located = [(f"{field}.set[{index}]", each) for index, each in enumerate(headers.set)]
    for name, header in located:
        if not _HEADER_VALUE.fullmatch(header.value):
            message = "must be printable ASCII, without white space at its ends and line breaks"
            yield ValidationIssue(f"{name}.value", message, "encode other characters as the header's standard says")
        if header.name.lower() in _OWN_HEADERS:
            yield ValidationIssue(f"{name}.name", f"nginx writes {header.name} itself", "remove the header")
        caches = (index for index, static in enumerate(proxy.static) if static.max_age_seconds is not None)
        if header.name.lower() == "cache-control" and (index := next(caches, None)) is not None:
            message = f"Cache-Control is also set by spec.proxy.static[{index}].maxAgeSeconds"
            yield ValidationIssue(f"{name}.name", message, "remove one of the two")
    names = [
        *((f"{each}.name", header.name) for each, header in located),
        *((f"{field}.remove[{index}]", each) for index, each in enumerate(headers.remove)),
    ]
    yield from duplicate_issues(names, key=str.lower, describe=lambda name: f"the header {name}")


def trusted_proxies(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each value that is not a network."""
    proxy = context.spec.proxy
    for index, value in enumerate((proxy and proxy.trusted_proxies) or ()):
        field = f"spec.proxy.trustedProxies[{index}]"
        try:
            ip_network(value)
        except ValueError:
            try:
                hint = f"write {ip_network(value, strict=False)}"
            except ValueError:
                hint = "write an address or a network, for example 10.0.0.0/8"
            yield ValidationIssue(field, f"{value!r} is not a network", hint)


CHECKS: Final = (host_network, upstream, protocol, timeouts, tls, response_headers, trusted_proxies)

"""Checks of `spec.proxy.httpSnippet` and `serverSnippet`, text that nginx includes in the generated configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from appstack.api.proxy import Proxy
from appstack.errors import Severity, ValidationIssue
from appstack.render import nginx_syntax as nginx
from appstack.render.nginx_locations import generated_locations
from appstack.render.nginx_syntax import Directive
from appstack.render.nginx_text import location_key, parsed
from appstack.render.nginx_upstream import BACKEND
from appstack.validation.context import ValidationContext
from appstack.validation.nginx_config import NGINX_TEST_HINT, flatten

HTTP_SNIPPET: Final = "spec.proxy.httpSnippet"
SERVER_SNIPPET: Final = "spec.proxy.serverSnippet"

_MAIN_ONLY: Final = frozenset(
    {"daemon", "env", "events", "http", "load_module", "lock_file", "mail", "master_process", "pcre_jit", "pid"}
    | {"ssl_engine", "stream", "thread_pool", "timer_resolution", "user", "worker_connections", "worker_cpu_affinity"}
    | {"worker_priority", "worker_processes", "worker_rlimit_core", "worker_rlimit_nofile", "worker_shutdown_timeout"}
)
_LIMITS: Final = ("limit_req", "limit_conn", "proxy_set_body")
"""Directives that the health server would inherit from http {} and that nginx cannot reset."""

_PREFIXES: Final = ("proxy", "fastcgi", "uwsgi", "grpc")
_FIELD_DIRECTIVES: Final = {
    "clientMaxBodySize": ("client_max_body_size", ("client_max_body_size",)),
    "readTimeoutSeconds": (
        "read_timeout_seconds",
        tuple(f"{prefix}_{kind}_timeout" for prefix in _PREFIXES for kind in ("read", "send")),
    ),
    "buffering": ("buffering", tuple(f"{prefix}_buffering" for prefix in _PREFIXES)),
    "requestBuffering": ("request_buffering", tuple(f"{prefix}_request_buffering" for prefix in _PREFIXES)),
    "compression": ("compression", ("gzip", "gzip_types", "gzip_vary", "gzip_proxied", "gzip_min_length")),
    "trustedProxies": ("trusted_proxies", ("set_real_ip_from", "real_ip_header", "real_ip_recursive")),
    "tls": ("tls", ("ssl_certificate", "ssl_certificate_key")),
}
"""The directives that each field generates, by the field and its attribute."""

_DEFINITIONS: Final = {
    "set": 0,
    "map": 1,
    "geo": -1,
    "split_clients": 1,
    "upstream": 0,
    "limit_req_zone": 1,
    "limit_conn_zone": 1,
    "proxy_cache_path": 1,
    "log_format": 0,
    "location": 0,
    "auth_request_set": 0,
}
"""Directives that define a name, with the index of the argument that holds it."""
_RESERVED: Final = re.compile(r"(?:\$|@|(?:keys_)?zone=)?appstack_")
_PASS: Final = re.compile(r"(?:https?|grpcs?)://([^/:$\[]+)")


@dataclass(frozen=True, slots=True)
class _Snippet:
    """A snippet, and its directives; none if it cannot be parsed."""

    field: str
    directives: tuple[Directive, ...]

    @property
    def block(self) -> str:
        """The block that includes it."""
        return "http {}" if self.field == HTTP_SNIPPET else "server {}"


def _snippets(proxy: Proxy | None) -> Iterator[_Snippet]:
    if proxy is None or proxy.config is not None:
        return  # `nginx_config` refuses the two together
    for field, text in ((HTTP_SNIPPET, proxy.http_snippet), (SERVER_SNIPPET, proxy.server_snippet)):
        if text is not None:
            try:
                yield _Snippet(field, parsed(text))
            except nginx.NginxSyntaxError:
                yield _Snippet(field, ())


def syntax(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each text that nginx cannot parse."""
    proxy = context.spec.proxy
    if proxy is None or proxy.config is not None:
        return
    for field, text in ((HTTP_SNIPPET, proxy.http_snippet), (SERVER_SNIPPET, proxy.server_snippet)):
        try:
            parsed(text or "")
        except nginx.UnbalancedBlock as error:
            yield ValidationIssue(field, str(error), "balance the braces")
        except nginx.NginxSyntaxError as error:
            yield ValidationIssue(field, str(error), NGINX_TEST_HINT, Severity.WARNING)


def wrong_block(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each directive that belongs to another block, or that would apply to AppStack's servers."""
    for snippet in _snippets(context.spec.proxy):
        for name in dict.fromkeys(each.name for each in snippet.directives):
            if name in _MAIN_ONLY:
                yield ValidationIssue(snippet.field, f"{name} belongs to main, not to {snippet.block}", "use config")
            elif name.endswith("_temp_path"):
                message = f"{name} is set by AppStack: nginx may write to /tmp only"
                yield ValidationIssue(snippet.field, message, "remove the directive")
            elif snippet.field == HTTP_SNIPPET and name in _LIMITS:
                message = f"{name} directly in http {{}} would also apply to the kubelet's probes"
                yield ValidationIssue(snippet.field, message, f"move it into {SERVER_SNIPPET}")
            elif snippet.field == HTTP_SNIPPET and name == "proxy_set_header":
                message = "proxy_set_header directly in http {} has no effect: server {} has headers of its own"
                yield ValidationIssue(snippet.field, message, f"move it into {SERVER_SNIPPET}", Severity.WARNING)


def duplicate_locations(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each location that a field generates: nginx would name a file the author has not written.

    The author's `location /` replaces the generated one.
    """
    proxy = context.spec.proxy
    generated = dict(generated_locations(proxy)) if proxy else {}
    for snippet in _snippets(proxy):
        for each in snippet.directives:
            key = location_key(each.args) if each.name == "location" else ""
            if snippet.field == SERVER_SNIPPET and key in generated:
                message = f"location {key} is already defined by {generated[key].rpartition('.')[0]}"
                yield ValidationIssue(snippet.field, message, "choose another location, or use spec.proxy.config")


def fields_and_text(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each directive that a field generates as well."""
    proxy = context.spec.proxy
    if proxy is None:
        return
    fields = {
        directive: field
        for field, (attribute, directives) in _FIELD_DIRECTIVES.items()
        if getattr(proxy, attribute) is not None
        for directive in directives
    }
    headers = proxy.response_headers
    added = {each.name.lower(): f"set[{index}]" for index, each in enumerate(headers.set)} if headers else {}
    for snippet in _snippets(proxy):
        for each in snippet.directives:
            field = fields.get(each.name)
            name = each.args[0].lower() if each.args else ""
            if each.name == "add_header" and name in added:
                field = f"responseHeaders.{added[name]}"
            if field is not None:
                message = f"{' '.join((each.name, *each.args[:1]))} is also generated by spec.proxy.{field}"
                yield ValidationIssue(snippet.field, message, "remove one of the two")


def reserved_names(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each definition of a name that AppStack keeps for itself."""
    for snippet in _snippets(context.spec.proxy):
        for each in flatten(snippet.directives):
            position = _DEFINITIONS.get(each.name)
            if position is None or not each.args[position:]:
                continue
            arguments = each.args if each.name.endswith(("_zone", "_path")) else (each.args[position],)
            for name in filter(_RESERVED.match, arguments):
                message = f"{name!r} is a name of AppStack: its names begin with appstack_"
                yield ValidationIssue(snippet.field, message, "choose another name")


def listens(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each address that AppStack's servers have, and a warning for one that no Service leads to."""
    proxy = context.spec.proxy
    if proxy is None:
        return
    own = {str(proxy.port), *([str(proxy.tls.port)] if proxy.tls else [])}
    declared = {str(port) for port in context.tcp_ports}
    for snippet in _snippets(proxy):
        for each in flatten(snippet.directives):
            if each.name != "listen" or not each.args or each.args[0].startswith("unix:"):
                continue
            port = _port_of(each.args[0])
            if port == str(proxy.health_port):
                message = f"{port} is spec.proxy.healthPort, on which AppStack's own server listens"
                yield ValidationIssue(snippet.field, message, "choose another port")
            elif port in own and snippet.field == SERVER_SNIPPET:
                message = f"the generated server already listens on port {port}"
                yield ValidationIssue(snippet.field, message, "remove the directive, or move a server to httpSnippet")
            elif port in own and {"default_server", "default"} & {*each.args[1:]}:
                message = f"the generated server is the default_server of port {port}"
                yield ValidationIssue(snippet.field, message, "remove default_server, and set server_name")
            elif port not in declared:
                message = f"no Service leads to port {port}, on which a server listens"
                hint = "declare it in spec.proxy.ports, and add it to spec.service.ports"
                yield ValidationIssue(snippet.field, message, hint, Severity.WARNING)


def _port_of(address: str) -> str:
    """Return the port of the address of a listen directive."""
    last = address.rpartition(":")[2]
    return last if last.isdecimal() else "80"


def host_names(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield a warning for each host name that nginx resolves when it starts."""
    snippets = [*_snippets(context.spec.proxy)]
    upstreams = {BACKEND}
    for snippet in snippets:
        upstreams |= {each.args[0] for each in snippet.directives if each.name == "upstream" and each.args}
    for snippet in snippets:
        names = (_host(each) for each in _flatten_with_upstreams(snippet.directives))
        for name in dict.fromkeys(name for name in names if name and name not in upstreams):
            message = f"nginx does not start while the name {name!r} cannot be resolved"
            hint = "make sure that the Service exists before the pods start"
            yield ValidationIssue(snippet.field, message, hint, Severity.WARNING)


def _flatten_with_upstreams(directives: Iterable[Directive]) -> Iterator[Directive]:
    """Yield all directives; a `server` of an upstream block has arguments, a server block has none."""
    return (each for each in flatten(directives) if each.block is None)


def _host(each: Directive) -> str:
    """Return the host name that a directive makes nginx resolve; empty for an address, a socket or a variable."""
    if each.name == "server" and each.args:
        host = each.args[0].rpartition(":")[0] or each.args[0]
    elif each.name in ("proxy_pass", "grpc_pass") and each.args:
        found = _PASS.match(each.args[0])
        host = found[1] if found else ""
    elif each.name in ("fastcgi_pass", "uwsgi_pass") and each.args:
        host = each.args[0].rpartition(":")[0] or each.args[0]
    else:
        return ""
    if host.startswith(("unix", "[")) or "$" in host or host == "localhost" or "resolve" in each.args:
        return ""
    try:
        ip_address(host)
    except ValueError:
        return host
    return ""


CHECKS: Final = (
    syntax,
    wrong_block,
    duplicate_locations,
    fields_and_text,
    reserved_names,
    listens,
    host_names,
)

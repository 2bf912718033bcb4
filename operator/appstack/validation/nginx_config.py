"""Checks of `spec.proxy.config`, an nginx.conf that replaces the generated one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final

from appstack.api.containers import PROXY
from appstack.api.proxy import Proxy
from appstack.errors import Severity, ValidationIssue
from appstack.render import nginx_syntax as nginx
from appstack.render.nginx_syntax import Directive
from appstack.render.nginx_text import parsed
from appstack.render.paths import HEALTH_CONF, NGINX_CONF, NGINX_DIR, SERVER_DIR, STATIC_CONF
from appstack.validation.context import ContainerView, ValidationContext
from appstack.validation.mount_paths import path_segments

NGINX_TEST_HINT: Final = "test the configuration with `nginx -t`, as the pod does before nginx starts"

_CONFIG: Final = "spec.proxy.config"
_OVERRIDDEN_FIELDS: Final = {
    "tls": "tls",
    "routes": "routes",
    "responseHeaders": "response_headers",
    "compression": "compression",
    "trustedProxies": "trusted_proxies",
    "buffering": "buffering",
    "requestBuffering": "request_buffering",
    "clientMaxBodySize": "client_max_body_size",
    "readTimeoutSeconds": "read_timeout_seconds",
    "httpSnippet": "http_snippet",
    "serverSnippet": "server_snippet",
}
_NGINX_CONF_DIR: Final = PurePosixPath(NGINX_CONF).parent
_CONF_D: Final = path_segments("/etc/nginx/conf.d")
_GENERATED: Final = path_segments(NGINX_DIR)
_MAX_NAME_LENGTH: Final = 255  # of a file, in Linux
_MAX_PATTERNS: Final = 32  # different includes that are matched; with more, any file counts as included


def overridden_fields(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each field that shapes the generated configuration, which `config` replaces."""
    proxy = context.spec.proxy
    if proxy is None or proxy.config is None:
        return
    for name, attribute in _OVERRIDDEN_FIELDS.items():
        if getattr(proxy, attribute) not in (None, ()):
            message = f"cannot be combined with {_CONFIG}, which replaces the generated configuration"
            yield ValidationIssue(
                f"spec.proxy.{name}", message, f"move the setting into {_CONFIG}, or remove {_CONFIG}"
            )


def required_includes(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each generated file that another field needs and the configuration does not include."""
    proxy = context.spec.proxy
    if proxy is None or proxy.config is None:
        return
    try:
        directives = parsed(proxy.config)
    except nginx.NginxSyntaxError as error:
        yield ValidationIssue(_CONFIG, str(error), NGINX_TEST_HINT, Severity.WARNING)
        return
    http = _children(directives, "http")
    dependent = _health_server_dependent(context, proxy)
    if dependent and not _includes_file(http, HEALTH_CONF):
        message = f"http {{}} must include {NGINX_DIR}/*.conf: {dependent} uses AppStack's health server"
        yield ValidationIssue(_CONFIG, message, f"add `include {NGINX_DIR}/*.conf;` inside http {{}}")
    if proxy.static and not _includes_file(_children(http, "server"), STATIC_CONF):
        message = f"a server {{}} must include {SERVER_DIR}/*.conf: it holds the locations of spec.proxy.static"
        yield ValidationIssue(
            _CONFIG, message, f"add `include {SERVER_DIR}/*.conf;` inside the server {{}} that serves the files"
        )
    yield from _missing_listen(proxy, directives)


def _health_server_dependent(context: ValidationContext, proxy: Proxy) -> str:
    """Return the first probe or handler that goes through the health server; empty if there is none."""
    backend = context.spec.backend
    probes = {f"spec.backend.{name}": probe.http_get for name, probe in backend.probes().items()}
    handlers = {f"spec.backend.lifecycle.{name}": each.http_get for name, each in backend.handlers().items()}
    dependents = [field for field, action in (probes | handlers).items() if action is not None]
    if backend.readiness_probe is None and context.spec.has_upstream:
        dependents.append("the default readiness probe of the backend")
    if proxy.startup_probe is None or proxy.readiness_probe is None:
        dependents.append("the default probe of the proxy")
    return dependents[0] if dependents else ""


def unused_files(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield a warning for each file of nginx that no configuration includes.

    Nothing is reported while a text cannot be parsed, or includes files whose text is not known.
    """
    proxy = context.spec.proxy
    if proxy is None:
        return
    files = [(f"{field}.path", file.path) for field, file in context.files if file.container == PROXY]
    mounts = [(f"{each.field}.mountPath", each.path) for each in ContainerView("spec.proxy", PROXY, proxy).own_mounts]
    unused = [each for each in (*files, *mounts) if path_segments(each[1])[: len(_CONF_D)] == _CONF_D]
    if not unused or any(not _is_known_include(each) for each in _own_includes(proxy)):
        return
    for field, path in unused:
        message = (
            f"nginx includes no file in {path!r}" if field.endswith("mountPath") else f"nginx does not include {path!r}"
        )
        hint = "write an include into spec.proxy.httpSnippet, for example include /etc/nginx/conf.d/*.conf;"
        yield ValidationIssue(field, message, hint, Severity.WARNING)


def _own_includes(proxy: Proxy) -> Iterator[Directive]:
    """Yield the include directives of the author's texts."""
    for text in (proxy.config, proxy.http_snippet, proxy.server_snippet):
        try:
            directives = parsed(text or "")
        except nginx.NginxSyntaxError:
            yield Directive("include", ("unknown",))
        else:
            yield from (each for each in flatten(directives) if each.name == "include")


def _missing_listen(proxy: Proxy, directives: Iterable[Directive]) -> Iterator[ValidationIssue]:
    """Yield a warning if no server is seen to listen on the port that the Service exposes."""
    flat = list(flatten(directives))
    addresses = [each.args[0] for each in flat if each.name == "listen" and each.args]
    unread_files = [each for each in flat if each.name == "include" and not _is_known_include(each)]
    listens = any(address == str(proxy.port) or address.endswith(f":{proxy.port}") for address in addresses)
    if not (listens or unread_files):
        message = f"no server listens on {proxy.port}, the port that the Service exposes"
        yield ValidationIssue(_CONFIG, message, f"add `listen {proxy.port};`, or set spec.proxy.port", Severity.WARNING)


def _is_known_include(include: Directive) -> bool:
    """Return whether an include is known to add no server of the author's: a generated file or mime.types."""
    pattern = _include_pattern(include)
    return pattern[-1:] == ("mime.types",) or pattern[: len(_GENERATED)] == _GENERATED


def _children(directives: Iterable[Directive], name: str) -> list[Directive]:
    """Return the directives directly inside the blocks of this name."""
    return [inner for each in directives if each.name == name for inner in each.block or ()]


def flatten(directives: Iterable[Directive]) -> Iterator[Directive]:
    """Yield the directives and those of their blocks, in the order of the text."""
    pending = [iter(directives)]
    while pending:
        for each in pending[-1]:
            yield each
            if each.block:
                pending.append(iter(each.block))
                break
        else:
            pending.pop()


def _includes_file(directives: Iterable[Directive], path: str) -> bool:
    """Return whether one of the directives includes the file."""
    segments = path_segments(path)
    patterns = {_include_pattern(each) for each in directives if each.name == "include" and each.args}
    candidates = [each for each in patterns if len(each) == len(segments) and max(map(len, each)) <= _MAX_NAME_LENGTH]
    return len(candidates) > _MAX_PATTERNS or any(
        all(fnmatchcase(segment, part) for segment, part in zip(segments, pattern, strict=True))
        for pattern in candidates
    )


def _include_pattern(include: Directive) -> tuple[str, ...]:
    """Return the segments of an include's pattern; nginx resolves it from the directory of its nginx.conf."""
    pattern = "".join(include.args[:1])
    return path_segments(pattern if pattern.startswith("/") else f"{_NGINX_CONF_DIR}/{pattern}")


CHECKS: Final = (overridden_fields, required_includes, unused_files)

"""The author's own nginx.conf: what it replaces, and what of AppStack's it must include. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from appstack.api.containers import Proxy
from appstack.errors import Severity, ValidationIssue
from appstack.render import nginx_syntax as nginx
from appstack.render.nginx_syntax import Directive
from appstack.render.paths import HEALTH_CONF, NGINX_CONF, NGINX_DIR, SERVER_DIR, STATIC_CONF
from appstack.validation.subject import Subject

_WHERE: Final = "spec.proxy.config"
_REPLACED: Final = {
    "upstream": "upstream",
    "server": "server",
    "clientMaxBodySize": "client_max_body_size",
    "readTimeoutSeconds": "read_timeout_seconds",
}


def replaced(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield fields of the generated configuration that `config` takes the place of."""
    proxy = subject.spec.proxy
    if proxy is None or proxy.config is None:
        return
    for name, attribute in _REPLACED.items():
        if getattr(proxy, attribute) is not None:
            yield ValidationIssue(
                f"spec.proxy.{name}", f"{_WHERE} takes its place", "write it there, or leave out config"
            )


def included(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield a configuration that leaves out a file of AppStack's on which another field depends."""
    proxy = subject.spec.proxy
    if proxy is None or proxy.config is None:
        return
    try:
        directives = nginx.parse(proxy.config)
    except nginx.Unreadable as error:
        yield ValidationIssue(_WHERE, str(error), "the pod's check, nginx -t, decides", Severity.WARNING)
        return
    http = _blocks(directives, "http")
    need = _needs_health(subject, proxy)
    if need and not _include(http, HEALTH_CONF):
        what = f"its http {{}} must include {NGINX_DIR}/*.conf: {need} goes through AppStack's health server"
        yield ValidationIssue(_WHERE, what, f"write `include {NGINX_DIR}/*.conf;` inside http {{}}")
    if proxy.static and not _include(_blocks(http, "server"), STATIC_CONF):
        what = f"a server {{}} must include {SERVER_DIR}/*.conf: spec.proxy.static is written there"
        yield ValidationIssue(
            _WHERE, what, f"write `include {SERVER_DIR}/*.conf;` inside the server {{}} that serves the files"
        )
    yield from _listens(proxy, directives)


def _needs_health(subject: Subject, proxy: Proxy) -> str:
    """Return the first that goes through the health server; nothing is an empty word."""
    backend = subject.spec.backend
    probes = {f"spec.backend.{name}": probe.http_get for name, probe in backend.probes().items()}
    handlers = {f"spec.backend.lifecycle.{name}": each.http_get for name, each in backend.handlers().items()}
    asked = [field for field, action in (probes | handlers).items() if action is not None]
    if backend.readiness_probe is None and backend.ports:
        asked.append("the backend's default readiness")
    if proxy.startup_probe is None or proxy.readiness_probe is None:
        asked.append("the proxy's own probe")
    return asked[0] if asked else ""


def _listens(proxy: Proxy, directives: Iterable[Directive]) -> Iterator[ValidationIssue]:
    """Yield a port that the Service leads to and that no server is seen to listen on."""
    every = list(_all(directives))
    listens = [each.args[0] for each in every if each.name == "listen" and each.args]
    elsewhere = [each for each in every if each.name == "include" and not _harmless(each)]
    heard = any(address == str(proxy.port) or address.endswith(f":{proxy.port}") for address in listens)
    if not (heard or elsewhere):
        what = f"no server listens on {proxy.port}, to which the Service leads"
        yield ValidationIssue(_WHERE, what, f"write `listen {proxy.port};`, or set spec.proxy.port", Severity.WARNING)


def _harmless(include: Directive) -> bool:
    """Tell whether an include brings no server of the author's."""
    pattern = _absolute(include)
    return pattern.name == "mime.types" or pattern.is_relative_to(NGINX_DIR)


def _blocks(directives: Iterable[Directive], name: str) -> list[Directive]:
    """Return what stands directly inside the blocks of this name."""
    return [inner for each in directives if each.name == name for inner in each.block or ()]


def _all(directives: Iterable[Directive]) -> Iterator[Directive]:
    for each in directives:
        yield each
        yield from _all(each.block or ())


def _include(directives: Iterable[Directive], path: str) -> bool:
    """Tell whether one of the directives includes a file."""
    return any(
        PurePosixPath(path).match(str(_absolute(each))) for each in directives if each.name == "include" and each.args
    )


def _absolute(include: Directive) -> PurePosixPath:
    """Return the pattern of an include as nginx reads it: from the directory of its nginx.conf."""
    return PurePosixPath(NGINX_CONF).parent / "".join(include.args[:1])


CHECKS: Final = (replaced, included)

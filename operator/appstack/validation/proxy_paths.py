"""Checks of the paths that `spec.proxy` serves: static files and routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from appstack.api.proxy import PathType, Proxy, Route, Static, UpstreamProtocol
from appstack.errors import Severity, ValidationIssue
from appstack.render.nginx_locations import generated_locations, route_prefix
from appstack.validation.context import ValidationContext
from appstack.validation.issues import available_hint, duplicate_issues
from appstack.validation.mount_paths import path_key, sub_path_issues
from appstack.validation.proxy import port_issues

_SETTINGS: Final = {
    "upstream": "upstream",
    "service": "service",
    "replacePrefixMatch": "replace_prefix_match",
    "buffering": "buffering",
    "requestBuffering": "request_buffering",
    "readTimeoutSeconds": "read_timeout_seconds",
    "clientMaxBodySize": "client_max_body_size",
}
_REPLACEABLE: Final = (UpstreamProtocol.HTTP, UpstreamProtocol.HTTPS)


def static(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each entry of static files that nginx cannot serve."""
    proxy = context.spec.proxy
    if proxy is None:
        return
    located = [(f"spec.proxy.static[{index}]", each) for index, each in enumerate(proxy.static)]
    for field, each in located:
        yield from _static_source(context, field, each)
        yield from _image_directory(f"{field}.from", each.from_)
        yield from _caching(field, each)
        yield from _fallback(context, proxy, f"{field}.fallback", each)
        if (
            each.path == "/"
            and context.spec.has_upstream
            and proxy.config is None
            and not _reaches_backend(proxy, each)
        ):
            message = "'/' would hide the backend, which serves every other path"
            hint = "set fallback: Backend, add a route to the backend in spec.proxy.routes, or choose a path below /"
            yield ValidationIssue(f"{field}.path", message, hint)
    yield from _hidden_directories(context, located)


def _reaches_backend(proxy: Proxy, entry: Static) -> bool:
    """Return whether requests reach the backend beside static files at `/`."""
    runs_scripts = proxy.fast_cgi is not None
    return entry.fallback == "Backend" or runs_scripts or any(each.passes and not each.service for each in proxy.routes)


def _static_source(context: ValidationContext, field: str, entry: Static) -> Iterator[ValidationIssue]:
    if (entry.from_ is None) == (entry.volume is None):
        message = "defines two sources of the files" if entry.volume else "defines no source of the files"
        yield ValidationIssue(field, message, "set either `from`, a directory of the backend's image, or `volume`")
    if entry.image is not None and entry.from_ is None:
        yield ValidationIssue(f"{field}.image", "requires `from`", "set the directory of the image")
    if entry.sub_path is not None:
        if entry.volume is None:
            yield ValidationIssue(f"{field}.subPath", "requires `volume`", "append the directory to `from`")
        yield from sub_path_issues(f"{field}.subPath", entry.sub_path)
    if entry.volume is not None and entry.volume not in context.volume_names:
        hint = available_hint(context.volume_names, if_none="declare the volume in spec.volumes")
        yield ValidationIssue(f"{field}.volume", f"there is no volume {entry.volume!r}", hint)


def _caching(field: str, entry: Static) -> Iterator[ValidationIssue]:
    if entry.immutable and not entry.max_age_seconds:
        hint = "set it to the seconds for which a file is cached, for example 31536000"
        yield ValidationIssue(f"{field}.immutable", "requires maxAgeSeconds", hint)


def _fallback(context: ValidationContext, proxy: Proxy, field: str, entry: Static) -> Iterator[ValidationIssue]:
    if entry.fallback is None:
        return
    if entry.fallback == "Backend":
        if proxy.config is not None:
            message = "requires the generated configuration, which spec.proxy.config replaces"
            yield ValidationIssue(field, message, "write a location of your own into spec.proxy.config")
        elif not context.spec.has_upstream:
            message = "the backend declares no port"
            yield ValidationIssue(field, message, "declare the port of the backend in spec.backend.ports")
    elif not entry.fallback.startswith(entry.path) or entry.fallback.endswith("/"):
        message = f"{entry.fallback!r} is not a file below {entry.path}"
        yield ValidationIssue(field, message, f"write for example {entry.path}index.html, or Backend")
    else:
        yield from _path_issues(field, entry.fallback)


def _image_directory(field: str, path: str | None) -> Iterator[ValidationIssue]:
    if path is None:
        return
    directory = PurePosixPath(path)
    if ".." in directory.parts:
        yield ValidationIssue(field, f"{str(directory)!r} contains '..'", "use a path without '..'")
    elif len(directory.parts) < 2:
        yield ValidationIssue(field, "is the root of the image", "use the directory that holds the files")


def _hidden_directories(context: ValidationContext, located: Iterable[tuple[str, Static]]) -> Iterator[ValidationIssue]:
    """Yield a warning for each directory of the backend's image where the backend mounts a volume."""
    mounts = [(path_key(mount.path), mount) for mount in context.backend.own_mounts]
    for field, entry in located:
        if entry.from_ is None or entry.image is not None:
            continue
        directory = path_key(entry.from_)
        mount = next((each for key, each in mounts if directory.startswith(key)), None)
        if mount is not None:
            message = f"the files come from the image, not from the volume that {mount.field} mounts there"
            hint = f"use volume: {mount.volume} to serve the files of the volume"
            yield ValidationIssue(f"{field}.from", message, hint, Severity.WARNING)


def routes(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each route that nginx cannot serve."""
    proxy = context.spec.proxy
    if proxy is None:
        return
    for index, route in enumerate(proxy.routes):
        field = f"spec.proxy.routes[{index}]"
        yield from _path_issues(f"{field}.path", route.path)
        yield from _actions(field, route)
        yield from _response(field, route)
        if route.upstream is not None:
            yield from port_issues(context, f"{field}.upstream", route.upstream)
        elif route.passes and route.service is None and not context.spec.has_upstream:
            message = "passes requests to the backend, which declares no port"
            yield ValidationIssue(field, message, "set service, redirect or respond, or declare spec.backend.ports")
        yield from _replacement(field, route, proxy)


def _path_issues(field: str, path: str) -> Iterator[ValidationIssue]:
    if "//" in path or any(segment in (".", "..") for segment in path.split("/")):
        message = f"{path!r} never matches: nginx removes '//', '/./' and '/../' from the path of a request"
        yield ValidationIssue(field, message, "write the normalized path")


def _actions(field: str, route: Route) -> Iterator[ValidationIssue]:
    answers = [name for name in ("redirect", "respond") if getattr(route, name) is not None]
    if len(answers) > 1:
        yield ValidationIssue(field, "has both redirect and respond", "remove one of the two")
    if answers:
        for name in (name for name, attribute in _SETTINGS.items() if getattr(route, attribute) is not None):
            message = f"has no effect: {answers[0]} answers the request"
            yield ValidationIssue(f"{field}.{name}", message, "remove the field")
    if route.upstream is not None and route.service is not None:
        yield ValidationIssue(f"{field}.service", "cannot be combined with upstream", "remove one of the two")


def _response(field: str, route: Route) -> Iterator[ValidationIssue]:
    if route.respond is not None and 300 <= route.respond.status_code < 400:
        message = f"{route.respond.status_code} is a redirect without a target"
        yield ValidationIssue(f"{field}.respond.statusCode", message, "use redirect")
    target = route.redirect.path if route.redirect else ""
    loops = target == route.path or (
        route.path_type is PathType.PREFIX and f"{target}/".startswith(route_prefix(route))
    )
    if route.redirect is not None and loops:
        message = f"{target!r} matches the route itself, so the redirect would not end"
        yield ValidationIssue(f"{field}.redirect.path", message, "redirect to a path outside the route")


def _replacement(field: str, route: Route, proxy: Proxy) -> Iterator[ValidationIssue]:
    if route.replace_prefix_match is None:
        return
    name = f"{field}.replacePrefixMatch"
    yield from _path_issues(name, route.replace_prefix_match)
    if route.path_type is not PathType.PREFIX:
        yield ValidationIssue(name, "requires pathType: Prefix", "use Prefix")
    if route.service is None and proxy.protocol not in _REPLACEABLE:
        message = f"is not supported with upstreamProtocol: {proxy.protocol}"
        yield ValidationIssue(name, message, "let the backend serve the whole path")


def duplicates(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each path that two fields serve."""
    proxy = context.spec.proxy
    if proxy is not None:
        located = [(field, key) for key, field in generated_locations(proxy)]
        yield from duplicate_issues(located, key=str, describe=lambda key: f"the path {key.removeprefix('= ')!r}")


CHECKS: Final = (static, routes, duplicates)

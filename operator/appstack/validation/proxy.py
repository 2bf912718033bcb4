"""Checks of `spec.proxy`, the nginx in front of the backend: upstream, static files and extra directives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from appstack.api.containers import Proxy, Static
from appstack.errors import Severity, ValidationIssue
from appstack.render import nginx_syntax as nginx
from appstack.validation.containers import SHARED_LOOPBACK
from appstack.validation.context import ValidationContext
from appstack.validation.issues import available_hint, duplicate_issues
from appstack.validation.mount_paths import path_key, sub_path_issues
from appstack.validation.nginx_config import NGINX_TEST_HINT


def host_network(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for a proxy with hostNetwork, where clients could bypass it and reach the backend."""
    if context.spec.proxy and context.spec.pod.host_network:
        yield ValidationIssue("spec.proxy", SHARED_LOOPBACK, "remove spec.pod.hostNetwork, or spec.proxy")


def upstream(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for a proxy with nothing to serve, or with an upstream that is not a TCP port of the backend."""
    proxy = context.spec.proxy
    if proxy is None:
        return
    listeners = context.backend.listeners
    if proxy.upstream is None:
        serves = listeners or proxy.static or proxy.server or proxy.config is not None
        if not serves:
            hint = "declare the port of the backend in spec.backend.ports, or set spec.proxy.static"
            yield ValidationIssue("spec.proxy", "has nothing to serve: the backend declares no port", hint)
        if listeners and listeners[0].protocol != "TCP":
            message = f"the first port of the backend is {listeners[0]}, and nginx connects over TCP only"
            yield ValidationIssue(
                "spec.proxy.upstream", message, "set the HTTP port as upstream, or put that port first"
            )
        return
    tcp_listeners = [each for each in listeners if each.protocol == "TCP"]
    if not any(proxy.upstream in (each.number, each.name) for each in tcp_listeners):
        names = [each.name or str(each.number) for each in tcp_listeners]
        hint = available_hint(names, if_none="declare the port in spec.backend.ports")
        yield ValidationIssue("spec.proxy.upstream", f"the backend has no TCP port {proxy.upstream!r}", hint)


def read_timeout(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield a warning for a read timeout without an upstream."""
    proxy = context.spec.proxy
    if proxy and proxy.read_timeout_seconds is not None and proxy.config is None and not context.spec.backend.ports:
        message = "has no effect: the backend declares no port"
        yield ValidationIssue("spec.proxy.readTimeoutSeconds", message, "remove the field", Severity.WARNING)


def server(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for extra directives that nginx cannot parse, or that define a location of AppStack's again."""
    proxy = context.spec.proxy
    if proxy is None or proxy.server is None or proxy.config is not None:
        return  # `nginx_config` refuses the two together
    try:
        yield from _duplicate_locations(context, proxy, nginx.parse(proxy.server))
    except nginx.UnbalancedBlock as error:
        yield ValidationIssue("spec.proxy.server", str(error), "balance the braces")
    except nginx.NginxSyntaxError as error:
        yield ValidationIssue("spec.proxy.server", str(error), NGINX_TEST_HINT, Severity.WARNING)


def _duplicate_locations(
    context: ValidationContext, proxy: Proxy, directives: Iterable[nginx.Directive]
) -> Iterator[ValidationIssue]:
    """Yield an issue for each location that AppStack generates: nginx would name a file the author has not written."""
    generated = {each.path: f"spec.proxy.static[{index}]" for index, each in enumerate(proxy.static)}
    if _has_upstream(context, proxy):
        generated["/"] = "AppStack, as the route to the backend"
    for each in directives:
        if each.name == "location" and len(each.args) == 1 and each.args[0] in generated:
            message = f"location {each.args[0]} is already defined by {generated[each.args[0]]}"
            yield ValidationIssue("spec.proxy.server", message, "choose another location, or use spec.proxy.config")


def static(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each entry of static files that nginx cannot serve."""
    proxy = context.spec.proxy
    if proxy is None:
        return
    located = [(f"spec.proxy.static[{index}]", each) for index, each in enumerate(proxy.static)]
    for field, each in located:
        yield from _static_source(context, field, each)
        yield from _image_directory(f"{field}.from", each.from_)
        if each.path == "/" and _has_upstream(context, proxy):
            message = "'/' would hide the backend, which serves every other path"
            hint = "choose a path below /, or remove spec.backend.ports"
            yield ValidationIssue(f"{field}.path", message, hint)
    yield from _hidden_directories(context, located)
    paths = [(f"{field}.path", each.path) for field, each in located]
    yield from duplicate_issues(paths, key=str, describe=lambda path: f"the path {path!r}")


def _has_upstream(context: ValidationContext, proxy: Proxy) -> bool:
    return proxy.config is None and bool(context.spec.backend.ports)


def _static_source(context: ValidationContext, field: str, entry: Static) -> Iterator[ValidationIssue]:
    if (entry.from_ is None) == (entry.volume is None):
        message = "defines two sources of the files" if entry.volume else "defines no source of the files"
        yield ValidationIssue(field, message, "set either `from`, a directory of the backend's image, or `volume`")
    if entry.sub_path is not None:
        if entry.volume is None:
            yield ValidationIssue(f"{field}.subPath", "requires `volume`", "append the directory to `from`")
        yield from sub_path_issues(f"{field}.subPath", entry.sub_path)
    if entry.volume is not None and entry.volume not in context.volume_names:
        hint = available_hint(context.volume_names, if_none="declare the volume in spec.volumes")
        yield ValidationIssue(f"{field}.volume", f"there is no volume {entry.volume!r}", hint)


def _image_directory(field: str, path: str | None) -> Iterator[ValidationIssue]:
    if path is None:
        return
    directory = PurePosixPath(path)
    if ".." in directory.parts:
        yield ValidationIssue(field, f"{str(directory)!r} contains '..'", "use a path without '..'")
    elif len(directory.parts) < 2:
        yield ValidationIssue(field, "is the root of the image", "use the directory that holds the files")


def _hidden_directories(context: ValidationContext, located: Iterable[tuple[str, Static]]) -> Iterator[ValidationIssue]:
    """Yield a warning for each directory of the image where the backend mounts a volume."""
    mounts = [(path_key(mount.path), mount) for mount in context.backend.own_mounts]
    for field, entry in located:
        if entry.from_ is None:
            continue
        directory = path_key(entry.from_)
        mount = next((each for key, each in mounts if directory.startswith(key)), None)
        if mount is not None:
            message = f"the files come from the image, not from the volume that {mount.field} mounts there"
            hint = f"use volume: {mount.volume} to serve the files of the volume"
            yield ValidationIssue(f"{field}.from", message, hint, Severity.WARNING)


CHECKS: Final = (host_network, upstream, read_timeout, server, static)

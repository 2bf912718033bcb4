"""nginx before the backend: something to serve, and somebody to ask. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from appstack.api.containers import Proxy, Static
from appstack.errors import Severity, ValidationIssue
from appstack.render import nginx_syntax as nginx
from appstack.validation.mounts import sub_path
from appstack.validation.subject import Subject, choices, repeated


def host_network(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield a proxy where the backend could not be private."""
    if subject.spec.proxy and subject.spec.pod.host_network:
        what = "can't stand on spec.pod.hostNetwork: loopback is the node's there, open to all its pods"
        yield ValidationIssue("spec.proxy", what, "leave out hostNetwork, or the proxy")


def upstream(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield a proxy that has nobody to ask, or asks a port on which nobody listens."""
    proxy = subject.spec.proxy
    if proxy is None:
        return
    listeners = subject.listeners(subject.backend)
    if proxy.upstream is None:
        serves = listeners or proxy.static or proxy.server or proxy.config is not None
        if not serves:
            hint = "declare the backend's port in spec.backend.ports, or write static"
            yield ValidationIssue("spec.proxy", "has nothing to serve: the backend declares no port", hint)
        if listeners and listeners[0].protocol != "TCP":
            what = f"the backend's first port is {listeners[0]}, and nginx asks over TCP"
            yield ValidationIssue("spec.proxy.upstream", what, "name the port that speaks HTTP, or put it first")
        return
    tcp = [each for each in listeners if each.protocol == "TCP"]
    if not any(proxy.upstream in (each.number, each.name) for each in tcp):
        hint = choices([each.name or str(each.number) for each in tcp], none="declare it in spec.backend.ports")
        yield ValidationIssue("spec.proxy.upstream", f"the backend has no port {proxy.upstream!r} over TCP", hint)


def read_timeout(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield a time-out for a backend that is never asked."""
    proxy = subject.spec.proxy
    if proxy and proxy.read_timeout_seconds is not None and proxy.config is None and not subject.spec.backend.ports:
        what = "does nothing: the backend declares no port to ask"
        yield ValidationIssue("spec.proxy.readTimeoutSeconds", what, "leave it out", Severity.WARNING)


def server(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield text for nginx's server {} that nginx could not read."""
    proxy = subject.spec.proxy
    if proxy is None or proxy.server is None:
        return
    try:
        yield from _located_twice(subject, proxy, nginx.parse(proxy.server))
    except nginx.Unbalanced as error:
        yield ValidationIssue("spec.proxy.server", str(error), "braces come in pairs")
    except nginx.Unreadable as error:
        yield ValidationIssue("spec.proxy.server", str(error), "the pod's check, nginx -t, decides", Severity.WARNING)


def _located_twice(subject: Subject, proxy: Proxy, written: Iterable[nginx.Directive]) -> Iterator[ValidationIssue]:
    """Yield a location that AppStack writes itself: nginx would complain of a file that the author never saw."""
    ours = {each.path: f"spec.proxy.static[{index}]" for index, each in enumerate(proxy.static)}
    if _asks_backend(subject, proxy):
        ours["/"] = "AppStack, which leads it to the backend"
    for each in written:
        if each.name == "location" and len(each.args) == 1 and each.args[0] in ours:
            what = f"location {each.args[0]} is written by {ours[each.args[0]]} already"
            yield ValidationIssue(
                "spec.proxy.server", what, "choose another location, or write the whole spec.proxy.config"
            )


def static(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield what nginx can't serve."""
    proxy = subject.spec.proxy
    if proxy is None:
        return
    located = [(f"spec.proxy.static[{index}]", each) for index, each in enumerate(proxy.static)]
    for where, each in located:
        yield from _source(subject, where, each)
        if each.path == "/" and _asks_backend(subject, proxy):
            what = "'/' would hide the backend, to which everything else goes"
            yield ValidationIssue(f"{where}.path", what, "choose a path below it, or declare no port of the backend")
    paths = [(f"{where}.path", each.path) for where, each in located]
    yield from repeated(paths, key=str, what=lambda path: f"the path {path!r}")


def _asks_backend(subject: Subject, proxy: Proxy) -> bool:
    return proxy.config is None and bool(subject.spec.backend.ports)


def _source(subject: Subject, where: str, each: Static) -> Iterator[ValidationIssue]:
    if (each.from_ is None) == (each.volume is None):
        what = "says two places where the files are" if each.volume else "does not say where the files are"
        yield ValidationIssue(where, what, "either `from`, a directory of the backend's image, or `volume`")
    if each.sub_path is not None:
        if each.volume is None:
            yield ValidationIssue(
                f"{where}.subPath", "is a directory of a volume, and there is none", "write it behind `from`"
            )
        yield from sub_path(f"{where}.subPath", each.sub_path)
    if each.volume is not None and each.volume not in subject.volume_names:
        hint = choices(subject.volume_names, none="spec.volumes is empty")
        yield ValidationIssue(f"{where}.volume", f"there is no volume {each.volume!r}", hint)
    if each.from_ is not None:
        yield from _from(subject, f"{where}.from", PurePosixPath(each.from_))


def _from(subject: Subject, where: str, directory: PurePosixPath) -> Iterator[ValidationIssue]:
    if ".." in directory.parts:
        yield ValidationIssue(where, f"{str(directory)!r} contains '..'", "write the directory itself")
    elif len(directory.parts) < 2:
        yield ValidationIssue(where, "is the whole image", "name the directory that holds the files")
    for mount in subject.backend.own_mounts():
        if directory.is_relative_to(mount.path):
            what = f"the files come out of the image, not out of what {mount.field} mounts there"
            yield ValidationIssue(where, what, f"for those write volume: {mount.volume}", Severity.WARNING)


CHECKS: Final = (host_network, upstream, read_timeout, server, static)

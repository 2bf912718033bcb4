"""Probes and lifecycle handlers: ports by default, and a private backend's carried through nginx. PURE.

A kubelet asks the pod's address, where a backend behind a proxy need not listen. So its httpGet probes ask nginx's
health port instead, at a path of their own, and nginx asks the backend on loopback.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from appstack.api.containers import Container, HTTPGet, LifecycleHandler, Probe
from appstack.k8s.metadata import Manifest
from appstack.render.context import Context

PROXY_HEALTH_PATH: Final = "/proxy"
ANSWERS: Final = "answers"  # the readiness that is rendered where the author wrote none


@dataclass(frozen=True, slots=True)
class Carried:
    """One question that nginx passes on: asked at `/backend/<name>`, put to the backend at `port` and `path`."""

    name: str
    port: int
    path: str = "/"
    scheme: str = "HTTP"
    host: str = ""  # the Host header that the author wrote; empty: the pod's address and the backend's port
    any_answer: bool = False  # every HTTP answer counts as a yes

    @property
    def location(self) -> str:
        """The path on the health port."""
        return f"/backend/{self.name}"


def carried(context: Context) -> tuple[Carried, ...]:
    """Return what nginx has to pass on to the backend: each httpGet probe and handler, and the default readiness."""
    if context.spec.proxy is None:
        return ()
    backend = context.spec.backend
    asked: dict[str, Probe | LifecycleHandler] = {**backend.probes(), **backend.handlers()}
    questions = [_carried(name, each.http_get, backend) for name, each in asked.items() if each.http_get is not None]
    if backend.readiness_probe is None and context.upstream is not None:
        questions.append(Carried(name=ANSWERS, port=context.upstream, any_answer=True))
    return tuple(questions)


def _carried(name: str, action: HTTPGet, backend: Container) -> Carried:
    headers = {header.name.lower(): header.value for header in action.http_headers or []}
    return Carried(
        name=name,
        port=backend.port_number(action.port) or 0,
        path="/" + (action.path or "").removeprefix("/"),  # a kubelet adds the slash, too; nginx would see a port
        scheme=action.scheme or "HTTP",
        host=headers.get("host", ""),
    )


def with_ports(container: Container, fields: Manifest, *, first: int | None = None) -> Manifest:
    """Return a container's rendered fields with the ports that its probes and handlers leave to us.

    That is `first` where it is given, else the container's first.
    """
    first = first or container.port_number(None)
    probes = {name: _with_port(fields[name], first) for name in container.probes() if name in fields}
    lifecycle = {
        name: _with_port(handler, first) if isinstance(handler, dict) else handler
        for name, handler in fields.get("lifecycle", {}).items()
    }
    return {**fields, **probes, **({"lifecycle": lifecycle} if lifecycle else {})}


def _with_port(handler: Manifest, port: int | None) -> Manifest:
    """Return a probe or handler whose httpGet or tcpSocket has a port."""
    found: Manifest = {
        action: {**handler[action], "port": handler[action].get("port", port)}
        for action in ("httpGet", "tcpSocket")
        if action in handler
    }
    return {**handler, **found}


def through_proxy(context: Context, fields: Manifest) -> Manifest:
    """Return the backend's rendered fields, every httpGet of them asking nginx's health port."""
    proxy = context.spec.proxy
    if proxy is None:
        return fields
    questions = {question.name: question for question in carried(context)}

    def asking(handlers: Mapping[str, Manifest]) -> dict[str, Manifest]:
        return {
            name: {**handlers[name], "httpGet": _ask(questions[name], handlers[name], proxy.health_port)}
            for name in handlers.keys() & questions.keys()
        }

    result = {**fields, **asking({name: value for name, value in fields.items() if isinstance(value, dict)})}
    if "lifecycle" in fields:
        result["lifecycle"] = {**fields["lifecycle"], **asking(fields["lifecycle"])}
    if ANSWERS in questions:
        result["readinessProbe"] = {"httpGet": _ask(questions[ANSWERS], {}, proxy.health_port)}
    return result


def _ask(question: Carried, handler: Manifest, health_port: int) -> Manifest:
    headers = handler.get("httpGet", {}).get("httpHeaders")
    action: Manifest = {"path": question.location, "port": health_port}
    return {**action, "httpHeaders": headers} if headers else action


def proxy_probes(health_port: int) -> Manifest:
    """Return nginx's own probes: the backend waits until it listens, and nobody is led to it before."""

    def asking(**timing: int) -> Manifest:
        return {"httpGet": {"path": PROXY_HEALTH_PATH, "port": health_port}, **timing}

    return {
        "startupProbe": asking(periodSeconds=1, failureThreshold=60),
        "readinessProbe": asking(periodSeconds=5),
    }

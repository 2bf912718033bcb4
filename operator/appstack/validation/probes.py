"""Probes and lifecycle handlers: one way to ask each, and a port that is there. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from appstack.api.containers import HTTPGet, LifecycleHandler, Probe, TCPSocket
from appstack.errors import ValidationIssue
from appstack.validation.ports import number
from appstack.validation.subject import Member, Subject, choices

_WAYS: Final = {"exec": "var_exec", "httpGet": "http_get", "tcpSocket": "tcp_socket", "grpc": "grpc", "sleep": "sleep"}
_HEADER = re.compile(r"[-A-Za-z0-9]+")
_CARRIED: Final = "a proxy stands before the backend, and it can only carry httpGet"


@dataclass(frozen=True, slots=True)
class Question:
    """A probe or a lifecycle handler, and the field that holds it."""

    field: str  # spec.backend.livenessProbe
    member: Member
    asked: Probe | LifecycleHandler

    def ways(self) -> list[str]:
        """Return the ways to ask that are written, by the API's name."""
        return [name for name, attribute in _WAYS.items() if getattr(self.asked, attribute, None) is not None]

    @property
    def is_probe(self) -> bool:
        """Whether it is asked again and again, and not once in the container's life."""
        return isinstance(self.asked, Probe)


def _questions(subject: Subject) -> Iterator[Question]:
    for member in subject.members:
        for name, probe in member.container.probes().items():
            yield Question(f"{member.field}.{name}", member, probe)
        for name, handler in member.container.handlers().items():
            yield Question(f"{member.field}.lifecycle.{name}", member, handler)


def ways(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield probes and handlers that ask in no way or in several, or in one that can't work."""
    for question in _questions(subject):
        written = question.ways()
        known = "exec, httpGet, tcpSocket or grpc" if question.is_probe else "exec, httpGet or sleep"
        if not written:
            yield ValidationIssue(question.field, "does not say what to do", known)
        elif len(written) > 1:
            yield ValidationIssue(
                question.field, f"does several things at once: {', '.join(written)}", "keep one of them"
            )
        if question.asked.var_exec is not None and not question.asked.var_exec.command:
            yield ValidationIssue(f"{question.field}.exec.command", "is required")
        for index, header in enumerate((question.asked.http_get and question.asked.http_get.http_headers) or []):
            if not _HEADER.fullmatch(header.name):
                where = f"{question.field}.httpGet.httpHeaders[{index}].name"
                yield ValidationIssue(where, f"{header.name!r} is not a header's name", "letters, digits and -")
        if "tcpSocket" in written and not question.is_probe:
            yield ValidationIssue(
                f"{question.field}.tcpSocket", "no kubelet does it in a lifecycle handler", "exec or httpGet"
            )


def through_proxy(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield questions to the backend that no proxy can carry to it."""
    if subject.spec.proxy is None:
        return
    for question in _questions(subject):
        if question.member is not subject.backend:
            continue
        for way in ("tcpSocket", "grpc") if question.is_probe else ():
            if way in question.ways():
                yield ValidationIssue(
                    f"{question.field}.{way}", _CARRIED, "use httpGet or exec, or leave out spec.proxy"
                )
        if question.asked.http_get is not None and question.asked.http_get.host:
            hint = "leave it out; a Host header goes to httpHeaders"
            yield ValidationIssue(
                f"{question.field}.httpGet.host", "the proxy asks the backend of its own pod only", hint
            )


def ports(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield questions to a port that is not there."""
    for question in _questions(subject):
        if question.member.runs_to_its_end:
            continue  # it can't have any: said by the check of containers
        for way, action in (("httpGet", question.asked.http_get), ("tcpSocket", question.asked.tcp_socket)):
            if action is not None:
                yield from _port(subject, question, f"{question.field}.{way}.port", action)
        grpc = question.asked.grpc if isinstance(question.asked, Probe) else None
        if grpc is not None:
            yield from _number(subject, question, f"{question.field}.grpc.port", grpc.port)


def _port(subject: Subject, question: Question, where: str, action: HTTPGet | TCPSocket) -> Iterator[ValidationIssue]:
    listeners = subject.listeners(question.member)
    private = question.member is subject.backend and subject.spec.proxy is not None
    if not listeners and (action.port is None or private):
        yield ValidationIssue(
            where, "the container declares no port to ask", f"declare it in {question.member.field}.ports"
        )
    elif isinstance(action.port, str):
        named = [listener.name for listener in listeners if listener.name]
        if action.port not in named:
            hint = choices(named, none=f"name one in {question.member.field}.ports")
            yield ValidationIssue(where, f"the container has no port {action.port!r}", hint)
    elif action.port is not None and not (action.host and not private):
        yield from _number(subject, question, where, action.port)


def _number(subject: Subject, question: Question, where: str, port: int) -> Iterator[ValidationIssue]:
    """Yield a number that nobody in the pod declares; a container that declares nothing may listen anywhere."""
    yield from number(where, port)
    if not subject.listeners(question.member):
        return
    there = [listener for member in subject.together for listener in subject.listeners(member)]
    if not any(listener.number == port and listener.protocol == "TCP" for listener in there):
        hint = choices([str(listener) for listener in subject.listeners(question.member)], none="")
        yield ValidationIssue(where, f"no container declares {port}/TCP", hint)


def timing(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield what Kubernetes knows for some probes only."""
    for question in _questions(subject):
        if not isinstance(question.asked, Probe):
            continue
        readiness = question.field.endswith("readinessProbe")
        if not readiness and question.asked.success_threshold not in (None, 1):
            yield ValidationIssue(f"{question.field}.successThreshold", "can only be 1 here", "leave it out")
        if readiness and question.asked.termination_grace_period_seconds is not None:
            where = f"{question.field}.terminationGracePeriodSeconds"
            yield ValidationIssue(where, "a readiness probe ends nothing", "leave it out")


CHECKS: Final = (ways, through_proxy, ports, timing)

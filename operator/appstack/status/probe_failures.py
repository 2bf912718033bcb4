"""Detector of probes that fail, from the kubelet's Events: the probe, its request, and the response."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from appstack.api.status import Problem
from appstack.status.container_state import ContainerState

_UNHEALTHY: Final = re.compile(
    r"(?P<type>Startup|Readiness|Liveness) probe (?:failed|errored)(?: and resulted in \w+ state)?:\s*(?P<detail>.*)",
    re.DOTALL,
)
_STATUS_CODE: Final = re.compile(r"HTTP probe failed with statuscode: (?P<code>\d+)")
_BAD_GATEWAY, _GATEWAY_TIMEOUT = 502, 504
_SOCKET_HINT: Final = (
    "Let the backend listen there, and let user 101 write to the socket: with mode 0666, or with 0660 and "
    "spec.pod.securityContext.fsGroup"
)

_FIELDS: Final = {"Startup": "startupProbe", "Readiness": "readinessProbe", "Liveness": "livenessProbe"}

_RESPONSES: Final[tuple[tuple[str, str, str], ...]] = (
    (
        r"server gave HTTP response to HTTPS client|first record does not look like a TLS handshake",
        "the server speaks HTTP, not HTTPS",
        "Correct the scheme of the probe",
    ),
    (
        r"malformed HTTP (response|status code)|server sent GOAWAY|HTTP/1.x transport connection broken",
        "the server does not speak HTTP/1.1",
        "Correct the port, or set the scheme to HTTPS",
    ),
    (
        r"connection refused",
        "nothing listens there",
        "Let the process listen on this port, on all addresses and not on 127.0.0.1 only, or correct the port of the "
        "probe",
    ),
    (
        r"connection reset|\bEOF\b",
        "the server closed the connection without a response",
        "Check the last output of the container",
    ),
    (
        r"no route to host|network is unreachable",
        "the pod's address cannot be reached from its node",
        "Check NetworkPolicies and the network plugin",
    ),
    (
        r"executable file not found|no such file or directory|OCI runtime exec failed|not found",
        "the command of the probe cannot be executed",
        "Correct exec.command: the image has no such program",
    ),
    (
        r"context deadline exceeded|i/o timeout|Client\.Timeout|timed out|timeout",
        "no response within {timeout} s",
        "Let the server answer faster, or raise timeoutSeconds",
    ),
)
"""Patterns of the kubelet's message, the meaning and the hint; the first that matches counts."""


@dataclass(frozen=True, slots=True)
class FailedProbe:
    """A probe that fails, by the kubelet's last Event about it."""

    type: str  # Startup, Readiness or Liveness
    detail: str  # the kubelet's words
    time: str

    def problem(self, state: ContainerState, *, killed: bool = False) -> Problem:
        """Return the problem; `killed` if the kubelet stopped the container for it."""
        name = _FIELDS[self.type]
        probe = state.rendered.get(name) or {}
        author = state.author.get(name)
        request, target = _request(state, author, probe)
        response, hint = self._response(state, probe, target)
        default = "" if author or not state.field_path else "AppStack's default "
        subject = f"{default}{self.type.lower()} probe" if default else f"The {self.type.lower()} probe"
        end = "; the kubelet stopped the container" if killed else ""
        if not author and state.field_path:
            hint = f"{hint}; or set {state.field_path}.{name}"
        return state.problem(
            f"{self.type}ProbeFailed",
            f"{subject} of container {state.container} fails: {request}: {response}{end}",
            hint=hint,
            field_path=f"{state.field_path}.{name}" if author else "",
        )

    def _response(self, state: ContainerState, probe: Mapping[str, Any], target: str) -> tuple[str, str]:
        """Return the meaning of the kubelet's words, and a hint."""
        timeout = probe.get("timeoutSeconds", 1)
        found = _STATUS_CODE.search(self.detail)
        code = int(found["code"]) if found else 0
        if target and code == _BAD_GATEWAY:
            return _bad_gateway(target)
        if target and code == _GATEWAY_TIMEOUT:
            return f"{target} does not answer", "Let the backend answer faster, or raise timeoutSeconds"
        if code:
            return f"the answer is status {code}", _status_hint(code)
        if "exec" in probe:
            return self._command_result(timeout, has_output=state.has_output)
        for pattern, meaning, hint in _RESPONSES:
            if re.search(pattern, self.detail):
                return f"{meaning.format(timeout=timeout)} ({_first_line(self.detail)})", hint
        return _first_line(self.detail) or "it failed", "Correct the probe, or the program that it asks"

    def _command_result(self, timeout: int, *, has_output: bool) -> tuple[str, str]:
        """Return the meaning of the command's output, which the kubelet repeats in its Event."""
        if not has_output:
            return "it exits with an error", "Correct the command, or its cause"
        for pattern, meaning, hint in _RESPONSES[-2:]:
            if re.search(pattern, self.detail):
                return f"{meaning.format(timeout=timeout)} ({_first_line(self.detail)})", hint
        output = _first_line(self.detail)
        return (
            f"its output is {output!r}" if output else "it exits with an error"
        ), "Correct the command, or its cause"


def failed_probe(state: ContainerState, types: tuple[str, ...]) -> FailedProbe | None:
    """Return the probe of these types whose failure was reported last; None without one."""
    for event in state.warnings:
        found = _UNHEALTHY.match(event.message) if event.reason in ("Unhealthy", "ProbeWarning") else None
        if found and found["type"] in types:
            return FailedProbe(found["type"], found["detail"].strip(), event.time)
    return None


class ProbeFailed:
    """Detect a running container that is not ready, or not started, because a probe of it fails."""

    TYPES: ClassVar = {True: ("Liveness", "Readiness"), False: ("Startup",)}

    def detect(self, state: ContainerState) -> Problem | None:
        """Return the problem if the probe has failed since the container started."""
        if not state.running or (state.ready and state.started):
            return None
        failed = failed_probe(state, self.TYPES[state.started])
        started = str(state.running.get("startedAt") or "")
        if failed is None or failed.time[:19] < started[:19]:
            return None
        return failed.problem(state)


def _bad_gateway(target: str) -> tuple[str, str]:
    """Return the meaning of nginx's own error for a backend, and a hint."""
    if target.startswith("unix:"):
        return f"nginx cannot connect to {target}", _SOCKET_HINT
    return (
        f"nothing listens on {target}",
        f"Let the backend listen on {target}, or correct spec.proxy.upstream and spec.backend.ports",
    )


def _request(state: ContainerState, author: Mapping[str, Any] | None, rendered: Mapping[str, Any]) -> tuple[str, str]:
    """Return the request of a probe in words, and the address where nginx passes it on to a private backend."""
    upstream = _upstream(state)
    if author is None and upstream and "httpGet" in rendered:
        return f"any HTTP response from {upstream}", upstream
    probe = author or rendered
    if "httpGet" in probe:
        action = probe["httpGet"]
        default_port = None if upstream else (rendered.get("httpGet") or {}).get("port")
        port = _port_number(state, action.get("port", default_port))
        path = "/" + str(action.get("path") or "").removeprefix("/")
        target = f"127.0.0.1:{port}" if upstream else ""
        scheme = str(action.get("scheme") or "HTTP").lower()
        host = target or f"{action.get('host') or 'pod'}:{port}"
        return f"GET {scheme}://{host}{path}", target
    if "tcpSocket" in probe:
        port = (probe["tcpSocket"] or {}).get("port", (rendered.get("tcpSocket") or {}).get("port"))
        return f"connection to port {_port_number(state, port)}", ""
    if "grpc" in probe:
        return f"gRPC health check on port {probe['grpc'].get('port')}", ""
    command = " ".join(map(str, (probe.get("exec") or {}).get("command") or ()))
    return f"command {command!r}", ""


def _upstream(state: ContainerState) -> str:
    """Return the address to which nginx passes the backend's probes; empty for a container that is asked directly."""
    if state.field_path != "spec.backend" or "proxy" not in state.spec:
        return ""
    upstream = (state.spec.get("proxy") or {}).get("upstream")
    if isinstance(upstream, str) and upstream.startswith("unix:"):
        return upstream
    return f"127.0.0.1:{_port_number(state, upstream)}"


def _port_number(state: ContainerState, port: Any) -> Any:
    """Return the number of a container's port by name or number; the first port without either."""
    ports = (state.author.get("ports") or ()) or (state.rendered.get("ports") or ())
    if port is None:
        return ports[0].get("containerPort") if ports else "?"
    by_name = {one.get("name"): one.get("containerPort") for one in ports}
    return by_name.get(port, port)


def _status_hint(code: int) -> str:
    hints = {
        400: "The server refuses the request: set the Host header in httpGet.httpHeaders, or correct the scheme",
        401: "The path asks for a login: probe a path that is open",
        403: "The path is forbidden: probe a path that is open",
        404: "The server has no such path: correct httpGet.path",
    }
    server_error = "The program answers with an error: check its output"
    return hints.get(code, server_error if code >= 500 else "Correct httpGet.path")


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")

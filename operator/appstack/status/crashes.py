"""Detector of containers that terminate with an error or repeatedly, by cause."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, NamedTuple

from appstack.api.status import Problem
from appstack.render.source_map import container_entry, container_field_paths
from appstack.status.container_state import ContainerState
from appstack.status.probe_failures import failed_probe

_ADDRESS_IN_USE: Final = re.compile(r"address (?:already )?in use|EADDRINUSE|port is already allocated", re.IGNORECASE)
_PORT: Final = re.compile(r"(?::|\bport[ =:]+)(?P<port>\d{1,5})\b", re.IGNORECASE)


class _Cause(NamedTuple):
    """A cause that the last output of a container names."""

    pattern: str
    reason: str
    field: str  # of the container
    hint: str


_CAUSES: Final = (
    _Cause(
        r"exec format error|cannot execute binary file|wrong ELF class",
        "ExecFormatError",
        "command",
        "The program is for another architecture, or a script lacks its first line #!: build the image for the node's "
        "architecture",
    ),
    _Cause(
        r"read-only file ?system|EROFS",
        "ReadOnlyFileSystem",
        "securityContext.readOnlyRootFilesystem",
        "The file system is read-only: mount an emptyDir volume at the directory that the program writes to",
    ),
    _Cause(
        r"no space left on device|ENOSPC|disk quota exceeded",
        "NoSpaceLeft",
        "volumeMounts",
        "The file system is full: raise the size of the volume, or write less",
    ),
    _Cause(
        r"permission denied(?! for\b)|EACCES|operation not permitted|EPERM",
        "PermissionDenied",
        "securityContext",
        "The container's user may not do this: set spec.pod.securityContext.fsGroup for volumes, listen on a port "
        "above 1023, or run as the user that owns the files (securityContext.runAsUser)",
    ),
)


class CrashLoop:
    """Detect a container that terminates with an error, or repeatedly."""

    HINTS: ClassVar = {
        0: "The process completed: give it a command that keeps running, for example a server in the foreground",
        126: "The command is not executable: check the file's mode and `command`",
        127: "The command was not found: check `command` and `args`",
        137: "The process was killed (SIGKILL): check the memory limit and the liveness probe",
        139: "The process crashed with a segmentation fault (SIGSEGV): check the program",
        143: "The process was terminated (SIGTERM): check the liveness and startup probes",
    }
    COMMAND_CODES: ClassVar = (126, 127)
    DEFAULT_HINT: ClassVar = "Check the last output: kubectl logs --previous -c {container} {pod}"
    OUT_OF_MEMORY: ClassVar = "OOMKilled"
    OUT_OF_MEMORY_HINT: ClassVar = (
        "The container exceeded its memory limit: raise resources.limits.memory, or let the program use less"
    )

    def detect(self, state: ContainerState) -> Problem | None:
        """Return the problem with the exit code and the termination message."""
        if not state.restarting and not state.exit_code:
            return None
        code, cause = state.exit_code, state.terminated.get("reason", "")
        if cause == self.OUT_OF_MEMORY:
            return self._out_of_memory(state)
        killed = failed_probe(state, ("Liveness", "Startup"))
        if killed is not None and _killed_by_probe(state, killed.time):
            return killed.problem(state, killed=True)
        verb = f"exited with code {code}" if code is not None else "ended"
        suffix = f" ({cause})" if cause not in ("", "Error", "Completed") else ""
        message = f"The container {verb}{suffix}"
        named = self._named_cause(state, message)
        if named is not None:
            return named
        reason = "CrashLoopBackOff" if state.restarting else "Error"
        return state.problem(reason, message, hint=self._hint(state), field_path=self._field(state))

    def _out_of_memory(self, state: ContainerState) -> Problem:
        limit = ((state.rendered.get("resources") or {}).get("limits") or {}).get("memory")
        suffix = f" of {limit}" if limit else ""
        has_limit = ((state.author.get("resources") or {}).get("limits") or {}).get("memory")
        field = f"{state.field_path}.resources.limits.memory" if has_limit else ""
        message = f"The container used more memory than its limit{suffix} and was killed (OOMKilled)"
        hint = self.OUT_OF_MEMORY_HINT
        if state.rendered and not limit:
            message, hint = (
                "The container was killed, as the node or the pod ran out of memory (OOMKilled)",
                ("Set resources.requests.memory to the program's need, or let it use less"),
            )
        return state.problem(self.OUT_OF_MEMORY, message, hint=hint, field_path=field)

    def _named_cause(self, state: ContainerState, message: str) -> Problem | None:
        """Return the problem where the last output names its cause; an exit without an error names none."""
        log = state.termination_message
        if not state.exit_code or not log:
            return None
        if _ADDRESS_IN_USE.search(log):
            return _port_in_use(state, message)
        for cause in _CAUSES:
            if re.search(cause.pattern, log, re.IGNORECASE):
                line = _matching_line(log, cause.pattern)
                field = _written_field(state, cause.field)
                return state.problem(cause.reason, f"{message}: {line}", hint=cause.hint, field_path=field)
        return None

    def _hint(self, state: ContainerState) -> str:
        default = self.DEFAULT_HINT.format(container=state.container, pod=state.pod)
        if state.exit_code == 0 and _is_stopped_by_kubelet(state):
            return "The process ended after a failed probe, or completed: check livenessProbe and the command"
        return default if state.exit_code is None else self.HINTS.get(state.exit_code, default)

    def _field(self, state: ContainerState) -> str:
        if state.exit_code not in self.COMMAND_CODES:
            return ""
        return next((f"{state.field_path}.{name}" for name in ("command", "args") if state.author.get(name)), "")


def _is_stopped_by_kubelet(state: ContainerState) -> bool:
    """Return whether the container has a probe after whose failure the kubelet stops it."""
    return any(state.rendered.get(probe) for probe in ("livenessProbe", "startupProbe"))


def _killed_by_probe(state: ContainerState, time: str) -> bool:
    """Return whether a probe failed during the life of the process that terminated last."""
    started = str(state.terminated.get("startedAt") or "")
    return not started or time[:19] >= started[:19]


def _port_in_use(state: ContainerState, message: str) -> Problem:
    """Return the problem of a port that another container of the pod listens on: they share one network namespace."""
    line = _matching_line(state.termination_message, _ADDRESS_IN_USE.pattern)
    found = _PORT.search(line) or _PORT.search(state.termination_message)
    port = int(found["port"]) if found else None
    others = [name for name in _containers_with_port(state, port) if name != state.container] if port else []
    where = f"port {port}" if port else "the port"
    named = f": container {others[0]} uses {where}, too" if others else ""
    return state.problem(
        "PortInUse",
        f"{message}: {line}",
        hint=f"All containers of a pod share its ports{named}; let one of them listen on another port",
        field_path=_port_field(state, port),
    )


def _containers_with_port(state: ContainerState, port: int | None) -> Iterator[str]:
    """Yield the containers that name this port in their ports, probes, environment or command."""
    for name, field in container_field_paths(state.spec).items():
        entry = container_entry(field, state.spec)
        proxy_ports = (entry.get("port", 8080), entry.get("healthPort", 15080)) if name == "proxy" else ()
        has_entry = field != "spec.proxy" or "proxy" in state.spec
        if has_entry and (port in proxy_ports or re.search(rf"\b{port}\b", _text(entry))):
            yield name


def _text(entry: Mapping[str, Any]) -> str:
    relevant = ("command", "args", "env", "ports", "startupProbe", "livenessProbe", "readinessProbe")
    return " ".join(str(entry[name]) for name in relevant if name in entry)


def _port_field(state: ContainerState, port: int | None) -> str:
    ports = state.author.get("ports") or ()
    numbers = [one.get("containerPort") for one in ports]
    return f"{state.field_path}.ports[{numbers.index(port)}].containerPort" if port in numbers else ""


def _matching_line(log: str, pattern: str) -> str:
    return next(line.strip() for line in log.splitlines() if re.search(pattern, line, re.IGNORECASE))


def _written_field(state: ContainerState, name: str) -> str:
    """Return the field of the container if its author wrote it, else the container."""
    value: Any = state.author
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return f"{state.field_path}.{name}" if value is not None and state.field_path else ""

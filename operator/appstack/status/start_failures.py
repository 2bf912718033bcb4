"""Detectors of containers that cannot start: preparations of AppStack that fail, commands and references that fail."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from appstack.api.status import Problem
from appstack.k8s.metadata import RESERVED_PREFIX
from appstack.render import paths
from appstack.status.container_state import ContainerState
from appstack.status.detection import missing_object

_START_CAUSES: Final[tuple[tuple[str, str, str], ...]] = (
    (
        r"executable file not found",
        "command",
        "The image has no such program: correct the command, or install the program in the image",
    ),
    (
        r"exec format error",
        "image",
        "The program is for another architecture, or a script lacks its first line #!: build the image for the node's "
        "architecture",
    ),
    (
        r"chdir to cwd|mkdir .*cwd",
        "workingDir",
        "The working directory does not exist or may not be entered by the user: correct workingDir",
    ),
    (r"unable to find (user|group)|no matching entries in passwd", "securityContext", "The image has no such user"),
    (
        r"error mounting|not a directory|are you trying to mount a directory|create mountpoint|read-only file system",
        "volumeMounts",
        "A mount does not fit the image's file system: mount a file onto a file, a directory onto a directory, and "
        "create mount points in read-only volumes",
    ),
    (
        r"permission denied",
        "command",
        "The program is not executable for the container's user: set the file's mode in the image (chmod +x)",
    ),
    (r"no such file or directory", "command", "The image has no such file: correct the command"),
)
"""Patterns of the runtime's message, the field of the container, and the hint; the most specific first."""


class NginxConfigRefused:
    """Detect an nginx configuration that `nginx -t` refuses: the new pod does not start, and the old pods stay."""

    CONTAINER: ClassVar = f"{RESERVED_PREFIX}nginx-check"
    ERROR_LINE: ClassVar = re.compile(r"(\[(?:emerg|alert|crit)\] )(?:\d+#\d+: )?(.*)")
    LOCATION: ClassVar = re.compile(r" in (?P<file>/\S+):(?P<line>\d+)\s*$")
    UNRESOLVED: ClassVar = re.compile(r'host not found in upstream "(?P<host>[^":]+)')
    PROXY_FIELDS: ClassVar = {
        paths.HTTP_CONF: "httpSnippet",
        paths.USER_CONF: "serverSnippet",
        paths.STATIC_CONF: "static",
    }

    def detect(self, state: ContainerState) -> Problem | None:
        """Return nginx's own error line with the field that holds the refused text."""
        if state.container != self.CONTAINER or not state.exit_code:
            return None
        errors = self.ERROR_LINE.findall(state.termination_message)
        message = "".join(errors[0]).strip() if errors else "nginx -t refused the configuration"
        location = self.LOCATION.search(message)
        unresolved = self.UNRESOLVED.search(message)
        field_path = self._field_path(location["file"] if location else "", state.spec)
        hint = f"Correct {field_path}"
        if paths.TLS_DIR in message:
            field_path = "spec.proxy.tls.secretName"
            hint = "Correct the Secret: it must contain tls.crt and the matching tls.key"
        elif unresolved:
            field_path = self._route(unresolved["host"], state.spec) or field_path
            hint = f"Create the Service {unresolved['host']!r}, or correct {field_path}"
        elif location:
            hint = f"Correct line {location['line']} of {location['file']}, which comes from {field_path}"
        return state.problem(
            "NginxConfigRefused",
            message,
            hint=f"{hint}; pods of the old revision keep running",
            field_path=field_path,
        )

    def _route(self, host: str, spec: Mapping[str, Any]) -> str:
        """Return the field of the route to a Service; empty without such a route."""
        routes = (spec.get("proxy") or {}).get("routes") or ()
        names = [(route.get("service") or {}).get("name") for route in routes]
        return f"spec.proxy.routes[{names.index(host)}].service" if host in names else ""

    def _field_path(self, file: str, spec: Mapping[str, Any]) -> str:
        # An error without a location concerns the whole configuration: the author's own, if there is one.
        default = "config" if "config" in (spec.get("proxy") or {}) and file in ("", paths.NGINX_CONF) else ""
        name = self.PROXY_FIELDS.get(file, default)
        return f"spec.proxy.{name}" if name else "spec.proxy"


class StaticCopyFailed:
    """Detect an init container that fails to copy static files out of the backend's image."""

    CONTAINER_PREFIX: ClassVar = f"{RESERVED_PREFIX}static-"
    HINT: ClassVar = (
        "Files are copied with `cp`: check that the backend's image contains `cp` and the directory in `from`"
    )

    def detect(self, state: ContainerState) -> Problem | None:
        """Return the problem with the error of `cp`, or of the runtime where the image has no `cp`."""
        if not state.container.startswith(self.CONTAINER_PREFIX) or not (state.exit_code or state.start_error):
            return None
        message = state.start_error or state.termination_message or f"The copy exited with code {state.exit_code}"
        return state.problem("StaticCopyFailed", message, hint=self.HINT, field_path=f"{state.field_path}.from")


class ContainerStartFailed:
    """Detect a container that the runtime cannot start: its command, or an object that it refers to, does not exist."""

    HINTS: ClassVar = {
        "CreateContainerConfigError": "Create the ConfigMap, Secret or key that the message names, or mark it optional",
        "CreateContainerError": "Correct the field that the message names",
        "RunContainerError": "Check that `command` names an executable file of the image",
        "PreStartHookError": "Correct the field that the message names",
        "PostStartHookError": "Correct the command of lifecycle.postStart",
    }
    RUNS_AS_ROOT: ClassVar = re.compile(r"runAsNonRoot and image (will run as root|has non-numeric user)")
    PREFIX: ClassVar = re.compile(r"^.*?OCI runtime create failed: runc create failed: ", re.DOTALL)

    def detect(self, state: ContainerState) -> Problem | None:
        """Return the problem with the runtime's message: the same during an attempt and during the back-off."""
        if state.start_error:
            return self._start_error(state, "RunContainerError", state.start_error)
        reason = state.waiting.get("reason", "")
        if reason not in self.HINTS:
            return None
        message = state.waiting.get("message") or "The container cannot start"
        if reason == "CreateContainerConfigError":
            return self._configuration_error(state, message)
        if reason in ("CreateContainerError", "RunContainerError"):
            return self._start_error(state, reason, message)
        field = f"{state.field_path}.lifecycle.postStart" if reason == "PostStartHookError" else ""
        return state.problem(reason, message, hint=self.HINTS[reason], field_path=field)

    def _configuration_error(self, state: ContainerState, message: str) -> Problem:
        reason = "CreateContainerConfigError"
        missing = missing_object(message, state.spec, state.field_path)
        if missing is not None:
            return state.problem(reason, message, hint=missing.hint, field_path=missing.field)
        if self.RUNS_AS_ROOT.search(message):
            hint = "Set securityContext.runAsUser to a number other than 0, or build the image with a numeric USER"
            return state.problem(reason, message, hint=hint, field_path=_run_as_non_root_field(state))
        return state.problem(reason, message, hint=self.HINTS[reason])

    def _start_error(self, state: ContainerState, reason: str, message: str) -> Problem:
        for pattern, name, hint in _START_CAUSES:
            if re.search(pattern, message):
                return state.problem(
                    reason, self.PREFIX.sub("", message), hint=hint, field_path=_author_field(state, name)
                )
        return state.problem(reason, message, hint=self.HINTS[reason])


def _author_field(state: ContainerState, name: str) -> str:
    """Return the container's field of this name where its author wrote it, else the container."""
    names = ("command", "args") if name == "command" else (name,)
    written = next((each for each in names if state.author.get(each)), "")
    if written or not state.field_path:
        return f"{state.field_path}.{written}" if state.field_path else ""
    backend = state.spec.get("backend") or {}
    if name in ("image", "workingDir", "securityContext", "volumeMounts") and "image" not in state.author:
        return f"spec.backend.{name}" if backend.get(name) else state.field_path
    return state.field_path


def _run_as_non_root_field(state: ContainerState) -> str:
    own = state.author.get("securityContext") or {}
    if "runAsNonRoot" in own:
        return f"{state.field_path}.securityContext.runAsNonRoot"
    pod = (state.spec.get("pod") or {}).get("securityContext") or {}
    if "runAsNonRoot" in pod:
        return "spec.pod.securityContext.runAsNonRoot"
    return "spec.podSecurity" if state.spec.get("podSecurity") else f"{state.field_path}.securityContext"

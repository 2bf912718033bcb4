"""State of each container of a pod, as the detectors of diagnostics.py read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from appstack.api.status import MAX_LOG_CHARACTERS, Problem
from appstack.k8s.observed import Child
from appstack.k8s.text import escape_controls, truncate
from appstack.render.source_map import container_field_path, container_field_paths

_HANDLER_REASONS: Final = ("PostStartHookError", "PreStartHookError")
_STATUS_FIELDS: Final = ("initContainerStatuses", "containerStatuses")

RESTART_STABLE_SECONDS: Final = 10.0
"""Seconds for which a restarted container must run until its last termination stops counting as a problem."""


@dataclass(frozen=True, slots=True)
class ContainerState:
    """State of one container of one pod, reduced to the fields that detectors read."""

    pod: str
    container: str
    field_path: str  # the field of the AppStack that defines the container
    spec: Mapping[str, Any]  # the AppStack's spec, without defaults
    waiting: Mapping[str, Any] = field(default_factory=dict)
    terminated: Mapping[str, Any] = field(default_factory=dict)  # the last termination, unless the container is stable
    termination_message: str = ""
    restarting: bool = False  # it terminates repeatedly, whichever state the kubelet reports now

    @property
    def exit_code(self) -> int | None:
        """Return the exit code of the last termination."""
        return self.terminated.get("exitCode")

    @property
    def start_error(self) -> str:
        """Return the runtime's message where it could not start the command; empty otherwise."""
        if self.waiting.get("reason") == "RunContainerError":
            return str(self.waiting.get("message") or "The command cannot be started")
        return self.termination_message if self.terminated.get("reason") in ("StartError", "ContainerCannotRun") else ""

    def _log(self) -> str:
        """Return the last lines of the container's output."""
        return escape_controls(self.termination_message, multiline=True)[-MAX_LOG_CHARACTERS:]

    def problem(self, reason: str, message: str, *, hint: str, field_path: str = "") -> Problem:
        """Return a problem of this container, with texts cut to the limits of the CRD."""
        return Problem(
            pod=self.pod,
            container=self.container,
            reason=reason,
            exit_code=self.exit_code,
            message=truncate(message),
            log="" if self.termination_message == message else self._log(),
            field=field_path or self.field_path,
            hint=hint,
        )


def container_states(
    spec: Mapping[str, Any], pod: Child, *, now: str, has_output: bool = True
) -> Iterable[ContainerState]:
    """Yield the states of a pod's containers in the order in which they start, with or without their output."""
    field_paths = container_field_paths(spec)
    for key in _STATUS_FIELDS:
        statuses: Iterable[Mapping[str, Any]] = pod.status.get(key) or ()
        for status in statuses if has_output else map(without_output, statuses):
            name = status["name"]
            long_running = name in field_paths and not field_paths[name].startswith("spec.initContainers")
            yield _container_state(
                status,
                pod=pod.ref.name,
                field_path=container_field_path(name, spec),
                spec=spec,
                long_running=long_running,
                now=now,
            )


def _container_state(
    status: Mapping[str, Any], *, pod: str, field_path: str, spec: Mapping[str, Any], long_running: bool, now: str
) -> ContainerState:
    """Return the state of a container; every termination of a long-running one counts, even with exit code 0."""
    state = status.get("state") or {}
    waiting = state.get("waiting") or {}
    unstable = bool(waiting) or _has_just_restarted(status, now)
    last = (status.get("lastState") or {}).get("terminated") if unstable else None
    terminated = state.get("terminated") or last or {}
    restarted = bool(terminated) and status.get("restartCount", 0) > 0
    return ContainerState(
        pod=pod,
        container=status["name"],
        field_path=field_path,
        spec=spec,
        waiting=waiting,
        terminated=terminated,
        termination_message=str(terminated.get("message") or "").strip(),
        restarting=waiting.get("reason") == "CrashLoopBackOff"
        or (restarted and (long_running or terminated["exitCode"] != 0)),
    )


def without_output(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return a container status without the messages that can contain the output of the container."""
    return {**status, "state": _without_messages(status), "lastState": _without_messages(status, "lastState")}


def _without_messages(status: Mapping[str, Any], name: str = "state") -> dict[str, Any]:
    """Return a state of a container: a termination message, and that of a failed lifecycle handler, are output."""
    state = dict(status.get(name) or {})
    if "terminated" in state:
        state["terminated"] = {key: value for key, value in state["terminated"].items() if key != "message"}
    if (state.get("waiting") or {}).get("reason") in _HANDLER_REASONS:
        state["waiting"] = {"reason": state["waiting"]["reason"]}
    return state


def is_restarting(pods: Iterable[Child], *, now: str) -> bool:
    """Return whether a container restarted less than SETTLED_SECONDS before `now`; its problem may end soon."""
    statuses = (status for pod in pods for key in _STATUS_FIELDS for status in pod.status.get(key) or ())
    return any(_has_just_restarted(status, now) for status in statuses)


def _has_just_restarted(status: Mapping[str, Any], now: str) -> bool:
    started = ((status.get("state") or {}).get("running") or {}).get("startedAt")
    if not started or not status.get("restartCount"):
        return False
    return (datetime.fromisoformat(now) - datetime.fromisoformat(started)).total_seconds() < RESTART_STABLE_SECONDS

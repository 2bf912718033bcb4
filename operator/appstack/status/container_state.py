"""State of each container of a pod, as the detectors of diagnostics.py read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from appstack.api.status import MAX_LOG_CHARACTERS, Problem
from appstack.k8s.observed import Child, WarningEvent
from appstack.k8s.text import escape_controls, seconds_between, truncate
from appstack.render.source_map import container_entry, container_field_path, container_field_paths

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
    rendered: Mapping[str, Any] = field(default_factory=dict)  # the container as rendered; empty if the spec is invalid
    waiting: Mapping[str, Any] = field(default_factory=dict)
    running: Mapping[str, Any] = field(default_factory=dict)
    terminated: Mapping[str, Any] = field(default_factory=dict)  # the last termination, unless the container is stable
    termination_message: str = ""
    restarting: bool = False  # it terminates repeatedly, whichever state the kubelet reports now
    started: bool = False  # its startup probe has succeeded, or it has none
    ready: bool = False
    long_running: bool = False  # every termination counts, even with exit code 0
    blocks_others: bool = False  # an init container that must complete
    warnings: tuple[WarningEvent, ...] = ()  # Events about the container, the latest first
    has_output: bool = True  # problems may contain text that the container has written
    now: str = ""

    @property
    def author(self) -> Mapping[str, Any]:
        """Return the container as the author wrote it; empty for a container that AppStack adds."""
        return container_entry(self.field_path, self.spec)

    def seconds_since(self, time: str) -> float:
        """Return the seconds from a time until now."""
        return seconds_between(time, self.now)

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
    spec: Mapping[str, Any],
    pod: Child,
    *,
    now: str,
    template: Mapping[str, Any] = MappingProxyType({}),
    warnings: Iterable[WarningEvent] = (),
    has_output: bool = True,
) -> Iterable[ContainerState]:
    """Yield the states of a pod's containers in the order in which they start.

    `template` is the rendered pod template; `warnings` are the Events about the pod. Without `has_output`, no state has
    text that a container has written.
    """
    field_paths = container_field_paths(spec)
    pod_spec = template.get("spec") or {}
    rendered = {one["name"]: one for key in ("initContainers", "containers") for one in pod_spec.get(key) or ()}
    by_container: dict[str, list[WarningEvent]] = {}
    for event in warnings:
        by_container.setdefault(event.container, []).append(event)
    for key in _STATUS_FIELDS:
        statuses: Iterable[Mapping[str, Any]] = pod.status.get(key) or ()
        for status in statuses if has_output else map(without_output, statuses):
            name = status["name"]
            container = rendered.get(name, {})
            is_init = field_paths.get(name, "").startswith("spec.initContainers")
            yield _container_state(
                status,
                ContainerState(
                    pod=pod.ref.name,
                    container=name,
                    field_path=container_field_path(name, spec),
                    spec=spec,
                    rendered=container,
                    long_running=name in field_paths and (not is_init or container.get("restartPolicy") == "Always"),
                    warnings=tuple(by_container.get(name, ())),
                    blocks_others=key == "initContainerStatuses" and container.get("restartPolicy") != "Always",
                    now=now,
                    has_output=has_output,
                ),
            )


def _container_state(status: Mapping[str, Any], known: ContainerState) -> ContainerState:
    """Return the state of a container with what the kubelet reports of it."""
    state = status.get("state") or {}
    waiting = state.get("waiting") or {}
    unstable = bool(waiting) or _has_just_restarted(status, known.now)
    last = (status.get("lastState") or {}).get("terminated") if unstable else None
    terminated = state.get("terminated") or last or {}
    restarted = bool(terminated) and status.get("restartCount", 0) > 0
    return replace(
        known,
        waiting=waiting,
        running=state.get("running") or {},
        terminated=terminated,
        termination_message=str(terminated.get("message") or "").strip(),
        restarting=waiting.get("reason") == "CrashLoopBackOff"
        or (restarted and (known.long_running or terminated["exitCode"] != 0)),
        started=bool(status.get("started")),
        ready=bool(status.get("ready")),
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
    return seconds_between(started, now) < RESTART_STABLE_SECONDS

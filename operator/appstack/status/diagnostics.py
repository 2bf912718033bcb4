"""Diagnostics of a stack's pods: one detector per kind of problem, with the field to correct and a hint.

To add a kind of problem, write a Detector and insert it into DETECTORS by likelihood of its cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, Protocol

from appstack.api.status import MAX_PROBLEMS, Problem
from appstack.k8s.metadata import RESERVED_PREFIX
from appstack.k8s.observed import Child
from appstack.k8s.text import truncate
from appstack.render import paths
from appstack.status.container_state import ContainerState, container_states


class Detector(Protocol):
    """Detector of one kind of problem."""

    def detect(self, state: ContainerState) -> Problem | None:
        """Return the problem if the container has it, else None."""


class NginxConfigRefused:
    """Detect an nginx configuration that `nginx -t` refuses: the new pod does not start, and the old pods stay."""

    CONTAINER: ClassVar = f"{RESERVED_PREFIX}nginx-check"
    ERROR_LINE: ClassVar = re.compile(r"(\[(?:emerg|alert|crit)\] )(?:\d+#\d+: )?(.*)")
    LOCATION: ClassVar = re.compile(r" in (?P<file>/\S+):(?P<line>\d+)\s*$")
    PROXY_FIELDS: ClassVar = {
        paths.USER_CONF: "server",
        paths.STATIC_CONF: "static",
    }

    def detect(self, state: ContainerState) -> Problem | None:
        """Return nginx's own error line with the field that holds the refused text."""
        if state.container != self.CONTAINER or not state.exit_code:
            return None
        errors = self.ERROR_LINE.findall(state.termination_message)
        message = "".join(errors[0]).strip() if errors else "nginx -t refused the configuration"
        location = self.LOCATION.search(message)
        field_path = self._field_path(location["file"] if location else "", state.spec)
        hint = f"Correct {field_path}"
        if location:
            hint = f"Correct line {location['line']} of {location['file']}, which comes from {field_path}"
        return state.problem(
            "NginxConfigRefused",
            message,
            hint=f"{hint}; pods of the old revision keep running",
            field_path=field_path,
        )

    def _field_path(self, file: str, spec: Mapping[str, Any]) -> str:
        # An error without a location concerns the whole configuration: the author's own, if there is one.
        default = "config" if "config" in (spec.get("proxy") or {}) and file in ("", paths.NGINX_CONF) else ""
        name = self.PROXY_FIELDS.get(file, default)
        return f"spec.proxy.{name}" if name else "spec.proxy"


class ImagePullFailed:
    """Detect a container that waits for an image that the node does not have."""

    HINTS: ClassVar = {
        "InvalidImageName": "Correct the image name",
        "ErrImageNeverPull": "The image is not on the node and imagePullPolicy is Never: load it, or change the policy",
        "ErrImagePull": "",
        "ImagePullBackOff": "",
        "ImageInspectError": "",
        "RegistryUnavailable": "The registry does not answer; the kubelet retries",
    }
    BACK_OFF_PREFIX: ClassVar = re.compile(r'^Back-off pulling image "[^"]*"(: ErrImagePull: )?')
    DEFAULT_HINT: ClassVar = (
        "Check the image's name and tag, the node's access to the registry, and imagePullSecrets of a private registry"
    )

    def detect(self, state: ContainerState) -> Problem | None:
        """Return the problem with the runtime's message: the same during an attempt and during the back-off."""
        reason = state.waiting.get("reason", "")
        if reason not in self.HINTS:
            return None
        message = self.BACK_OFF_PREFIX.sub("", state.waiting.get("message", "")) or "The image cannot be pulled"
        field_path = f"{state.field_path}.image" if state.field_path else ""
        stable_reason = "ImagePullBackOff" if reason == "ErrImagePull" else reason
        return state.problem(
            stable_reason, message, hint=self.HINTS[reason] or self.DEFAULT_HINT, field_path=field_path
        )


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
        return state.problem("StaticCopyFailed", message, hint=self.HINT)


class ContainerStartFailed:
    """Detect a container that the runtime cannot start: its command, or an object that it refers to, does not exist."""

    HINTS: ClassVar = {
        "CreateContainerConfigError": "Create the ConfigMap, Secret or key that the message names, or mark it optional",
        "CreateContainerError": "Correct the field that the message names",
        "RunContainerError": "Check that `command` names an executable file of the image",
        "PreStartHookError": "Correct the field that the message names",
        "PostStartHookError": "Correct the command of lifecycle.postStart",
    }

    def detect(self, state: ContainerState) -> Problem | None:
        """Return the problem with the runtime's message: the same during an attempt and during the back-off."""
        if state.start_error:
            return state.problem("RunContainerError", state.start_error, hint=self.HINTS["RunContainerError"])
        reason = state.waiting.get("reason", "")
        if reason not in self.HINTS:
            return None
        message = state.waiting.get("message") or "The container cannot start"
        return state.problem(reason, message, hint=self.HINTS[reason])


class CrashLoop:
    """Detect a container that terminates with an error, or repeatedly."""

    HINTS: ClassVar = {
        0: "The process completed: give it a command that keeps running, for example a server in the foreground",
        126: "The command is not executable: check the file's mode and `command`",
        127: "The command was not found: check `command` and `args`",
        137: "The process was killed: check the memory limit and the liveness probe",
        139: "The process crashed with a segmentation fault (SIGSEGV): check the program",
        143: "The process was terminated (SIGTERM): check the liveness and startup probes",
    }
    DEFAULT_HINT: ClassVar = "Check the last output: kubectl logs --previous -c {container} {pod}"
    OUT_OF_MEMORY: ClassVar = "OOMKilled"
    OUT_OF_MEMORY_HINT: ClassVar = "The container exceeded its memory limit: raise resources.limits.memory"

    def detect(self, state: ContainerState) -> Problem | None:
        """Return the problem with the exit code and the termination message."""
        if not state.restarting and not state.exit_code:
            return None
        code, cause = state.exit_code, state.terminated.get("reason", "")
        verb = f"exited with code {code}" if code is not None else "ended"
        suffix = f" ({cause})" if cause not in ("", "Error", "Completed") else ""
        default = "CrashLoopBackOff" if state.restarting else "Error"
        reason = cause if cause == self.OUT_OF_MEMORY else default
        return state.problem(reason, f"The container {verb}{suffix}", hint=self._hint(state))

    def _hint(self, state: ContainerState) -> str:
        if state.terminated.get("reason") == self.OUT_OF_MEMORY:
            return self.OUT_OF_MEMORY_HINT
        default = self.DEFAULT_HINT.format(container=state.container, pod=state.pod)
        return default if state.exit_code is None else self.HINTS.get(state.exit_code, default)


DETECTORS: Final[tuple[Detector, ...]] = (
    NginxConfigRefused(),
    ImagePullFailed(),
    StaticCopyFailed(),
    ContainerStartFailed(),
    CrashLoop(),
)
"""All detectors, the likeliest cause first; a container has the problem of the first detector that finds one."""


_REASONS_WITHOUT_OUTPUT: Final = frozenset(
    {"CrashLoopBackOff", "Error", CrashLoop.OUT_OF_MEMORY, "Unschedulable", "JobFailed", *ImagePullFailed.HINTS}
)
"""Reasons of problems with messages that never repeat the output of a container."""


def diagnose(
    spec: Mapping[str, Any], pods: Iterable[Child], *, now: str, failed: str = "", has_output: bool = True
) -> tuple[Problem, ...]:
    """Return the problems of pods, the likeliest cause first; a problem that several pods share is returned once.

    A failed pod counts only if it belongs to the failed Job or Pod with the uid `failed`. `now` is a timestamp. Without
    `has_output`, no problem contains text that a container has written.
    """
    found: dict[tuple[object, ...], tuple[int, int, Problem]] = {}
    for pod in sorted(pods, key=lambda pod: pod.ref.name):
        if pod.deleting or _is_finished(pod, failed):
            continue
        results = [_detect(state) for state in container_states(spec, pod, now=now, has_output=has_output)]
        for position, result in enumerate([*results, _unschedulable(pod)]):
            if result is not None:
                rank, problem = result
                identity = (problem.container, problem.reason, problem.exit_code, problem.field)
                found.setdefault(identity, (rank, position, problem))
    ordered = sorted(found.values(), key=lambda entry: (entry[0], entry[1], entry[2].pod))
    return tuple(problem for _, _, problem in ordered[:MAX_PROBLEMS])


def without_output(problem: Problem) -> Problem:
    """Return a recorded problem without text that a container may have written."""
    message = problem.message if problem.reason in _REASONS_WITHOUT_OUTPUT else "The container failed"
    return problem.model_copy(update={"log": "", "message": message})


def _is_finished(pod: Child, failed: str) -> bool:
    """Return whether a pod has finished, other than the failed pods of the failed run, which explain the failure."""
    of_failed_run = bool(failed) and failed in (pod.uid, pod.owner_uid)
    return pod.status.get("phase") in (("Succeeded",) if of_failed_run else ("Succeeded", "Failed"))


def _unschedulable(pod: Child) -> tuple[int, Problem] | None:
    """Return the problem of an unschedulable pod with the scheduler's message; it ranks last."""
    pending = pod.status.get("phase", "Pending") == "Pending"
    for condition in (pending and pod.status.get("conditions")) or ():
        identity = (condition.get("type"), condition.get("status"), condition.get("reason"))
        if identity == ("PodScheduled", "False", "Unschedulable"):
            hint = "Check resources.requests, PersistentVolumeClaims, and the scheduling fields of spec.pod"
            message = truncate(condition.get("message") or "No node accepts the pod")
            return len(DETECTORS), Problem(pod=pod.ref.name, reason="Unschedulable", message=message, hint=hint)
    return None


def _detect(state: ContainerState) -> tuple[int, Problem] | None:
    for rank, detector in enumerate(DETECTORS):
        problem = detector.detect(state)
        if problem is not None:
            return rank, problem
    return None

"""What is wrong with a stack's pods, in the words of its author: one class per kind of problem. PURE.

A new kind is a class with `look` and its place in `KINDS`, where the likelier cause stands first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, Protocol

from appstack.api.status import MAX_LOG, MAX_PROBLEMS, Problem
from appstack.k8s.metadata import RESERVED_PREFIX
from appstack.k8s.observed import Child
from appstack.k8s.text import truncate
from appstack.render import paths
from appstack.status.source_map import by_container, of_container


@dataclass(frozen=True, slots=True)
class Seen:
    """One container of one pod: its state, cut to what the kinds below look at."""

    pod: str
    container: str
    at: str  # the field of the AppStack that holds it
    spec: Mapping[str, Any]  # the AppStack's spec, as its author wrote it
    waiting: Mapping[str, Any] = field(default_factory=dict)
    ended: Mapping[str, Any] = field(default_factory=dict)  # how it last ended, when it isn't running now
    last_words: str = ""
    again: bool = False  # it is started again and again, whatever the kubelet calls it at the moment

    @property
    def exit_code(self) -> int | None:
        """What the container's process last ended with."""
        return self.ended.get("exitCode")

    @property
    def unstartable(self) -> str:
        """What the runtime said when it could not start the command; empty when it could."""
        if self.waiting.get("reason") == "RunContainerError":
            return str(self.waiting.get("message") or "The command can't be started")
        return self.last_words if self.ended.get("reason") in ("StartError", "ContainerCannotRun") else ""

    def problem(self, reason: str, message: str, *, hint: str, at: str = "") -> Problem:
        """Return a problem of this container; every text is cut to its bound."""
        return Problem(
            pod=self.pod,
            container=self.container,
            reason=reason,
            exit_code=self.exit_code,
            message=truncate(message),
            log="" if self.last_words == message else self.last_words[-MAX_LOG:],
            field=at or self.at,
            hint=hint,
        )


class Kind(Protocol):
    """A kind of problem."""

    def look(self, seen: Seen) -> Problem | None:
        """Return the problem when the container has it."""


class RefusedNginxConfig:
    """`nginx -t` refused the configuration: the pod does not start, and the old pods go on."""

    CONTAINER: ClassVar = f"{RESERVED_PREFIX}nginx-check"
    LINE: ClassVar = re.compile(r"(\[(?:emerg|alert|crit)\] )(?:\d+#\d+: )?(.*)")
    PLACE: ClassVar = re.compile(r" in (?P<file>/\S+):(?P<line>\d+)\s*$")
    FIELDS: ClassVar = {
        paths.USER_CONF: "server",
        paths.STATIC_CONF: "static",
    }

    def look(self, seen: Seen) -> Problem | None:
        """Return nginx's own line with the field that holds the text."""
        if seen.container != self.CONTAINER or not seen.exit_code:
            return None
        found = self.LINE.findall(seen.last_words)
        said = "".join(found[0]).strip() if found else "nginx -t refused the configuration"
        place = self.PLACE.search(said)
        at = self._field(place["file"] if place else "", seen.spec)
        where = f"line {place['line']} of {place['file']}, which comes from {at}" if place else at
        return seen.problem("NginxConfigRefused", said, hint=f"Correct {where}; pods of a former revision go on", at=at)

    def _field(self, file: str, spec: Mapping[str, Any]) -> str:
        # Without a place in it the complaint is about the whole, and that is the author's where they wrote one.
        own = "config" if "config" in (spec.get("proxy") or {}) and file in ("", paths.NGINX_CONF) else ""
        name = self.FIELDS.get(file, own)
        return f"spec.proxy.{name}" if name else "spec.proxy"


class ImagePull:
    """The node has no image for the container."""

    HINTS: ClassVar = {
        "InvalidImageName": "Correct the image's name",
        "ErrImageNeverPull": "The node lacks it and may not pull it: load it or change imagePullPolicy",
        "ErrImagePull": "",
        "ImagePullBackOff": "",
        "ImageInspectError": "",
        "RegistryUnavailable": "The registry does not answer: it is tried again",
    }
    BACK_OFF: ClassVar = re.compile(r'^Back-off pulling image "[^"]*"(: ErrImagePull: )?')
    USUAL: ClassVar = "Check name and tag, whether the node reaches the registry, and imagePullSecrets if it is private"

    def look(self, seen: Seen) -> Problem | None:
        """Return the problem with what the runtime said: the same while it is tried and while it waits."""
        reason = seen.waiting.get("reason", "")
        if reason not in self.HINTS:
            return None
        said = self.BACK_OFF.sub("", seen.waiting.get("message", "")) or "The image can't be pulled"
        at = f"{seen.at}.image" if seen.at else ""
        shown = "ImagePullBackOff" if reason == "ErrImagePull" else reason
        return seen.problem(shown, said, hint=self.HINTS[reason] or self.USUAL, at=at)


class FailedCopy:
    """Files can't be copied out of the backend's image."""

    CONTAINER: ClassVar = f"{RESERVED_PREFIX}static-"
    HINT: ClassVar = "Files are copied with `cp`: check that the backend's image has it, and the directory in `from`"

    def look(self, seen: Seen) -> Problem | None:
        """Return the problem with what `cp`, or the runtime that did not find it, said."""
        if not seen.container.startswith(self.CONTAINER) or not (seen.exit_code or seen.unstartable):
            return None
        said = seen.unstartable or seen.last_words or f"The copy exited with code {seen.exit_code}"
        return seen.problem("StaticCopyFailed", said, hint=self.HINT)


class CannotStart:
    """The runtime can't make the container: something that it refers to, or its command, does not exist."""

    HINTS: ClassVar = {
        "CreateContainerConfigError": "Make the ConfigMap, Secret or key that it names, or mark it optional",
        "CreateContainerError": "Correct what the message names",
        "RunContainerError": "Check that `command` names a file that the image has and that may be executed",
        "PreStartHookError": "Correct what the message names",
        "PostStartHookError": "Correct the command of lifecycle.postStart",
    }

    def look(self, seen: Seen) -> Problem | None:
        """Return the problem with what the runtime said: the same while it is tried and while it waits."""
        if seen.unstartable:
            return seen.problem("RunContainerError", seen.unstartable, hint=self.HINTS["RunContainerError"])
        reason = seen.waiting.get("reason", "")
        if reason not in self.HINTS:
            return None
        said = seen.waiting.get("message") or "The container can't start"
        return seen.problem(reason, said, hint=self.HINTS[reason])


class CrashLoop:
    """The container ends again and again."""

    HINTS: ClassVar = {
        0: "It completed: give it a command that goes on, for example a server in the foreground",
        126: "Its command may not be executed: check the file's mode and `command`",
        127: "Its command was not found: check `command` and `args`",
        137: "It was killed: look for too small a memory limit, or a failing liveness probe",
        139: "It crashed on memory (SIGSEGV): look at the program itself",
        143: "It was told to end: look for a failing liveness or startup probe",
    }
    OTHER: ClassVar = "Look at what it said last: kubectl logs --previous -c {container} {pod}"
    OUT_OF_MEMORY: ClassVar = "OOMKilled"
    MEMORY: ClassVar = "It used more memory than it may: raise resources.limits.memory"

    def look(self, seen: Seen) -> Problem | None:
        """Return the problem with its exit code and last words."""
        if not seen.again and not seen.exit_code:
            return None
        code, why = seen.exit_code, seen.ended.get("reason", "")
        how = f"exited with code {code}" if code is not None else "ended"
        named = f" ({why})" if why not in ("", "Error", "Completed") else ""
        again = "CrashLoopBackOff" if seen.again else "Error"
        reason = why if why == self.OUT_OF_MEMORY else again
        return seen.problem(reason, f"The container {how}{named}", hint=self._hint(seen))

    def _hint(self, seen: Seen) -> str:
        if seen.ended.get("reason") == self.OUT_OF_MEMORY:
            return self.MEMORY
        other = self.OTHER.format(container=seen.container, pod=seen.pod)
        return other if seen.exit_code is None else self.HINTS.get(seen.exit_code, other)


KINDS: tuple[Kind, ...] = (
    RefusedNginxConfig(),
    ImagePull(),
    FailedCopy(),
    CannotStart(),
    CrashLoop(),
)
"""Every kind, the likeliest cause first; a container has the first that fits."""


_STATUSES = ("initContainerStatuses", "containerStatuses")


SETTLED: Final = 10.0
"""Seconds for which a container that was started again must run until its last end is forgiven."""


def restarting(pods: Iterable[Child], *, now: str) -> bool:
    """Tell whether a container was started again just now: worth a look once it has settled."""
    statuses = (status for pod in pods for key in _STATUSES for status in pod.status.get(key) or ())
    return any(_just_restarted(status, now) for status in statuses)


def _just_restarted(status: Mapping[str, Any], now: str) -> bool:
    started = ((status.get("state") or {}).get("running") or {}).get("startedAt")
    if not started or not status.get("restartCount"):
        return False
    return (datetime.fromisoformat(now) - datetime.fromisoformat(started)).total_seconds() < SETTLED


def problems(spec: Mapping[str, Any], pods: Iterable[Child], *, now: str, failed: str = "") -> tuple[Problem, ...]:
    """Return what is wrong: the likeliest first, one entry for what several pods have in common.

    A pod that is over tells only why the Job or Pod of the uid `failed` came to no good end.
    """
    found: dict[tuple[object, ...], tuple[int, int, Problem]] = {}
    for pod in sorted(pods, key=lambda pod: pod.ref.name):
        if pod.deleting or _silent(pod, failed):
            continue
        ranks = [_first(seen) for seen in _containers(spec, pod, now=now)]
        for place, ranked in enumerate([*ranks, _unschedulable(pod)]):
            if ranked is not None:
                rank, problem = ranked
                common = (problem.container, problem.reason, problem.exit_code, problem.field)
                found.setdefault(common, (rank, place, problem))
    ordered = sorted(found.values(), key=lambda entry: (entry[0], entry[1], entry[2].pod))
    return tuple(problem for _, _, problem in ordered[:MAX_PROBLEMS])


def _silent(pod: Child, failed: str) -> bool:
    tells = bool(failed) and failed in (pod.uid, pod.owner_uid)
    over = ("Succeeded",) if tells else ("Succeeded", "Failed")  # another is at work
    return pod.status.get("phase") in over


def _unschedulable(pod: Child) -> tuple[int, Problem] | None:
    """Return that no node takes the pod, in the scheduler's own words."""
    waits = pod.status.get("phase", "Pending") == "Pending"
    for one in (waits and pod.status.get("conditions")) or ():
        if (one.get("type"), one.get("status"), one.get("reason")) == ("PodScheduled", "False", "Unschedulable"):
            hint = "Look at what the pod asks for: resources.requests, claims, and in spec.pod where it may run"
            message = truncate(one.get("message") or "No node takes the pod")
            return len(KINDS), Problem(pod=pod.ref.name, reason="Unschedulable", message=message, hint=hint)
    return None


def _first(seen: Seen) -> tuple[int, Problem] | None:
    for rank, kind in enumerate(KINDS):
        problem = kind.look(seen)
        if problem is not None:
            return rank, problem
    return None


def _containers(spec: Mapping[str, Any], pod: Child, *, now: str) -> Iterable[Seen]:
    """Yield the pod's containers in the order in which they start."""
    fields = by_container(spec)
    for key in _STATUSES:
        for status in pod.status.get(key) or ():
            name = status["name"]
            lasting = name in fields and not fields[name].startswith("spec.initContainers")
            at = of_container(name, spec)
            yield _seen(status, pod=pod.ref.name, at=at, spec=spec, lasting=lasting, now=now)


def _seen(status: Mapping[str, Any], *, pod: str, at: str, spec: Mapping[str, Any], lasting: bool, now: str) -> Seen:
    """Return a container as it is; one that lasts should not end, not even well."""
    state = status.get("state") or {}
    waiting = state.get("waiting") or {}
    down = bool(waiting) or _just_restarted(status, now)
    ended = state.get("terminated") or ((status.get("lastState") or {}).get("terminated") if down else None) or {}
    started_again = bool(ended) and status.get("restartCount", 0) > 0
    return Seen(
        pod=pod,
        container=status["name"],
        at=at,
        spec=spec,
        waiting=waiting,
        ended=ended,
        last_words=str(ended.get("message") or "").strip(),
        again=waiting.get("reason") == "CrashLoopBackOff" or (started_again and (lasting or ended["exitCode"] != 0)),
    )

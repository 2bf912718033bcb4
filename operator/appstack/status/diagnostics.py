"""Diagnostics of an AppStack: the problems of its pods and objects, each with the field to correct and a hint.

To add a kind of problem of a container, write a Detector and insert it into DETECTORS by likelihood of its cause.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Final

from appstack.api.status import MAX_PROBLEMS, Problem
from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed, WarningEvent
from appstack.k8s.text import seconds_between
from appstack.status.container_state import ContainerState, container_states
from appstack.status.crashes import CrashLoop
from appstack.status.creation_failures import creation_problems
from appstack.status.detection import Detector
from appstack.status.image_failures import ImagePullFailed
from appstack.status.object_failures import OBJECT_GRACE_SECONDS, is_incomplete, object_problems
from appstack.status.pod_failures import pod_problems
from appstack.status.probe_failures import ProbeFailed
from appstack.status.start_failures import ContainerStartFailed, NginxConfigRefused, StaticCopyFailed

INIT_CONTAINER_GRACE_SECONDS: Final = 60.0
"""Seconds for which an init container may run before the status names it: the other containers wait for it."""


class InitContainerRunning:
    """Detect an init container that keeps the other containers waiting."""

    HINT: ClassVar = "The containers after it wait until it ends. Check its output: kubectl logs -c {container} {pod}"

    def detect(self, state: ContainerState) -> Problem | None:
        """Return the problem with the time since which the container runs."""
        started = state.running.get("startedAt")
        if not started or not state.blocks_others or state.seconds_since(started) < INIT_CONTAINER_GRACE_SECONDS:
            return None
        hint = self.HINT.format(container=state.container, pod=state.pod)
        return state.problem("InitContainerRunning", f"The init container has been running since {started}", hint=hint)


DETECTORS: Final[tuple[Detector, ...]] = (
    NginxConfigRefused(),
    ImagePullFailed(),
    StaticCopyFailed(),
    ContainerStartFailed(),
    CrashLoop(),
    ProbeFailed(),
    InitContainerRunning(),
)
"""All detectors, the likeliest cause first; a container has the problem of the first detector that finds one."""

_POD_RANK: Final = len(DETECTORS)  # of problems of whole pods: those of containers name the cause more closely


@dataclass(frozen=True, slots=True)
class Subject:
    """The AppStack to diagnose."""

    spec: Mapping[str, Any]  # as its author wrote it, without defaults
    observed: Observed
    now: str  # a timestamp
    template: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))  # the rendered pod template
    workload: Child | None = None
    ready: bool = False  # the workload has all its pods
    has_output: bool = True  # problems may contain text that a container has written
    failed_run: str = ""  # uid of the failed Job or Pod whose pods explain the failure


_REASONS_WITHOUT_OUTPUT: Final = frozenset(
    {"CrashLoopBackOff", "Error", CrashLoop.OUT_OF_MEMORY, "Unschedulable", "JobFailed", *ImagePullFailed.HINTS}
)
"""Reasons of problems with messages that never repeat the output of a container."""


def diagnose(subject: Subject) -> tuple[Problem, ...]:
    """Return the problems of the pods, the likeliest cause first, and each problem that pods share once."""
    found: dict[tuple[object, ...], tuple[int, int, Problem]] = {}
    warnings: dict[Ref, list[WarningEvent]] = {}
    for event in subject.observed.warnings:
        warnings.setdefault(event.ref, []).append(event)
    for pod in sorted(subject.observed.pods, key=lambda pod: pod.ref.name):
        if pod.deleting or _is_finished(pod, subject):
            continue
        for position, (rank, problem) in enumerate(_of_pod(subject, pod, warnings.get(pod.ref, ()))):
            identity = (problem.container, problem.reason, problem.exit_code, problem.field)
            found.setdefault(identity, (rank, position, problem))
    ordered = sorted(found.values(), key=lambda entry: (entry[0], entry[1], entry[2].pod))
    creation = creation_problems(subject.spec, subject.workload, subject.observed)
    return (*(problem for _, _, problem in ordered), *creation)[:MAX_PROBLEMS]


def without_output(problem: Problem) -> Problem:
    """Return a recorded problem without text that a container may have written."""
    message = problem.message if problem.reason in _REASONS_WITHOUT_OUTPUT else "The container failed"
    return problem.model_copy(update={"log": "", "message": message})


def diagnose_objects(subject: Subject) -> tuple[Problem, ...]:
    """Return the problems of objects other than pods, which keep no pod from serving."""
    return tuple(object_problems(subject.spec, subject.observed, now=subject.now))[:MAX_PROBLEMS]


def _of_pod(subject: Subject, pod: Child, warnings: Sequence[WarningEvent]) -> Iterator[tuple[int, Problem]]:
    """Yield the problems of a pod, each with its rank; `warnings` are the Events about it."""
    ended_as_whole = pod.status.get("phase") == "Failed" and bool(pod.status.get("reason"))
    states = (
        ()
        if ended_as_whole
        else container_states(
            subject.spec,
            pod,
            now=subject.now,
            template=subject.template,
            warnings=warnings,
            has_output=subject.has_output,
        )
    )
    for state in states:
        result = _detect(state)
        if result is not None:
            yield result
    whole = pod_problems(subject.spec, pod, observed=subject.observed, warnings=warnings, ready=subject.ready)
    yield from ((_POD_RANK, problem) for problem in whole)


def _detect(state: ContainerState) -> tuple[int, Problem] | None:
    for rank, detector in enumerate(DETECTORS):
        problem = detector.detect(state)
        if problem is not None:
            return rank, problem
    return None


def _is_finished(pod: Child, subject: Subject) -> bool:
    """Return whether a pod has nothing to explain: it completed, or it failed for another reason than the failed run.

    An evicted pod is explained while the workload lacks pods.
    """
    of_failed_run = bool(subject.failed_run) and subject.failed_run in (pod.uid, pod.owner_uid)
    if of_failed_run:
        return pod.status.get("phase") == "Succeeded"
    evicted = pod.status.get("phase") == "Failed" and bool(pod.status.get("reason")) and not subject.ready
    return pod.status.get("phase") in ("Succeeded", "Failed") and not evicted


def seconds_until_due(observed: Observed, *, now: str) -> float | None:
    """Return the seconds until the passing of time alone may add a problem; None if it cannot."""
    ages = [
        (seconds_between(child.created, now), OBJECT_GRACE_SECONDS)
        for child in observed.children.values()
        if child.created and is_incomplete(child)
    ]
    for pod in observed.pods:
        for status in pod.status.get("initContainerStatuses") or ():
            started = ((status.get("state") or {}).get("running") or {}).get("startedAt")
            if started and not status.get("started"):
                ages.append((seconds_between(started, now), INIT_CONTAINER_GRACE_SECONDS))
    return min((grace - age for age, grace in ages if age < grace), default=None)

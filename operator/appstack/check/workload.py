"""What depends on the kind of workload: a table of checks by kind. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from appstack.check.subject import Subject
from appstack.errors import Fault

_STRATEGIES: Final = ("RollingUpdate", "Recreate")
_PROGRESS_DEADLINE: Final = 600  # Kubernetes' default, in seconds


def by_kind(subject: Subject) -> Iterator[Fault]:
    """Yield what the kind of workload does not have."""
    for each in BY_KIND[subject.spec.workload.kind]:
        yield from each(subject)


def _pods_live_on(subject: Subject) -> Iterator[Fault]:
    """Yield what makes a pod end, under a kind whose pods never do."""
    kind, pod = subject.spec.workload.kind, subject.spec.pod
    if pod.restart_policy not in (None, "Always"):
        what = f"a {kind}'s pods are always restarted"
        yield Fault("spec.pod.restartPolicy", what, "leave it out")
    if pod.active_deadline_seconds is not None:
        yield Fault("spec.pod.activeDeadlineSeconds", f"a {kind}'s pods have no deadline", "leave it out")


def _deployment(subject: Subject) -> Iterator[Fault]:
    """Yield options that exclude each other."""
    options = subject.spec.workload.chosen
    where = "spec.workload.deployment"
    rolling = options.strategy and options.strategy.rolling_update
    if options.strategy and options.strategy.type not in (None, *_STRATEGIES):
        what = f"{options.strategy.type!r} is not a strategy"
        yield Fault(f"{where}.strategy.type", what, " or ".join(_STRATEGIES))
    if options.strategy and rolling and options.strategy.type == "Recreate":
        yield Fault(f"{where}.strategy.rollingUpdate", "type: Recreate excludes it", "keep one of the two")
    if rolling and rolling.max_surge in (0, "0%") and rolling.max_unavailable in (0, "0%"):
        what = "with maxSurge 0 as well no pod could ever be replaced"
        yield Fault(f"{where}.strategy.rollingUpdate.maxUnavailable", what, "let one of the two be at least 1")
    deadline = _PROGRESS_DEADLINE if options.progress_deadline_seconds is None else options.progress_deadline_seconds
    if (options.min_ready_seconds or 0) >= deadline:
        what = f"must be more than minReadySeconds {options.min_ready_seconds}; it is {deadline}"
        yield Fault(f"{where}.progressDeadlineSeconds", what, "a pod would never be ready in time")


BY_KIND: Final[Mapping[str, tuple[Callable[[Subject], Iterator[Fault]], ...]]] = {
    "Deployment": (_pods_live_on, _deployment),
}
"""Every kind of workload stands here, if only to say that it refuses nothing."""

CHECKS: Final = (by_kind,)

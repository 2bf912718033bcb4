"""The options of each kind of workload: a table of checks by kind. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from appstack.api.workloads import Kind
from appstack.errors import Severity, ValidationIssue
from appstack.validation import jobs
from appstack.validation.subject import Subject, one_of

_PROGRESS_DEADLINE: Final = 600  # Kubernetes' default, in seconds
_NONE: Final = (0, "0%")


def by_kind(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield options of the kind that contradict each other, or that Kubernetes does not know."""
    for each in BY_KIND[subject.spec.workload.kind]:
        yield from each(subject)


def _deployment(subject: Subject) -> Iterator[ValidationIssue]:
    options = subject.spec.workload.deployment
    if options is None:
        return
    where = "spec.workload.deployment"
    rolling = options.strategy and options.strategy.rolling_update
    if options.strategy:
        yield from one_of(
            f"{where}.strategy.type", options.strategy.type, ("RollingUpdate", "Recreate"), what="a strategy"
        )
    if options.strategy and rolling and options.strategy.type == "Recreate":
        yield ValidationIssue(f"{where}.strategy.rollingUpdate", "type: Recreate excludes it", "keep one of the two")
    if rolling and rolling.max_surge in _NONE and rolling.max_unavailable in _NONE:
        what = "with maxSurge 0 as well no pod could ever be replaced"
        yield ValidationIssue(
            f"{where}.strategy.rollingUpdate.maxUnavailable", what, "let one of the two be at least 1"
        )
    deadline = _PROGRESS_DEADLINE if options.progress_deadline_seconds is None else options.progress_deadline_seconds
    if (options.min_ready_seconds or 0) >= deadline:
        what = f"must be more than minReadySeconds {options.min_ready_seconds}; it is {deadline}"
        yield ValidationIssue(f"{where}.progressDeadlineSeconds", what, "a pod would never be ready in time")


def _stateful_set(subject: Subject) -> Iterator[ValidationIssue]:
    options = subject.spec.workload.stateful_set
    where = "spec.workload.statefulSet"
    if options is None:
        return
    policies = ("OrderedReady", "Parallel")
    yield from one_of(f"{where}.podManagementPolicy", options.pod_management_policy, policies, what="a policy")
    strategy = options.update_strategy
    if strategy is None:
        return
    yield from _update_strategy(f"{where}.updateStrategy", strategy)
    partition = strategy.rolling_update.partition if strategy.rolling_update else None
    replicas, first = subject.spec.replicas, (options.ordinals and options.ordinals.start) or 0
    if partition and replicas is not None and partition >= first + replicas:
        what = f"no pod is updated: the last of {replicas} has the number {first + replicas - 1}"
        yield ValidationIssue(
            f"{where}.updateStrategy.rollingUpdate.partition", what, "lower it to update some", Severity.WARNING
        )


def _daemon_set(subject: Subject) -> Iterator[ValidationIssue]:
    options = subject.spec.workload.daemon_set
    if options is None or options.update_strategy is None:
        return
    where = "spec.workload.daemonSet.updateStrategy"
    yield from _update_strategy(where, options.update_strategy)
    rolling = options.update_strategy.rolling_update
    if rolling is None:
        return
    surges = rolling.max_surge not in (None, *_NONE)
    if surges and rolling.max_unavailable not in _NONE:
        what = "excludes maxUnavailable, which is 1 unless it is written"
        yield ValidationIssue(f"{where}.rollingUpdate.maxSurge", what, "write maxUnavailable: 0 beside it")
    if not surges and rolling.max_unavailable in _NONE:
        what = "without maxSurge no pod could ever be replaced"
        yield ValidationIssue(f"{where}.rollingUpdate.maxUnavailable", what, "let one of the two be at least 1")
    if surges and subject.has_host_port:
        what = "a port of the node can be had once only, so the new pod waits for the old one"
        yield ValidationIssue(f"{where}.rollingUpdate.maxSurge", what, "use maxUnavailable, or leave out the hostPort")


def _update_strategy(where: str, strategy: Any) -> Iterator[ValidationIssue]:
    yield from one_of(f"{where}.type", strategy.type, ("RollingUpdate", "OnDelete"), what="a strategy")
    if strategy.type == "OnDelete" and strategy.rolling_update is not None:
        yield ValidationIssue(f"{where}.rollingUpdate", "type: OnDelete excludes it", "keep one of the two")


BY_KIND: Final[Mapping[Kind, tuple[Callable[[Subject], Iterator[ValidationIssue]], ...]]] = {
    "Deployment": (_deployment,),
    "StatefulSet": (_stateful_set,),
    "DaemonSet": (_daemon_set,),
    "Job": (jobs.job,),
    "CronJob": (jobs.cron_job, jobs.job),
    "Pod": (),
}
"""Every kind of workload stands here, if only to say that it refuses nothing."""

CHECKS: Final = (by_kind,)

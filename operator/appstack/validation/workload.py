"""Checks of the options of each kind of workload."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from appstack.api.workloads import WorkloadKindName
from appstack.errors import Severity, ValidationIssue
from appstack.validation import jobs
from appstack.validation.context import ValidationContext
from appstack.validation.issues import enum_issues

_DEFAULT_PROGRESS_DEADLINE_SECONDS: Final = 600  # the default of Kubernetes
_ZERO: Final = (0, "0%")


def workload_options(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each option of the workload's kind that is unknown or contradicts another option."""
    for check in CHECKS_BY_KIND[context.spec.workload.kind]:
        yield from check(context)


def _deployment(context: ValidationContext) -> Iterator[ValidationIssue]:
    options = context.spec.workload.deployment
    if options is None:
        return
    field = "spec.workload.deployment"
    strategy = options.strategy
    rolling = strategy and strategy.rolling_update
    if strategy:
        types = ("RollingUpdate", "Recreate")
        yield from enum_issues(f"{field}.strategy.type", strategy.type, types, noun="a strategy")
    if strategy and rolling and strategy.type == "Recreate":
        yield ValidationIssue(
            f"{field}.strategy.rollingUpdate", "cannot be combined with type: Recreate", "remove one of the two"
        )
    if rolling and rolling.max_surge in _ZERO and rolling.max_unavailable in _ZERO:
        message = "must not be 0 if maxSurge is 0: no pod could be replaced"
        yield ValidationIssue(
            f"{field}.strategy.rollingUpdate.maxUnavailable", message, "set one of the two to at least 1"
        )
    deadline_seconds = options.progress_deadline_seconds
    if deadline_seconds is None:
        deadline_seconds = _DEFAULT_PROGRESS_DEADLINE_SECONDS
    if (options.min_ready_seconds or 0) >= deadline_seconds:
        message = f"{deadline_seconds} is not more than minReadySeconds, so no pod becomes available in time"
        hint = f"set more than {options.min_ready_seconds}, or lower minReadySeconds"
        yield ValidationIssue(f"{field}.progressDeadlineSeconds", message, hint)


def _stateful_set(context: ValidationContext) -> Iterator[ValidationIssue]:
    options = context.spec.workload.stateful_set
    field = "spec.workload.statefulSet"
    if options is None:
        return
    policies = ("OrderedReady", "Parallel")
    policy = options.pod_management_policy
    yield from enum_issues(f"{field}.podManagementPolicy", policy, policies, noun="a pod management policy")
    strategy = options.update_strategy
    if strategy is None:
        return
    yield from _update_strategy(f"{field}.updateStrategy", strategy)
    partition = strategy.rolling_update.partition if strategy.rolling_update else None
    replicas, first = context.spec.replicas, (options.ordinals and options.ordinals.start) or 0
    if partition and replicas is not None and partition >= first + replicas:
        message = f"no pod is updated: the highest ordinal of {replicas} replicas is {first + replicas - 1}"
        yield ValidationIssue(
            f"{field}.updateStrategy.rollingUpdate.partition", message, "lower the partition", Severity.WARNING
        )


def _daemon_set(context: ValidationContext) -> Iterator[ValidationIssue]:
    options = context.spec.workload.daemon_set
    if options is None or options.update_strategy is None:
        return
    field = "spec.workload.daemonSet.updateStrategy"
    yield from _update_strategy(field, options.update_strategy)
    rolling = options.update_strategy.rolling_update
    if rolling is None:
        return
    surges = rolling.max_surge not in (None, *_ZERO)
    if surges and rolling.max_unavailable not in _ZERO:
        message = "cannot be combined with maxUnavailable, which defaults to 1"
        yield ValidationIssue(f"{field}.rollingUpdate.maxSurge", message, "set maxUnavailable: 0")
    if not surges and rolling.max_unavailable in _ZERO:
        message = "must not be 0 without maxSurge: no pod could be replaced"
        yield ValidationIssue(f"{field}.rollingUpdate.maxUnavailable", message, "set one of the two to at least 1")
    if surges and context.uses_host_port:
        message = "only one pod of a node can use a hostPort, so the new pod would wait for the old one"
        yield ValidationIssue(f"{field}.rollingUpdate.maxSurge", message, "use maxUnavailable, or remove the hostPort")


def _update_strategy(field: str, strategy: Any) -> Iterator[ValidationIssue]:
    yield from enum_issues(f"{field}.type", strategy.type, ("RollingUpdate", "OnDelete"), noun="a strategy")
    if strategy.type == "OnDelete" and strategy.rolling_update is not None:
        message = "cannot be combined with type: OnDelete"
        yield ValidationIssue(f"{field}.rollingUpdate", message, "remove one of the two")


CHECKS_BY_KIND: Final[
    Mapping[WorkloadKindName, tuple[Callable[[ValidationContext], Iterator[ValidationIssue]], ...]]
] = {
    "Deployment": (_deployment,),
    "StatefulSet": (_stateful_set,),
    "DaemonSet": (_daemon_set,),
    "Job": (jobs.job, jobs.ordinary_sidecars),
    "CronJob": (jobs.cron_job, jobs.job, jobs.ordinary_sidecars),
    "Pod": (jobs.ordinary_sidecars,),
}
"""Every kind of workload has an entry, an empty one if it has no options to check."""

CHECKS: Final = (workload_options,)

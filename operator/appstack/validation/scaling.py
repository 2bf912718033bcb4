"""How many pods there are: replicas, the autoscaler and the disruption budget. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from appstack.errors import Severity, ValidationIssue
from appstack.validation.subject import Subject, one_of

_BUDGET: Final = "spec.podDisruptionBudget"
_METRICS: Final = "spec.autoscaling.metrics"
_SHARE = re.compile(r"([0-9]{1,3})%")


def replicas(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield two that decide the same number, and numbers that leave no room."""
    wanted = subject.spec.autoscaling
    if wanted is None:
        return
    if subject.spec.replicas is not None:
        hint = "leave it out, or leave out spec.autoscaling; minReplicas and maxReplicas are the bounds"
        yield ValidationIssue("spec.replicas", "spec.autoscaling decides it", hint)
    least = 1 if wanted.min_replicas is None else wanted.min_replicas
    if wanted.max_replicas < 1:
        yield ValidationIssue("spec.autoscaling.maxReplicas", f"{wanted.max_replicas} is less than 1", "at least 1")
    elif least > wanted.max_replicas:
        what = f"{least} is more than maxReplicas {wanted.max_replicas}"
        yield ValidationIssue("spec.autoscaling.minReplicas", what, "lower it, or raise maxReplicas")


def requests(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield containers without the request of which the autoscaler takes a share: it would never scale."""
    if subject.spec.autoscaling is None:
        return
    for where, resource, only in _shares(subject):
        if only is not None and only not in [member.name for member in subject.together]:
            yield ValidationIssue(f"{where}.containerResource.container", f"no container {only!r} runs in the pod")
        for member in subject.together:
            given = member.container.resources
            stated = {**((given and given.limits) or {}), **((given and given.requests) or {})}
            ours = member.container is subject.spec.proxy and resource in ("cpu", "memory")
            if only in (None, member.name) and not (resource in stated or ours):
                what = f"the autoscaler takes a share of it ({where}), and without it never scales"
                field = f"{member.field}.resources.requests.{resource}"
                yield ValidationIssue(field, what, "write what the container needs, for example 100m", Severity.WARNING)


def _shares(subject: Subject) -> Iterator[tuple[str, str, str | None]]:
    """Yield the metrics that are shares of a request: field, resource, and the container where it is of one only."""
    wanted = subject.spec.autoscaling
    metrics = (wanted and wanted.metrics) or []
    if not metrics:
        yield "spec.autoscaling", "cpu", None  # 80 % of it is Kubernetes' default
    for index, metric in enumerate(metrics):
        where = f"{_METRICS}[{index}]"
        whole, one = metric.resource, metric.container_resource
        if whole is not None and whole.target.type == "Utilization":
            yield where, whole.name, None
        elif one is not None and one.target.type == "Utilization":
            yield where, one.name, one.container


def budget(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield a budget that does not say how many, and one under which no node could ever be drained."""
    wanted = subject.spec.pod_disruption_budget
    if wanted is None:
        return
    both = {"minAvailable": wanted.min_available, "maxUnavailable": wanted.max_unavailable}
    written = {name: value for name, value in both.items() if value is not None}
    if len(written) != 1:
        what = "says it twice" if written else "does not say how many pods stay"
        yield ValidationIssue(_BUDGET, what, "exactly one of minAvailable and maxUnavailable")
    for name, value in written.items():
        if isinstance(value, str) and not _SHARE.fullmatch(value):
            yield ValidationIssue(
                f"{_BUDGET}.{name}", f"{value!r} is neither a number nor a share", 'for example 1 or "50%"'
            )
    policy = wanted.unhealthy_pod_eviction_policy
    policies = ("IfHealthyBudget", "AlwaysAllow")
    yield from one_of(f"{_BUDGET}.unhealthyPodEvictionPolicy", policy, policies, what="a policy")
    if wanted.max_unavailable in (0, "0%"):
        yield _never(f"{_BUDGET}.maxUnavailable", "no pod may ever be evicted")
    pods = subject.spec.autoscaling.min_replicas or 1 if subject.spec.autoscaling else subject.spec.replicas
    if wanted.min_available is not None and pods and _of(wanted.min_available, pods) >= pods:
        yield _never(f"{_BUDGET}.minAvailable", f"of {pods} pods none may ever be evicted")


def _of(amount: int | str, pods: int) -> int:
    """Return how many pods an amount is: of a share Kubernetes rounds up; what is no amount is none."""
    if isinstance(amount, int):
        return amount
    share = _SHARE.fullmatch(amount)
    return -(-int(share.group(1)) * pods // 100) if share else 0


def _never(where: str, what: str) -> ValidationIssue:
    return ValidationIssue(
        where, what, "a drain of their node would wait for ever: leave room for one", Severity.WARNING
    )


def host_ports(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield several pods that want the same port of a node: each then needs a node of its own."""
    pods = subject.most_pods
    if pods is not None and pods > 1 and subject.has_host_port and not subject.spec.pod.host_network:
        for member in subject.together:
            for field, port in member.ports():
                if port.host_port is not None:
                    what = f"each of the {pods} pods needs a node of its own for it"
                    hint = "a Service needs no hostPort; a DaemonSet has one pod on each node"
                    yield ValidationIssue(f"{field}.hostPort", what, hint, Severity.WARNING)


CHECKS: Final = (replicas, requests, budget, host_ports)

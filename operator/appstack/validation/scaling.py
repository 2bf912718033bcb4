"""Checks of the number of pods: replicas, autoscaling, PodDisruptionBudget and host ports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from appstack.errors import Severity, ValidationIssue
from appstack.validation.context import ContainerView, ValidationContext
from appstack.validation.issues import available_hint, enum_issues

_BUDGET: Final = "spec.podDisruptionBudget"
_METRICS: Final = "spec.autoscaling.metrics"
_PERCENTAGE: Final = re.compile(r"([0-9]{1,3})%")


def replica_bounds(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for replicas beside autoscaling, and for bounds of autoscaling that contradict each other."""
    autoscaling = context.spec.autoscaling
    if autoscaling is None:
        return
    if context.spec.replicas is not None:
        hint = "remove one of the two; minReplicas and maxReplicas are the bounds of the autoscaler"
        yield ValidationIssue("spec.replicas", "spec.autoscaling sets the number of replicas", hint)
    minimum = 1 if autoscaling.min_replicas is None else autoscaling.min_replicas
    if autoscaling.max_replicas < 1:
        message = f"{autoscaling.max_replicas} is less than 1"
        yield ValidationIssue("spec.autoscaling.maxReplicas", message, "use 1 or more")
    elif minimum > autoscaling.max_replicas:
        message = f"{minimum} is more than maxReplicas {autoscaling.max_replicas}"
        yield ValidationIssue("spec.autoscaling.minReplicas", message, "lower minReplicas, or raise maxReplicas")


def autoscaled_requests(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield a warning for each container without a request that a utilization metric of the autoscaler needs."""
    if context.spec.autoscaling is None:
        return
    requests = [(container, _requested(context, container)) for container in context.concurrent_containers]
    names = dict.fromkeys(container.name for container, _ in requests)
    hint = available_hint(names, if_none="")
    for metric_field, resource, container_name in _utilization_metrics(context):
        if container_name is not None and container_name not in names:
            field = f"{metric_field}.containerResource.container"
            yield ValidationIssue(field, f"no container {container_name!r} runs in the pod", hint)
        for container, requested in requests:
            if container_name in (None, container.name) and resource not in requested:
                message = (
                    f"the autoscaler computes utilization from this request ({metric_field}) and needs it to scale"
                )
                field = f"{container.field}.resources.requests.{resource}"
                yield ValidationIssue(field, message, "set the request of the container, e.g. 100m", Severity.WARNING)


def _requested(context: ValidationContext, container: ContainerView) -> set[str]:
    """Return the resources that a container requests, by default as much as its limit; the proxy has defaults."""
    resources = container.spec.resources
    defaults = ("cpu", "memory") if container.spec is context.spec.proxy else ()
    return {*defaults, *((resources and resources.limits) or ()), *((resources and resources.requests) or ())}


def _utilization_metrics(context: ValidationContext) -> Iterator[tuple[str, str, str | None]]:
    """Yield field, resource and container of each utilization metric; the container is None for the whole pod."""
    autoscaling = context.spec.autoscaling
    metrics = (autoscaling and autoscaling.metrics) or []
    if not metrics:
        yield "spec.autoscaling", "cpu", None  # the default of Kubernetes: 80 % CPU utilization
    for index, metric in enumerate(metrics):
        field = f"{_METRICS}[{index}]"
        pod_metric, container_metric = metric.resource, metric.container_resource
        if pod_metric is not None and pod_metric.target.type == "Utilization":
            yield field, pod_metric.name, None
        elif container_metric is not None and container_metric.target.type == "Utilization":
            yield field, container_metric.name, container_metric.container


def disruption_budget(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for a budget without exactly one valid bound, and a warning for one that blocks every drain."""
    budget = context.spec.pod_disruption_budget
    if budget is None:
        return
    bounds = {"minAvailable": budget.min_available, "maxUnavailable": budget.max_unavailable}
    written = {name: value for name, value in bounds.items() if value is not None}
    if len(written) != 1:
        message = "sets both bounds" if written else "sets no bound"
        yield ValidationIssue(_BUDGET, message, "set exactly one of minAvailable and maxUnavailable")
    for name, value in written.items():
        if isinstance(value, str) and not _PERCENTAGE.fullmatch(value):
            message = f"{value!r} is neither a number nor a percentage"
            yield ValidationIssue(f"{_BUDGET}.{name}", message, 'use a value such as 1 or "50%"')
    policy = budget.unhealthy_pod_eviction_policy
    policies = ("IfHealthyBudget", "AlwaysAllow")
    yield from enum_issues(f"{_BUDGET}.unhealthyPodEvictionPolicy", policy, policies, noun="an eviction policy")
    if budget.max_unavailable in (0, "0%"):
        yield _blocks_drains(f"{_BUDGET}.maxUnavailable", "no pod can ever be evicted")
    pods = context.spec.autoscaling.min_replicas or 1 if context.spec.autoscaling else context.spec.replicas
    if pods is None:
        pods = 1  # the default of Kubernetes
    if budget.min_available is not None and pods and _to_pods(budget.min_available, pods) >= pods:
        message = "the only pod can never be evicted" if pods == 1 else f"none of {pods} pods can ever be evicted"
        yield _blocks_drains(f"{_BUDGET}.minAvailable", message)


def _to_pods(bound: int | str, pods: int) -> int:
    """Return the number of pods of a bound: percentages are rounded up, as Kubernetes does; 0 if it is invalid."""
    if isinstance(bound, int):
        return bound
    percentage = _PERCENTAGE.fullmatch(bound)
    return -(-int(percentage.group(1)) * pods // 100) if percentage else 0


def _blocks_drains(field: str, message: str) -> ValidationIssue:
    return ValidationIssue(
        field, message, "allow one eviction; otherwise a drain of a node never finishes", Severity.WARNING
    )


def host_ports(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield a warning for each hostPort of several pods, each of which needs a node of its own."""
    pods = context.max_pods
    if pods is not None and pods > 1 and context.uses_host_port and not context.spec.pod.host_network:
        for container in context.concurrent_containers:
            for field, port in container.ports:
                if port.host_port is not None:
                    message = f"each of the {pods} pods needs a node of its own for this port"
                    hint = "use a Service instead of the hostPort, or a DaemonSet for one pod on each node"
                    yield ValidationIssue(f"{field}.hostPort", message, hint, Severity.WARNING)


CHECKS: Final = (replica_bounds, autoscaled_requests, disruption_budget, host_ports)

"""Support of each field on each kind of workload: the table behind the check, its tests and docs/kinds.md.

A field that every kind supports has a row as well, so that the tests cover the field on every kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from appstack.api.workloads import WorkloadKindName
from appstack.errors import Severity, ValidationIssue
from appstack.validation.context import ValidationContext
from appstack.validation.field_values import FieldValue

KINDS: Final[tuple[WorkloadKindName, ...]] = get_args(WorkloadKindName)

_LIST_INDEX: Final = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class UnsupportedReason:
    """The reason why a kind does not support a field, and a hint at the alternative."""

    message: str  # {kind} stands for the name of the kind
    hint: str
    only_with: tuple[str, ...] = ()  # unsupported only in combination with one of these: spec.pod.restartPolicy: Never
    severity: Severity = Severity.ERROR  # a warning where Kubernetes accepts the field and ignores it


@dataclass(frozen=True, slots=True)
class FieldSupport:
    """A field, or one value of it, and the kinds that do not support it; every other kind does."""

    path: str  # below spec, without list indexes: sidecars[].native
    value: Any = None  # None: any value
    unsupported_on: Mapping[WorkloadKindName, UnsupportedReason] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the field, with its value where the row is about one value."""
        return self.path if self.value is None else f"{self.path}: {_to_yaml(self.value)}"


def unsupported_fields(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each field that the kind of the workload does not support."""
    kind = context.spec.workload.kind
    unsupported = [(row, row.unsupported_on[kind]) for row in SUPPORT_TABLE if kind in row.unsupported_on]
    written: dict[str, list[FieldValue]] = {f"spec.{row.path}": [] for row, _ in unsupported}
    for each in context.field_values:
        if (path := _LIST_INDEX.sub("[]", each.field)) in written:
            written[path].append(each)
    for row, reason in unsupported:
        found = [each for each in written[f"spec.{row.path}"] if row.value in (None, each.value)]
        for path, _ in found if found and _applies(context, reason) else ():
            yield ValidationIssue(path, reason.message.format(kind=kind), reason.hint, reason.severity)


def _applies(context: ValidationContext, reason: UnsupportedReason) -> bool:
    """Return whether the spec has one of the combinations to which the reason is limited, if it is limited."""
    combinations = reason.only_with
    return not combinations or any(f"{path}: {_to_yaml(value)}" in combinations for path, value in context.field_values)


def _to_yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _supported_everywhere(*paths: str) -> tuple[FieldSupport, ...]:
    return tuple(FieldSupport(path) for path in paths)


def _unsupported_on(
    kinds: Iterable[WorkloadKindName], message: str, hint: str, *only_with: str
) -> Mapping[WorkloadKindName, UnsupportedReason]:
    """Return the same reason for several kinds."""
    return dict.fromkeys(kinds, UnsupportedReason(message, hint, only_with))


def _all_except(*kinds: WorkloadKindName) -> tuple[WorkloadKindName, ...]:
    return tuple(kind for kind in KINDS if kind not in kinds)


def _workload_options() -> tuple[FieldSupport, ...]:
    """Return a row for each member of `workload`, which holds the options of one or two kinds."""
    rows = []
    for name, kinds in WORKLOAD_OPTIONS.items():
        message = f"applies to {' and '.join(kinds)} only, and workload.kind is {{kind}}"
        reasons = _unsupported_on(_all_except(*kinds), message, "remove the field, or change workload.kind")
        rows.append(FieldSupport(f"workload.{name}", unsupported_on=reasons))
    return tuple(rows)


WORKLOAD_OPTIONS: Final[Mapping[str, tuple[WorkloadKindName, ...]]] = {
    "deployment": ("Deployment",),
    "statefulSet": ("StatefulSet",),
    "daemonSet": ("DaemonSet",),
    "job": ("Job", "CronJob"),
    "cronJob": ("CronJob",),
}
"""The members of `workload`, each with the kinds to which its options apply."""

_LONG_RUNNING: Final[tuple[WorkloadKindName, ...]] = ("Deployment", "StatefulSet", "DaemonSet")
_RUN_TO_COMPLETION: Final[tuple[WorkloadKindName, ...]] = ("Job", "CronJob")

_REMOVE: Final = "remove the field"
_NO_SCALING: Final[Mapping[WorkloadKindName, UnsupportedReason]] = {
    "DaemonSet": UnsupportedReason(
        "a DaemonSet runs one pod on each eligible node", "remove the field; select nodes with spec.pod.nodeSelector"
    ),
    **_unsupported_on(
        _RUN_TO_COMPLETION,
        "a {kind} has no replicas",
        "remove the field; set parallelism and completions in spec.workload.job",
    ),
    "Pod": UnsupportedReason("a Pod cannot be scaled", "remove the field, or set kind: Deployment"),
}
_NO_WORKLOAD_METADATA: Final = _unsupported_on(
    ("Pod",), "the metadata of a {kind} is that of its pod", "write spec.pod.metadata"
)
_NO_DISRUPTION_BUDGET: Final[Mapping[WorkloadKindName, UnsupportedReason]] = {
    "DaemonSet": UnsupportedReason(
        "a drain does not evict the pods of a DaemonSet, so a budget protects nothing",
        "remove the field; limit rollouts with spec.workload.daemonSet.updateStrategy",
    ),
    **_unsupported_on(
        _RUN_TO_COMPLETION,
        "the pods of a {kind} run to completion, and a budget would only block drains",
        "remove the field; the Job replaces an evicted pod",
    ),
    "Pod": UnsupportedReason(
        "a budget of a single pod would only block the drain of its node", "remove the field, or set kind: Deployment"
    ),
}
_RESTARTED: Final = _unsupported_on(_LONG_RUNNING, "the pods of a {kind} are always restarted", _REMOVE)
_NOT_RESTARTED: Final = _unsupported_on(
    _RUN_TO_COMPLETION, "the pods of a {kind} run to completion", "use OnFailure, the default, or Never"
)
_NO_DEADLINE: Final = _unsupported_on(_LONG_RUNNING, "the pods of a {kind} have no deadline", _REMOVE)
_NO_CLAIM_PER_REPLICA: Final = _unsupported_on(
    _all_except("StatefulSet"), "a {kind} has no claim per replica", "remove the field, or set kind: StatefulSet"
)
_FIXED_HOSTNAME: Final[Mapping[WorkloadKindName, UnsupportedReason]] = {
    "StatefulSet": UnsupportedReason(
        "has no effect: each pod of a StatefulSet has its own name as hostname", _REMOVE, severity=Severity.WARNING
    ),
    **dict.fromkeys(
        _RUN_TO_COMPLETION,
        UnsupportedReason(
            "has no effect: each pod of an indexed Job has its own name as hostname",
            _REMOVE,
            ("spec.workload.job.completionMode: Indexed",),
            Severity.WARNING,
        ),
    ),
}
_FIXED_SUBDOMAIN: Final[Mapping[WorkloadKindName, UnsupportedReason]] = {
    "StatefulSet": UnsupportedReason(
        "has no effect: the subdomain of the pods of a StatefulSet is its serviceName",
        "set spec.workload.statefulSet.serviceName",
        severity=Severity.WARNING,
    )
}

SUPPORT_TABLE: Final[tuple[FieldSupport, ...]] = (
    *_workload_options(),
    FieldSupport("workload.metadata", unsupported_on=_NO_WORKLOAD_METADATA),
    FieldSupport("replicas", unsupported_on=_NO_SCALING),
    FieldSupport("autoscaling", unsupported_on=_NO_SCALING),
    FieldSupport("podDisruptionBudget", unsupported_on=_NO_DISRUPTION_BUDGET),
    *_supported_everywhere(
        *("backend.startupProbe", "backend.livenessProbe", "backend.readinessProbe", "backend.lifecycle"),
        *("backend.ports[].hostPort", "proxy", "proxy.static[].from", "proxy.static[].volume", "proxy.serverSnippet"),
        *("proxy.config", "initContainers", "initContainers[].restartPolicy", "sidecars"),
    ),
    FieldSupport("sidecars[].role", "Adapter"),
    FieldSupport("sidecars[].role", "Ambassador"),
    FieldSupport("sidecars[].native", value=False),
    *_supported_everywhere("files[].content", "files[].base64", "files[].valueFrom"),
    *_supported_everywhere("volumes[].emptyDir", "volumes[].hostPath", "volumes[].nodeCache", "volumes[].claim"),
    FieldSupport("volumes[].claim.perReplica", value=True, unsupported_on=_NO_CLAIM_PER_REPLICA),
    FieldSupport("volumes[].claim.retentionPolicy.whenDeleted", "Delete"),
    FieldSupport("volumes[].claim.retentionPolicy.whenScaled", "Delete", unsupported_on=_NO_CLAIM_PER_REPLICA),
    *_supported_everywhere(
        "service",
        "services",
        "serviceAccount",
        "ingress",
        "httpRoute",
        "serviceMonitor",
        "networkPolicy",
        "pod.metadata",
    ),
    FieldSupport("pod.restartPolicy", "Always", unsupported_on=_NOT_RESTARTED),
    FieldSupport("pod.restartPolicy", "OnFailure", unsupported_on=_RESTARTED),
    FieldSupport("pod.restartPolicy", "Never", unsupported_on=_RESTARTED),
    FieldSupport("pod.activeDeadlineSeconds", unsupported_on=_NO_DEADLINE),
    FieldSupport("pod.hostname", unsupported_on=_FIXED_HOSTNAME),
    FieldSupport("pod.subdomain", unsupported_on=_FIXED_SUBDOMAIN),
    *_supported_everywhere("pod.hostNetwork", "pod.nodeSelector", "pod.tolerations", "pod.affinity"),
    *_supported_everywhere("pod.securityContext", "pod.topologySpreadConstraints"),
    *_supported_everywhere("pod.terminationGracePeriodSeconds", "podSecurity", "dependsOn", "paused"),
)
"""Fields without a row, such as the rest of a Container or a PodSpec, are passed on unchanged on every kind."""


CHECKS: Final = (unsupported_fields,)

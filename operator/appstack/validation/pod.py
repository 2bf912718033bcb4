"""Checks of `spec.pod`: duplicate list entries, restart policy, topology spread and graceful shutdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from appstack.api.pod import DRAIN_SECONDS
from appstack.errors import Severity, ValidationIssue
from appstack.k8s import metadata as meta
from appstack.validation.context import ValidationContext
from appstack.validation.issues import duplicate_issues, enum_issues

_LIST_MAP_KEYS: Final = {
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
"""The lists of a PodSpec that Kubernetes merges by key, and the fields of their keys."""


def duplicate_entries(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each entry of a list with the key of an earlier entry."""
    written = context.spec.pod.dump()
    for name, key_fields in _LIST_MAP_KEYS.items():
        located = [
            (f"spec.pod.{name}[{index}]", tuple(entry.get(key_field) for key_field in key_fields))
            for index, entry in enumerate(written.get(name, []))
        ]
        yield from duplicate_issues(located, key=tuple, describe=lambda key: f"{' '.join(str(part) for part in key)!r}")


def restart_policy(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for an unknown restartPolicy; `kind_support` has the policies of each kind of workload."""
    allowed = ("Always", "OnFailure", "Never")
    yield from enum_issues("spec.pod.restartPolicy", context.spec.pod.restart_policy, allowed, noun="a restart policy")


def topology_spread(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield a warning for each constraint without labelSelector: Kubernetes accepts it, and it selects no pod."""
    for index, each in enumerate(context.spec.pod.topology_spread_constraints or []):
        if each.label_selector is None:
            field = f"spec.pod.topologySpreadConstraints[{index}].labelSelector"
            hint = f"set matchLabels: {{{meta.STACK_LABEL}: {context.stack.metadata.name}}}"
            yield ValidationIssue(field, "without a labelSelector the constraint has no effect", hint, Severity.WARNING)


def graceful_shutdown(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield a warning if the grace period ends before every node has stopped sending requests to the pod."""
    grace_seconds = context.spec.pod.termination_grace_period_seconds
    has_pre_stop = "preStop" in context.spec.backend.handlers()
    if grace_seconds is not None and grace_seconds <= DRAIN_SECONDS and context.is_exposed and not has_pre_stop:
        message = f"{grace_seconds} s is not longer than the {DRAIN_SECONDS} s in which nodes still send requests"
        hint = f"set more than {DRAIN_SECONDS}, or set spec.backend.lifecycle.preStop"
        yield ValidationIssue("spec.pod.terminationGracePeriodSeconds", message, hint, Severity.WARNING)


CHECKS: Final = (duplicate_entries, restart_policy, topology_spread, graceful_shutdown)

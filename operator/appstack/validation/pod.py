"""The rest of the pod: lists that Kubernetes merges by a key, and how the pod goes. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from appstack.api.pod import DRAIN_SECONDS
from appstack.errors import Severity, ValidationIssue
from appstack.k8s import metadata as meta
from appstack.validation.subject import Subject, one_of, repeated

_KEYS: Final = {
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}


def keys(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield entries of the pod's lists that stand twice."""
    written = subject.spec.pod.dump()
    for name, parts in _KEYS.items():
        located = [
            (f"spec.pod.{name}[{index}]", tuple(entry.get(part) for part in parts))
            for index, entry in enumerate(written.get(name, []))
        ]
        yield from repeated(located, key=tuple, what=lambda key: f"{' '.join(str(part) for part in key)!r}")


def restarts(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield a restartPolicy that is none; which of them a kind has stands in the table of kinds."""
    known = ("Always", "OnFailure", "Never")
    yield from one_of("spec.pod.restartPolicy", subject.spec.pod.restart_policy, known, what="a restart policy")


def spread(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield constraints that count no pod: Kubernetes takes one without a selector, and then heeds it nowhere."""
    for index, each in enumerate(subject.spec.pod.topology_spread_constraints or []):
        if each.label_selector is None:
            where = f"spec.pod.topologySpreadConstraints[{index}].labelSelector"
            hint = f"matchLabels: {{{meta.STACK_LABEL}: {subject.stack.metadata.name}}}"
            yield ValidationIssue(where, "without one it counts no pod", hint, Severity.WARNING)


def draining(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield a pod that has no time to go on serving until every node knows that it goes."""
    grace = subject.spec.pod.termination_grace_period_seconds
    own = "preStop" in subject.spec.backend.handlers()
    if grace is not None and grace <= DRAIN_SECONDS and subject.has_service and not own:
        what = f"{grace} leaves no time for the {DRAIN_SECONDS} s in which nodes still send requests"
        hint = f"more than {DRAIN_SECONDS}, or a preStop of the backend's own"
        yield ValidationIssue("spec.pod.terminationGracePeriodSeconds", what, hint, Severity.WARNING)


CHECKS: Final = (keys, restarts, spread, draining)

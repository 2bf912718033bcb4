"""Which field works on which kind of workload: the one table behind the check, the tests and docs/kinds.md. PURE.

A field that is refused on no kind has a row as well: that it works everywhere is tested, kind by kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from appstack.api.workloads import Kind
from appstack.errors import ValidationIssue
from appstack.validation.subject import Subject
from appstack.validation.tree import Value

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_INDEX = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a kind does not have a field, and what to do instead."""

    what: str  # {kind} stands for the kind's name
    hint: str
    only_with: tuple[str, ...] = ()  # refused only beside one of these: `spec.pod.restartPolicy: Never`


@dataclass(frozen=True, slots=True)
class Row:
    """A field, or a value of it, and the kinds that refuse it; on all others it works."""

    name: str  # below spec, without places in lists: sidecars[].native
    value: Any = None  # None: whatever it is set to
    refused: Mapping[Kind, Refusal] = field(default_factory=dict)

    def __str__(self) -> str:
        """The field as people write it."""
        return self.name if self.value is None else f"{self.name}: {_yaml(self.value)}"


def refused(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield fields that the kind of workload does not have."""
    kind = subject.spec.workload.kind
    refusals = [(row, row.refused[kind]) for row in TABLE if kind in row.refused]
    written: dict[str, list[Value]] = {f"spec.{row.name}": [] for row, _ in refusals}
    for each in subject.values:
        written.get(_INDEX.sub("[]", each.field), []).append(each)
    for row, refusal in refusals:
        for where, value in written[f"spec.{row.name}"]:
            if row.value in (None, value) and _together(subject, refusal):
                yield ValidationIssue(where, refusal.what.format(kind=kind), refusal.hint)


def _together(subject: Subject, refusal: Refusal) -> bool:
    """Tell whether what the refusal depends on is written."""
    others = refusal.only_with
    return not others or any(f"{where}: {_yaml(value)}" in others for where, value in subject.values)


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _everywhere(*names: str) -> tuple[Row, ...]:
    return tuple(Row(name) for name in names)


def _on(kinds: Iterable[Kind], what: str, hint: str, *only_with: str) -> Mapping[Kind, Refusal]:
    """Return the same refusal for several kinds."""
    return dict.fromkeys(kinds, Refusal(what, hint, only_with))


def _others(*kinds: Kind) -> tuple[Kind, ...]:
    return tuple(kind for kind in KINDS if kind not in kinds)


def _members() -> tuple[Row, ...]:
    """Return a row for each member of `workload`: it is the options of the kinds that have it."""
    rows = []
    for name, kinds in MEMBERS.items():
        what = f"is for the kind {' and '.join(kinds)}, and the stack is a {{kind}}"
        rows.append(
            Row(f"workload.{name}", refused=_on(_others(*kinds), what, "leave it out, or change workload.kind"))
        )
    return tuple(rows)


MEMBERS: Final[Mapping[str, tuple[Kind, ...]]] = {
    "deployment": ("Deployment",),
    "statefulSet": ("StatefulSet",),
    "daemonSet": ("DaemonSet",),
    "job": ("Job", "CronJob"),
    "cronJob": ("CronJob",),
}
"""The members of `workload`, and the kinds whose options they are."""

_LIVE_ON: Final[tuple[Kind, ...]] = ("Deployment", "StatefulSet", "DaemonSet")
_END: Final[tuple[Kind, ...]] = ("Job", "CronJob")

_NOT_SCALED: Final[Mapping[Kind, Refusal]] = {
    "DaemonSet": Refusal(
        "a DaemonSet has one pod on each node that takes it", "leave it out; spec.pod.nodeSelector says which nodes"
    ),
    **_on(_END, "a {kind} has no replicas", "leave it out; spec.workload.job has parallelism and completions"),
    "Pod": Refusal("a Pod is one pod", "leave it out, or set kind: Deployment"),
}
_NO_BUDGET: Final[Mapping[Kind, Refusal]] = {
    "DaemonSet": Refusal(
        "a drained node keeps its DaemonSets' pods, so a budget guards nothing",
        "leave it out; spec.workload.daemonSet.updateStrategy says how many go at once",
    ),
    **_on(
        _END,
        "a {kind}'s pods come and end, and a budget would only hold up drains",
        "leave it out; one that is evicted is made anew",
    ),
    "Pod": Refusal("a budget of one pod would only hold up its node's drain", "leave it out, or set kind: Deployment"),
}
_HELD_UP: Final = "leave out native: false: a native sidecar ends with the backend"
_NO_ORDINARY: Final[Mapping[Kind, Refusal]] = {
    **_on(_END, "an ordinary container would never let the {kind} complete", _HELD_UP),
    **_on(
        ("Pod",),
        "an ordinary container would never let the pod complete",
        _HELD_UP,
        *("spec.pod.restartPolicy: OnFailure", "spec.pod.restartPolicy: Never"),
    ),
}
_RESTARTED: Final = _on(_LIVE_ON, "a {kind}'s pods are always restarted", "leave it out")
_NO_CLAIMS: Final = _on(
    _others("StatefulSet"), "a {kind} has no claim for each pod", "leave it out, or set kind: StatefulSet"
)
_NAMED_ITSELF: Final[Mapping[Kind, Refusal]] = {
    "StatefulSet": Refusal("each pod of a StatefulSet bears its own name as hostname", "leave it out"),
    **_on(
        _END,
        "each pod of an indexed Job bears its own name as hostname",
        "leave it out",
        "spec.workload.job.completionMode: Indexed",
    ),
}

TABLE: Final[tuple[Row, ...]] = (
    *_members(),
    Row("replicas", refused=_NOT_SCALED),
    Row("autoscaling", refused=_NOT_SCALED),
    Row("podDisruptionBudget", refused=_NO_BUDGET),
    *_everywhere(
        *("backend.startupProbe", "backend.livenessProbe", "backend.readinessProbe", "backend.lifecycle"),
        *("backend.ports[].hostPort", "proxy", "proxy.static[].from", "proxy.static[].volume", "proxy.server"),
        *("proxy.config", "initContainers", "initContainers[].restartPolicy", "sidecars"),
    ),
    Row("sidecars[].role", "Adapter"),
    Row("sidecars[].role", "Ambassador"),
    Row("sidecars[].native", value=False, refused=_NO_ORDINARY),
    *_everywhere("files[].content", "files[].base64", "files[].valueFrom"),
    *_everywhere("volumes[].emptyDir", "volumes[].hostPath", "volumes[].nodeCache", "volumes[].claim"),
    Row("volumes[].claim.perReplica", value=True, refused=_NO_CLAIMS),
    Row("volumes[].claim.retentionPolicy.whenDeleted", "Delete"),
    Row("volumes[].claim.retentionPolicy.whenScaled", "Delete", refused=_NO_CLAIMS),
    *_everywhere("service", "serviceAccount", "ingress", "httpRoute", "networkPolicy", "pod.metadata"),
    Row("pod.restartPolicy", "Always", refused=_on(_END, "a {kind}'s pods end", "OnFailure, the default, or Never")),
    Row("pod.restartPolicy", "OnFailure", refused=_RESTARTED),
    Row("pod.restartPolicy", "Never", refused=_RESTARTED),
    Row("pod.activeDeadlineSeconds", refused=_on(_LIVE_ON, "a {kind}'s pods have no deadline", "leave it out")),
    Row("pod.hostname", refused=_NAMED_ITSELF),
    Row("pod.subdomain", refused=_on(("StatefulSet",), "a {kind}'s is its headless Service", "leave it out")),
    *_everywhere("pod.hostNetwork", "pod.nodeSelector", "pod.tolerations", "pod.affinity", "pod.securityContext"),
    *_everywhere("pod.topologySpreadConstraints", "pod.terminationGracePeriodSeconds", "paused"),
)
"""The rest of a Kubernetes type (Container, PodSpec, ServiceSpec …) is passed on as it is, and works on every kind."""


CHECKS: Final = (refused,)

"""Problems of a workload that gets no pods: quota, LimitRange, Pod Security, webhooks, missing accounts and classes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from appstack.api.status import Problem
from appstack.k8s.observed import Child, Observed
from appstack.k8s.text import truncate
from appstack.render.source_map import container_field_path

_CAUSES: Final[tuple[tuple[str, str, str, str], ...]] = (
    (
        r"exceeded quota: (?P<name>[-.\w]+)",
        "QuotaExceeded",
        "",
        "The ResourceQuota {name} of the namespace is used up: lower spec.replicas or resources, or ask for more",
    ),
    (
        r"failed quota: (?P<name>[-.\w]+): must specify (?P<resource>[\w.,]+)",
        "QuotaExceeded",
        "spec.backend.resources",
        "The ResourceQuota {name} of the namespace asks each container for {resource}: set its resources",
    ),
    (
        r'violates PodSecurity "(?P<name>[a-z]+)',
        "PodSecurityViolated",
        "spec.podSecurity",
        "The namespace enforces Pod Security {name}: set the fields that the message names, or spec.podSecurity: "
        "restricted",
    ),
    (
        r'admission webhook "(?P<name>[^"]+)" denied',
        "AdmissionDenied",
        "",
        "The admission webhook {name} of the cluster refuses the pods: change what its message names",
    ),
    (
        r'failed calling webhook "(?P<name>[^"]+)"',
        "WebhookUnavailable",
        "",
        "The admission webhook {name} of the cluster does not answer: ask its administrator; pods are retried",
    ),
    (
        r"ValidatingAdmissionPolicy '(?P<name>[^']+)'",
        "AdmissionDenied",
        "",
        "The admission policy {name} of the cluster refuses the pods: change what its message names",
    ),
    (
        r'serviceaccounts? "(?P<name>[^"]+)" not found',
        "ServiceAccountNotFound",
        "spec.serviceAccount.name",
        "Create the ServiceAccount {name}, or let AppStack create it: serviceAccount.create",
    ),
    (
        r"no PriorityClass with name (?P<name>[-.\w]+)",
        "PriorityClassNotFound",
        "spec.pod.priorityClassName",
        "The cluster has no PriorityClass {name}: correct the name",
    ),
    (
        r'RuntimeClass "(?P<name>[^"]+)" not found|runtimeclass.*"(?P<other>[^"]+)" not found',
        "RuntimeClassNotFound",
        "spec.pod.runtimeClassName",
        "The cluster has no such RuntimeClass: correct the name",
    ),
    (
        r"(?P<name>(?:maximum|minimum) [-\w]+ (?:usage|limit)? ?per \w+|[-\w]+ max limit to request ratio per \w+)",
        "LimitRangeViolated",
        "spec.backend.resources",
        "The LimitRange of the namespace bounds this: {name}; change the resources of the container",
    ),
)
"""Patterns of the API server's message, the reason, the field and the hint."""

_CONTAINER: Final = re.compile(r'container "(?P<name>[^"]+)"')


def creation_problems(spec: Mapping[str, Any], workload: Child | None, observed: Observed) -> Iterator[Problem]:
    """Yield the problem of a workload whose controller fails to create pods."""
    if workload is None:
        return
    message = truncate(_message(workload, observed))
    if message:
        reason, field, hint = _cause(message, spec)
        yield Problem(
            resource=f"{workload.ref.kind}/{workload.ref.name}",
            reason=reason,
            message=truncate(f"No pod can be created: {message.removeprefix('Error creating: ')}"),
            field=field,
            hint=hint,
        )


def _message(workload: Child, observed: Observed) -> str:
    """Return the API server's words; empty if the workload has its pods."""
    for condition in workload.status.get("conditions") or ():
        if (condition.get("type"), condition.get("status")) == ("ReplicaFailure", "True"):
            return str(condition.get("message") or "")
    if workload.ref.kind == "Deployment" or not _has_missing_pods(workload, observed):
        return ""  # a Deployment has the condition as long as the failure lasts
    events = (event.message for event in observed.warnings if event.reason == "FailedCreate")
    return next((message for message in events if not message.startswith("create Claim")), "")


def _has_missing_pods(workload: Child, observed: Observed) -> bool:
    status, alive = workload.status, [pod for pod in observed.pods if not pod.deleting]
    desired = {
        "StatefulSet": workload.spec.get("replicas", 1),
        "DaemonSet": status.get("desiredNumberScheduled", 0),
        "Job": 1,
    }
    finished = workload.ended is not None
    return not finished and len(alive) < desired.get(workload.ref.kind, 0)


def _cause(message: str, spec: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return reason, field and hint."""
    for pattern, reason, field, hint in _CAUSES:
        found = re.search(pattern, message)
        if found is not None:
            values = {"name": "", "resource": "", **{k: v for k, v in found.groupdict().items() if v}}
            return reason, _field(reason, field, message, spec), hint.format(**values)
    return "FailedCreate", "", "Change what the message names"


def _field(reason: str, field: str, message: str, spec: Mapping[str, Any]) -> str:
    """Return the field, of the container that the message names where there is one."""
    container = _CONTAINER.search(message)
    path = container_field_path(container["name"], spec) if container else ""
    if reason == "PodSecurityViolated":
        return f"{path}.securityContext" if path else "spec.pod.securityContext"
    if reason == "LimitRangeViolated" and path:
        return f"{path}.resources"
    if reason == "QuotaExceeded" and not field:
        return "spec.replicas" if re.search(r"requested: [^:]*\bpods=", message) else "spec.backend.resources"
    return field

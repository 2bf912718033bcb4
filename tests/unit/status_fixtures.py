"""An AppStack with its observed objects, and the status that is built from them, for tests of the status."""

from __future__ import annotations

from typing import Any

from appstack.api import parse
from appstack.api.status import Problem, Status
from appstack.errors import Severity, ValidationIssue
from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed
from appstack.planning.changes import Action, Applied, Change
from appstack.planning.desired import DesiredState
from appstack.status.build import build_status

NOW, YESTERDAY = "2026-11-21T07:00:00Z", "2026-11-20T07:00:00Z"
DEPLOYMENT = Ref("apps/v1", "Deployment", "team-a", "shop")
SERVICE = Ref("v1", "Service", "team-a", "shop")
POD = Ref("v1", "Pod", "team-a", "shop-1")
AVAILABLE = {
    "observedGeneration": 4,
    "replicas": 2,
    "updatedReplicas": 2,
    "readyReplicas": 2,
    "availableReplicas": 2,
    "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}],
}

READY, RECONCILING, STALLED = (
    {"Ready": "True"},
    {"Ready": "False", "Reconciling": "True"},
    {"Ready": "False", "Stalled": "True"},
)
"""The conditions of each severity, as `condition_statuses` returns them."""


def appstack(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """Return the manifest of an AppStack with a backend, the fields of `spec` and a status."""
    return {
        "apiVersion": "appstack.dev/v1alpha1",
        "kind": "AppStack",
        "metadata": {"name": "shop", "namespace": "team-a", "uid": "u", "generation": 7},
        "spec": {"backend": {"image": "s"}, **spec},
        "status": status or {},
    }


def child(ref: Ref, **fields: Any) -> Child:
    """Return an observed child of the AppStack."""
    return Child(ref, uid="1", resource_version="1", stack="shop", **{"generation": 4, **fields})


def observed_deployment(status: dict[str, Any] | None = None, *, pods: tuple[Child, ...] = ()) -> Observed:
    """Return a Deployment of two replicas, all available by default, with its Service and pods."""
    workload = child(DEPLOYMENT, spec={"replicas": 2}, status=AVAILABLE if status is None else status)
    service = child(SERVICE, spec={"ports": [{"name": "http", "port": 80}]})
    return Observed(children={DEPLOYMENT: workload, SERVICE: service}, pods=pods)


def change(ref: Ref = DEPLOYMENT, action: Action = Action.UNCHANGED, error: Any = None) -> Change:
    """Return the change of a child that has been applied."""
    return Change(ref, action, applied=Applied(ref, rendered="r", fields="f"), error=error)


def status_of(
    manifest: dict[str, Any] | None = None,
    observed: Observed | None = None,
    changes: tuple[Change, ...] = (),
    issues: tuple[ValidationIssue, ...] = (),
    unrecorded: tuple[Applied, ...] = (),
    drift_problems: tuple[Problem, ...] = (),
    *,
    status_logs: bool = True,
) -> dict[str, Any]:
    """Return the status of an AppStack, by default of one whose Deployment is available; the CRD's model accepts it."""
    manifest = appstack() if manifest is None else manifest
    is_invalid = any(issue.severity is Severity.ERROR for issue in issues)
    status = build_status(
        manifest,
        desired=DesiredState(None if is_invalid else parse(manifest), issues, status_logs=status_logs),
        observed=observed_deployment() if observed is None else observed,
        changes=changes,
        drift_problems=drift_problems,
        unrecorded=unrecorded,
        now=NOW,
    )
    Status.model_validate(status)
    return status


def condition_statuses(status: dict[str, Any]) -> dict[str, str]:
    """Return the status of each condition by its type."""
    return {condition["type"]: condition["status"] for condition in status["conditions"]}


def reason(status: dict[str, Any]) -> str:
    """Return the reason of Ready."""
    return str(status["conditions"][0]["reason"])


def message(status: dict[str, Any]) -> str:
    """Return the message of Ready."""
    return str(status["conditions"][0].get("message", ""))

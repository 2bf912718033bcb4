"""Ready, Reconciling and Stalled conditions as kstatus defines them, derived from one ReadyResult.

Why Reconciling and Stalled are absent unless they are True: docs/decisions/0007-conditions.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final

from appstack.api.status import Condition
from appstack.errors import ApiRejected, ApiUnavailable, KindNotServed, OwnershipConflict, Severity, ValidationIssue
from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Dependency
from appstack.k8s.text import join_messages, truncate
from appstack.planning.drift import DRIFT_REASON
from appstack.policy.evaluation import WARN_SETTING


class ConditionSeverity(IntEnum):
    """Severity of a result, in ascending order."""

    READY = 0
    RECONCILING = 1  # in progress or retried; no user action is needed
    STALLED = 2  # it does not recover without a user action


_MAX_PENDING_CHARACTERS: Final = 300  # for the names of pending objects in the message of a paused stack
_ABNORMAL_TYPES: Final[Mapping[ConditionSeverity, str]] = {
    ConditionSeverity.RECONCILING: "Reconciling",
    ConditionSeverity.STALLED: "Stalled",
}


@dataclass(frozen=True, slots=True)
class ReadyResult:
    """Result of a reconcile as the conditions report it; each function below constructs one result."""

    severity: ConditionSeverity
    reason: str
    message: str


def ready(message: str) -> ReadyResult:
    """Return the result for a healthy workload whose objects are all applied."""
    return ReadyResult(ConditionSeverity.READY, "Ready", message)


def progressing(message: str) -> ReadyResult:
    """Return the result for a workload that has not reached the state of its spec yet."""
    return ReadyResult(ConditionSeverity.RECONCILING, "Progressing", message)


def replacing(message: str) -> ReadyResult:
    """Return the result for a Job or Pod that is deleted and then recreated."""
    return ReadyResult(ConditionSeverity.RECONCILING, "Replaced", message)


def dependency_not_ready(awaited: Iterable[Dependency], *, since: str) -> ReadyResult:
    """Return the result for a workload that is created when other AppStacks are ready."""
    states = [f"{each.name}, which {'is not ready' if each.exists else 'does not exist'}" for each in awaited]
    message = f"The workload waits since {since} for AppStack {join_messages(states)}"
    return ReadyResult(ConditionSeverity.RECONCILING, "DependencyNotReady", message)


def kind_not_served(error: KindNotServed) -> ReadyResult:
    """Return the result for an object of a kind that the cluster does not serve."""
    return ReadyResult(ConditionSeverity.STALLED, "MissingKind", str(error))


def replica_failure(message: str) -> ReadyResult:
    """Return the result for a workload with a controller that fails to create pods and retries."""
    return ReadyResult(ConditionSeverity.RECONCILING, "ReplicaFailure", message)


def api_unavailable(error: ApiUnavailable) -> ReadyResult:
    """Return the result for a temporary failure of the API server, which AppStack retries."""
    return ReadyResult(ConditionSeverity.RECONCILING, "Unavailable", f"{error}; AppStack retries")


def drift_backoff(message: str) -> ReadyResult:
    """Return the result for a child with recurring drift, while its next repair is delayed."""
    return ReadyResult(ConditionSeverity.RECONCILING, DRIFT_REASON, message)


def workload_failed(message: str) -> ReadyResult:
    """Return the result for a failed Job or Pod, which only a changed spec runs again."""
    return ReadyResult(ConditionSeverity.STALLED, "Failed", message)


def deadline_exceeded(message: str) -> ReadyResult:
    """Return the result for a rollout without progress within its deadline."""
    return ReadyResult(ConditionSeverity.STALLED, "ProgressDeadlineExceeded", message)


def invalid_spec(issues: Iterable[ValidationIssue]) -> ReadyResult:
    """Return the result for a spec that cannot be rendered, or that the administrator's policy refuses."""
    return ReadyResult(ConditionSeverity.STALLED, "InvalidSpec", join_messages([str(issue) for issue in issues]))


def ownership_conflict(error: OwnershipConflict) -> ReadyResult:
    """Return the result for an object that has the name of a child and another owner."""
    return ReadyResult(ConditionSeverity.STALLED, "ForeignObject", str(error))


def rejected(error: ApiRejected) -> ReadyResult:
    """Return the result for a child that the API server rejects."""
    return ReadyResult(ConditionSeverity.STALLED, "Refused", str(error))


def apply_failed(error: Exception) -> ReadyResult:
    """Return the result for any other error of an apply, which AppStack retries."""
    return ReadyResult(ConditionSeverity.RECONCILING, "Failed", f"{error}; AppStack retries")


def paused(result: ReadyResult, pending: Sequence[Ref]) -> ReadyResult:
    """Return the result of a paused stack, with the objects that have a pending change in its message."""
    message = f"{result.message}; paused: AppStack writes nothing"
    if pending:
        names = join_messages([f"{ref.kind} {ref.name}" for ref in pending], limit=_MAX_PENDING_CHARACTERS)
        message = f"{message}; pending changes: {names}"
    return replace(result, reason="Paused", message=message)


def most_severe(results: Sequence[ReadyResult]) -> ReadyResult:
    """Return the first of the most severe results, with the messages of all results that share its reason."""
    first = max(results, key=lambda result: result.severity)
    messages = [each.message for each in results if (each.severity, each.reason) == (first.severity, first.reason)]
    return replace(first, message=join_messages(messages))


def with_warnings(result: ReadyResult, issues: Iterable[ValidationIssue]) -> ReadyResult:
    """Return the result with the warnings among the issues appended to its message.

    Those of the level `podSecurity.warn`, which most AppStacks have, are left out of the message of a problem.
    """
    warnings = [
        str(issue)
        for issue in issues
        if issue.severity is Severity.WARNING and (result.reason == "Ready" or issue.policy != WARN_SETTING)
    ]
    if not warnings:
        return result
    return replace(result, message=truncate(f"{result.message}. Warning: {join_messages(warnings)}"))


def build_conditions(
    result: ReadyResult, *, previous: Iterable[Mapping[str, Any]], generation: int, now: str
) -> tuple[Condition, ...]:
    """Return Ready, and Reconciling or Stalled where the result is not ready.

    `lastTransitionTime` is kept from the previous conditions while the status of a condition stays the same.
    """
    previous_by_type = {condition.get("type"): condition for condition in previous}
    is_ready = result.severity is ConditionSeverity.READY
    statuses = {"Ready": "True" if is_ready else "False"}
    if not is_ready:
        statuses[_ABNORMAL_TYPES[result.severity]] = "True"
    return tuple(
        Condition.model_validate(
            {
                "type": condition_type,
                "status": status,
                "reason": result.reason,
                "message": truncate(result.message),
                "lastTransitionTime": _transition_time(previous_by_type.get(condition_type), status, now),
                "observedGeneration": generation,
            }
        )
        for condition_type, status in statuses.items()
    )


def since(condition_type: str, *, previous: Iterable[Mapping[str, Any]], now: str) -> str:
    """Return the time since which a condition of the previous status is True; `now` if it is not."""
    found = next((condition for condition in previous if condition.get("type") == condition_type), None)
    return _transition_time(found, "True", now)


def _transition_time(previous: Mapping[str, Any] | None, status: str, now: str) -> str:
    if previous is None or previous.get("status") != status:
        return now
    return str(previous.get("lastTransitionTime") or now)

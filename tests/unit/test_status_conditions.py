"""Ready, Reconciling and Stalled conditions: statuses, reasons, messages and transition times."""

from __future__ import annotations

from typing import Any

import pytest

from appstack.errors import (
    ApiRejected,
    ApiUnavailable,
    KindNotServed,
    OperatorError,
    OwnershipConflict,
    Severity,
    ValidationIssue,
)
from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Observed
from appstack.k8s.text import MAX_MESSAGE
from appstack.planning.changes import Action, Change
from tests.unit.status_fixtures import (
    AVAILABLE,
    NOW,
    POD,
    READY,
    RECONCILING,
    SERVICE,
    STALLED,
    YESTERDAY,
    appstack,
    change,
    child,
    condition_statuses,
    message,
    observed_deployment,
    reason,
    status_of,
)

INVALID = ValidationIssue("spec", "is wrong")


@pytest.mark.parametrize(
    ("workload_status", "expected_message"),
    [
        ({"observedGeneration": 3}, "has not observed this revision"),
        ({"updatedReplicas": 1}, "1 of 2 pods is of this revision"),
        ({"availableReplicas": 0}, "0 of 2 pods are available"),
        ({"availableReplicas": 1}, "1 of 2 pods is available"),
        ({"replicas": 3}, "1 pod of the old revision still terminating"),
    ],
)
def test_unfinished_rollout_is_reconciling(workload_status: dict[str, Any], expected_message: str) -> None:
    status = status_of(observed=observed_deployment({**AVAILABLE, **workload_status}))

    assert condition_statuses(status) == RECONCILING
    assert reason(status) == "Progressing"
    assert expected_message in message(status)


def test_replica_failure_has_the_message_of_the_api_server() -> None:
    forbidden = 'pods "shop-1" is forbidden: violates PodSecurity "restricted:latest"'
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": forbidden}
    status = status_of(observed=observed_deployment({"observedGeneration": 4, "conditions": [failure]}))

    assert condition_statuses(status) == RECONCILING
    assert reason(status) == "ReplicaFailure"
    cause = f"Deployment/shop: PodSecurityViolated: No pod can be created: {forbidden}"
    assert message(status) == f"0 of 2 pods are of this revision; {cause}"


def test_rollout_beyond_its_deadline_is_stalled() -> None:
    exceeded = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    observed = observed_deployment({**AVAILABLE, "availableReplicas": 1, "conditions": [exceeded]})
    status = status_of(observed=observed)

    assert condition_statuses(status) == STALLED
    assert reason(status) == "ProgressDeadlineExceeded"


def test_workload_is_not_ready_before_its_last_write_is_observed() -> None:
    assert condition_statuses(status_of(changes=(change(action=Action.CONFIGURED),))) == RECONCILING
    assert condition_statuses(status_of(observed=Observed())) == RECONCILING
    assert condition_statuses(status_of(changes=(change(SERVICE, Action.CONFIGURED),))) == READY


@pytest.mark.parametrize(
    ("error", "expected", "expected_reason", "prefix"),
    [
        (OwnershipConflict(SERVICE), STALLED, "ForeignObject", "Service team-a/shop exists and is not controlled by"),
        (
            ApiRejected(SERVICE, status=422, reason="Invalid", message="no"),
            STALLED,
            "Refused",
            "Service team-a/shop: no",
        ),
        (
            ApiUnavailable("the API server is away"),
            RECONCILING,
            "Unavailable",
            "the API server is away; AppStack retries",
        ),
        (OperatorError("Odd", "Ask"), RECONCILING, "Failed", "Odd. Ask; AppStack retries"),
    ],
)
def test_failed_change_determines_the_conditions(
    error: Any, expected: dict[str, str], expected_reason: str, prefix: str
) -> None:
    status = status_of(changes=(change(SERVICE, Action.FAILED, error), change()))

    assert condition_statuses(status) == expected
    assert reason(status) == expected_reason
    assert message(status).startswith(prefix)


def test_kind_not_served_names_the_crd_to_install() -> None:
    route = Ref("gateway.networking.k8s.io/v1", "HTTPRoute", "team-a", "shop")
    status = status_of(changes=(change(), change(route, Action.FAILED, KindNotServed(route))))

    assert condition_statuses(status) == STALLED
    assert reason(status) == "MissingKind"
    assert "install its CustomResourceDefinition" in message(status)


def test_invalid_spec_message_has_as_many_issues_as_fit() -> None:
    few = tuple(ValidationIssue(f"spec.a[{number}]", "is wrong") for number in range(2))
    many = tuple(ValidationIssue(f"spec.a[{number}]", "is wrong" + "!" * 50) for number in range(90))
    long = (ValidationIssue("spec", "x" * 5000),)

    assert condition_statuses(status_of(issues=few)) == STALLED
    assert reason(status_of(issues=few)) == "InvalidSpec"
    assert message(status_of(issues=few)) == "spec.a[0]: is wrong; spec.a[1]: is wrong"
    assert message(status_of(issues=many)).endswith(" more")
    assert len(message(status_of(issues=many))) <= MAX_MESSAGE
    assert len(message(status_of(issues=long))) <= MAX_MESSAGE


def test_warning_is_part_of_the_message_of_a_ready_stack() -> None:
    status = status_of(issues=(ValidationIssue("spec.volumes[0]", "is not used", severity=Severity.WARNING),))

    assert condition_statuses(status) == READY
    assert message(status) == "2 of 2 pods are available. Warning: spec.volumes[0]: is not used"


def test_paused_stack_has_the_conditions_of_its_workload() -> None:
    status = status_of(appstack(paused=True))

    assert condition_statuses(status) == READY
    assert reason(status) == "Paused"
    assert message(status).endswith("AppStack writes nothing")


def test_paused_stack_names_its_pending_changes() -> None:
    skipped = (change(action=Action.SKIPPED), Change(SERVICE, Action.SKIPPED))

    status = status_of(appstack(paused=True), changes=skipped)

    assert condition_statuses(status) == READY
    assert message(status).endswith("writes nothing; pending changes: Deployment shop; Service shop")


def test_crash_that_the_workload_does_not_count_yet_is_not_ready() -> None:
    terminated = {"name": "backend", "state": {"terminated": {"exitCode": 3}}, "restartCount": 1}
    pod = child(POD, status={"containerStatuses": [terminated]})

    assert condition_statuses(status_of(observed=observed_deployment(pods=(pod,)))) == RECONCILING


def test_transition_time_changes_with_the_status_of_the_condition() -> None:
    previous = status_of()
    previous["conditions"][0]["lastTransitionTime"] = YESTERDAY
    unchanged, changed = status_of(appstack(previous)), status_of(appstack(previous), issues=(INVALID,))

    assert unchanged["conditions"][0]["lastTransitionTime"] == YESTERDAY
    assert {condition["lastTransitionTime"] for condition in changed["conditions"]} == {NOW}

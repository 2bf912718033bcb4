"""Status of run-once workloads: finished Jobs and Pods, replacements, and failed runs of CronJobs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed, TerminalState
from appstack.planning.changes import Action, Applied, Change
from tests.unit.status_fixtures import (
    POD,
    READY,
    RECONCILING,
    STALLED,
    appstack,
    child,
    condition_statuses,
    message,
    reason,
    status_of,
)

JOB = Ref("batch/v1", "Job", "team-a", "shop")
CRON_JOB = Ref("batch/v1", "CronJob", "team-a", "shop")
CRON_STACK = appstack(workload={"kind": "CronJob", "cronJob": {"schedule": "@daily"}})
FAILED_JOB = {"conditions": [{"type": "Failed", "status": "True", "message": "Too often"}]}
PROBLEM = {"pod": "shop-x", "container": "backend", "reason": "Error", "message": "The container exited with code 3"}


def job_stack(status: dict[str, Any] | None = None) -> dict[str, Any]:
    return appstack(status, workload={"kind": "Job"})


@pytest.mark.parametrize(
    ("end", "expected", "expected_message"),
    [
        (TerminalState.COMPLETED, READY, "Completed; the object was deleted"),
        (TerminalState.FAILED, STALLED, "Failed; the object was deleted"),
        (None, RECONCILING, "not been observed yet"),
    ],
)
def test_terminal_state_of_a_deleted_job_stays_in_the_status(
    end: TerminalState | None, expected: dict[str, str], expected_message: str
) -> None:
    unchanged = Change(JOB, Action.UNCHANGED, applied=Applied(JOB, "r", "f", end))

    status = status_of(job_stack(), Observed(), (unchanged,))

    assert condition_statuses(status) == expected
    assert expected_message in message(status)
    assert [resource.get("ended") for resource in status["resources"]] == [end]
    assert condition_statuses(status_of(job_stack(status), Observed())) == expected, "without changes, as if paused"


def test_replacement_is_reported_until_the_job_is_deleted() -> None:
    replaced = Change(JOB, Action.REPLACED, applied=Applied(JOB, "r", "f"), note="the former one has ended")
    terminating = Observed({JOB: child(JOB, deleting=True)})
    status = status_of(job_stack(), terminating, (replaced,))

    assert reason(status) == "Replaced"
    assert message(status) == "Job team-a/shop is being deleted and will be recreated: the former one has ended"
    assert reason(status_of(job_stack(), terminating)) == "Replaced"


def test_problems_of_a_failed_job_outlive_its_pods() -> None:
    previous = {"problems": [PROBLEM]}
    failed = Observed({JOB: child(JOB, owner_uid="u", status=FAILED_JOB, ended=TerminalState.FAILED)})

    assert status_of(job_stack(previous), failed)["problems"] == [PROBLEM]
    assert "problems" not in status_of(job_stack(previous), Observed({JOB: child(JOB)}))


def cron_run(number: int, ended: TerminalState | None, *, exit_code: int | None = None) -> tuple[Child, ...]:
    """Return a Job of the CronJob and, with an exit code, its failed pod."""
    ref, status = replace(JOB, name=f"shop-{number}"), FAILED_JOB if ended is TerminalState.FAILED else {}
    uid, created = f"job-{number}", f"2026-11-21T06:0{number}:00Z"
    job = replace(child(ref, owner_uid="cron", created=created, ended=ended, status=status), uid=uid)
    if exit_code is None:
        return (job,)
    container = {"name": "backend", "restartCount": 0, "state": {"terminated": {"exitCode": exit_code}}}
    pod = child(replace(POD, name=ref.name), status={"phase": "Failed", "containerStatuses": [container]})
    return job, replace(pod, owner_uid=uid)


@pytest.mark.parametrize(
    ("sentence", "runs", "exit_codes"),
    [
        ("the last run failed", [cron_run(1, TerminalState.FAILED, exit_code=3)], [3]),
        (
            "a later run completed",
            [cron_run(1, TerminalState.FAILED, exit_code=3), cron_run(2, TerminalState.COMPLETED)],
            [],
        ),
        ("a later run is active", [cron_run(1, TerminalState.FAILED, exit_code=3), cron_run(2, None)], [3]),
        (
            "a later run failed with another code",
            [cron_run(1, TerminalState.FAILED, exit_code=3), cron_run(2, TerminalState.FAILED, exit_code=4)],
            [4],
        ),
        ("the failed run has no pod", [cron_run(1, TerminalState.FAILED)], [None]),
    ],
)
def test_cron_job_reports_its_last_failure_and_stays_ready(
    sentence: str, runs: list[tuple[Child, ...]], exit_codes: list[int | None]
) -> None:
    objects = [each for run in runs for each in run]
    cron_job = replace(child(CRON_JOB, owner_uid="u"), uid="cron")
    children = {each.ref: each for each in (cron_job, *objects) if each.ref.kind != "Pod"}
    pods = tuple(each for each in objects if each.ref.kind == "Pod")

    status = status_of(CRON_STACK, Observed(children, pods=pods))

    assert [problem.get("exitCode") for problem in status.get("problems", ())] == exit_codes, sentence
    assert condition_statuses(status) == READY
    assert ("failed: Too often" in message(status)) == (exit_codes == [None])


def test_problems_of_a_failed_cron_job_run_outlive_its_pods() -> None:
    cron_job = replace(child(CRON_JOB, owner_uid="u"), uid="cron")
    (job,) = cron_run(1, TerminalState.FAILED)

    status = status_of(CRON_STACK | {"status": {"problems": [PROBLEM]}}, Observed({CRON_JOB: cron_job, job.ref: job}))

    assert status["problems"] == [PROBLEM]

"""Job history: current, former and interrupted runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed, Owner, TerminalState
from appstack.status.job_history import job_history

OWNER = Owner("shop", "u")
NOW = "2026-11-21T09:00:00Z"
COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}], "completionTime": "2026-11-21T08:01:00Z"}
FAILED = {
    "conditions": [
        {"type": "Failed", "status": "True", "message": "Too often", "lastTransitionTime": "2026-11-21T08:02:00Z"}
    ]
}


def job(minute: int, ended: TerminalState | None = None, *, name: str = "shop", owner: str = "u") -> Child:
    statuses: dict[TerminalState | None, dict[str, Any]] = {
        None: {},
        TerminalState.COMPLETED: COMPLETE,
        TerminalState.FAILED: FAILED,
    }
    ref = Ref("batch/v1", "Job", "team", name)
    created = f"2026-11-21T08:{minute:02}:00Z"
    return Child(
        ref, f"{name}-{minute}", "1", "shop", owner_uid=owner, created=created, ended=ended, status=statuses[ended]
    )


def history(
    *children: Child, kind: str = "Job", previous: Any = (), deleted: tuple[Child, ...] = ()
) -> list[dict[str, Any]]:
    observed = Observed({child.ref: child for child in children}, ended={child.ref: child for child in deleted})
    runs = job_history(observed, kind=kind, owner=OWNER, previous=previous, now=NOW)
    return [run.model_dump(by_alias=True, exclude_defaults=True) for run in runs]


def outcomes(runs: list[dict[str, Any]]) -> list[str]:
    """Return the minute of the start and the outcome of each run."""
    return [f"{run['startTime'][14:16]} {run['outcome']}" for run in runs]


def test_run_is_running_until_its_job_finishes() -> None:
    running = {"name": "shop", "uid": "shop-1", "outcome": "Running", "startTime": "2026-11-21T08:01:00Z"}
    assert [running] == history(job(1))
    (completed,) = history(job(1, TerminalState.COMPLETED))
    assert ("Completed", "2026-11-21T08:01:00Z") == (completed["outcome"], completed["endTime"])
    (failed,) = history(job(1, TerminalState.FAILED))
    assert ("Failed", "2026-11-21T08:02:00Z", "Too often") == (failed["outcome"], failed["endTime"], failed["message"])


def test_former_run_stays_in_the_history() -> None:
    previous = history(job(1, TerminalState.COMPLETED))

    assert ["05 Running", "01 Completed"] == outcomes(history(job(5), previous=previous))
    assert ["01 Completed"] == outcomes(history(previous=previous))


def test_run_without_a_terminal_state_is_interrupted_when_its_job_is_deleted() -> None:
    (interrupted,) = history(previous=history(job(1)))

    assert ("Failed", NOW, "It was deleted before it came to its end") == (
        interrupted["outcome"],
        interrupted["endTime"],
        interrupted["message"],
    )
    assert [interrupted] == history(previous=[interrupted]), "an interrupted run stays as it was recorded"


def test_run_of_a_job_that_finished_and_was_deleted_keeps_its_outcome() -> None:
    assert ["01 Completed"] == outcomes(history(previous=history(job(1)), deleted=(job(1, TerminalState.COMPLETED),)))


def test_cron_job_history_has_its_five_newest_jobs() -> None:
    cron_job = Child(Ref("batch/v1", "CronJob", "team", "shop"), "cron", "1", "shop", owner_uid="u")
    jobs = [job(minute, TerminalState.COMPLETED, name=f"shop-{minute}", owner="cron") for minute in range(7)]
    unrelated = job(9, name="unrelated", owner="another")

    assert ["06", "05", "04", "03", "02"] == [
        outcome[:2] for outcome in outcomes(history(cron_job, *jobs, unrelated, kind="CronJob"))
    ]


def test_runs_with_equal_name_and_start_time_are_distinguished_by_uid() -> None:
    previous = history(replace(job(1, TerminalState.COMPLETED), uid="first"))

    runs = history(replace(job(1), uid="second"), previous=previous)

    assert [("second", "Running"), ("first", "Completed")] == [(run["uid"], run["outcome"]) for run in runs]


def test_job_of_a_former_stack_with_the_same_name_is_not_in_the_history() -> None:
    assert [] == history(deleted=(job(1, TerminalState.COMPLETED, owner="former"),))


def test_message_of_a_failed_pod_names_the_container() -> None:
    terminated = {"terminated": {"exitCode": 3, "finishedAt": "2026-11-21T08:07:00Z"}}
    status = {"phase": "Failed", "containerStatuses": [{"name": "backend", "state": terminated}]}
    ref = Ref("v1", "Pod", "team", "shop")
    pod = Child(
        ref, "p", "1", "shop", owner_uid="u", created="2026-11-21T08:01:00Z", ended=TerminalState.FAILED, status=status
    )

    (run,) = history(pod, kind="Pod")

    assert ("2026-11-21T08:07:00Z", "backend exited with code 3") == (run["endTime"], run["message"])


def test_deployment_has_no_job_history() -> None:
    assert [] == history(job(1), kind="Deployment", previous=history(job(1)))

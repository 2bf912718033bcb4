"""The last runs: what is there, what was, and what was cut off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed, Owner, TerminalState
from appstack.status.job_history import runs

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


def told(*children: Child, kind: str = "Job", former: Any = (), gone: tuple[Child, ...] = ()) -> list[dict[str, Any]]:
    observed = Observed({child.ref: child for child in children}, ended={child.ref: child for child in gone})
    found = runs(observed, kind=kind, owner=OWNER, former=former, now=NOW)
    return [run.model_dump(by_alias=True, exclude_defaults=True) for run in found]


def outcomes(found: list[dict[str, Any]]) -> list[str]:
    return [f"{run['startTime'][14:16]} {run['outcome']}" for run in found]


def test_a_run_goes_on_and_ends() -> None:
    running = {"name": "shop", "uid": "shop-1", "outcome": "Running", "startTime": "2026-11-21T08:01:00Z"}
    assert [running] == told(job(1))
    (completed,) = told(job(1, TerminalState.COMPLETED))
    assert ("Completed", "2026-11-21T08:01:00Z") == (completed["outcome"], completed["endTime"])
    (failed,) = told(job(1, TerminalState.FAILED))
    assert ("Failed", "2026-11-21T08:02:00Z", "Too often") == (failed["outcome"], failed["endTime"], failed["message"])


def test_an_earlier_run_stays_readable() -> None:
    former = told(job(1, TerminalState.COMPLETED))

    assert ["05 Running", "01 Completed"] == outcomes(told(job(5), former=former))
    assert ["01 Completed"] == outcomes(told(former=former))


def test_a_run_that_is_gone_before_its_end_was_cut_off() -> None:
    (cut,) = told(former=told(job(1)))

    assert ("Failed", NOW, "It was deleted before it came to its end") == (
        cut["outcome"],
        cut["endTime"],
        cut["message"],
    )
    assert [cut] == told(former=[cut]), "once, and for ever"


def test_a_run_that_ended_and_was_gone_at_once_has_ended() -> None:
    assert ["01 Completed"] == outcomes(told(former=told(job(1)), gone=(job(1, TerminalState.COMPLETED),)))


def test_a_cron_job_has_its_jobs_as_runs_and_five_at_most() -> None:
    cron = Child(Ref("batch/v1", "CronJob", "team", "shop"), "cron", "1", "shop", owner_uid="u")
    jobs = [job(minute, TerminalState.COMPLETED, name=f"shop-{minute}", owner="cron") for minute in range(7)]
    stranger = job(9, name="stranger", owner="another")

    assert ["06", "05", "04", "03", "02"] == [one[:2] for one in outcomes(told(cron, *jobs, stranger, kind="CronJob"))]


def test_two_runs_of_one_name_in_one_second_are_two() -> None:
    former = told(replace(job(1, TerminalState.COMPLETED), uid="first"))

    found = told(replace(job(1), uid="second"), former=former)

    assert [("second", "Running"), ("first", "Completed")] == [(run["uid"], run["outcome"]) for run in found]


def test_a_former_stack_of_this_name_has_runs_of_its_own() -> None:
    assert [] == told(gone=(job(1, TerminalState.COMPLETED, owner="former"),))


def test_a_pod_says_which_container_failed() -> None:
    terminated = {"terminated": {"exitCode": 3, "finishedAt": "2026-11-21T08:07:00Z"}}
    status = {"phase": "Failed", "containerStatuses": [{"name": "backend", "state": terminated}]}
    ref = Ref("v1", "Pod", "team", "shop")
    pod = Child(
        ref, "p", "1", "shop", owner_uid="u", created="2026-11-21T08:01:00Z", ended=TerminalState.FAILED, status=status
    )

    (run,) = told(pod, kind="Pod")

    assert ("2026-11-21T08:07:00Z", "backend exited with code 3") == (run["endTime"], run["message"])


def test_what_serves_has_no_runs() -> None:
    assert [] == told(job(1), kind="Deployment", former=told(job(1)))

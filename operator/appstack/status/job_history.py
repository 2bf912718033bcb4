"""Job history: the current and the former runs of a Job, CronJob or Pod."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from appstack.api.status import MAX_RUNS, Run
from appstack.k8s.observed import Child, Observed, Owner, TerminalState
from appstack.k8s.text import truncate

_INTERRUPTED: Final = "It was deleted before it came to its end"
"""The message of an interrupted run. It is compared with messages in recorded statuses, so it must not change."""


def job_history(
    observed: Observed, *, kind: str, owner: Owner, previous: Iterable[Mapping[str, Any]], now: str
) -> tuple[Run, ...]:
    """Return the most recent runs, the newest first; other kinds have none.

    The runs of objects that no longer exist come from the previous status. `now` is a timestamp.
    """
    if kind not in ("Job", "CronJob", "Pod"):
        return ()
    current = {run.uid: run for run in _observed_runs(observed, kind, owner)}
    recorded = (Run.model_validate(run) for run in previous)
    former = {run.uid: _finish(run, now=now) for run in recorded}
    newest = sorted((former | current).values(), key=_order, reverse=True)
    return tuple(newest[:MAX_RUNS])


def _order(run: Run) -> tuple[str, bool, str]:
    """Return the sort key of a run: start time; within one second, a running one is the later run of its name."""
    return run.start_time, run.outcome == "Running", run.name


def last_failure(runs: Sequence[Run], *, kind: str) -> Run | None:
    """Return the last run if it failed; for a CronJob, the last run that finished without being interrupted."""
    if kind == "CronJob":
        runs = [run for run in runs if run.outcome != "Running" and run.message != _INTERRUPTED]
    return next((run for run in runs[:1] if run.outcome == "Failed"), None)


def _observed_runs(observed: Observed, kind: str, owner: Owner) -> Iterator[Run]:
    children = (*observed.ended.values(), *observed.children.values())
    workloads = [
        child
        for child in children
        if (child.ref.kind, child.ref.name, child.owner_uid) == (kind, owner.name, owner.uid)
    ]
    if kind == "CronJob":
        cron_job_uids = {child.uid for child in workloads}
        workloads = [child for child in children if child.ref.kind == "Job" and child.owner_uid in cron_job_uids]
    for child in workloads:
        yield _run(child)


def _run(child: Child) -> Run:
    end_of = _pod_end if child.ref.kind == "Pod" else _job_end
    end_time, message = end_of(child.status) if child.ended else (None, "")
    return Run(
        name=child.ref.name,
        uid=child.uid,
        outcome=child.ended.value if child.ended else "Running",
        start_time=child.created,
        end_time=end_time,
        message=truncate(message) if child.ended is TerminalState.FAILED else "",
    )


def _job_end(status: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the end time of a finished Job and the message of its terminal condition."""
    conditions = {one["type"]: one for one in status.get("conditions") or () if one.get("status") == "True"}
    terminal = conditions.get("Complete") or conditions.get("Failed") or {}
    return status.get("completionTime") or terminal.get("lastTransitionTime"), str(terminal.get("message", ""))


def _pod_end(status: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the end time of a pod's last container, and the pod's message or the exit codes of its containers."""
    container_statuses = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    ends = [(one["name"], (one.get("state") or {}).get("terminated") or {}) for one in container_statuses]
    failures = [f"{name} exited with code {end['exitCode']}" for name, end in ends if end.get("exitCode")]
    times = [end["finishedAt"] for _, end in ends if end.get("finishedAt")]
    return max(times, default=None), str(status.get("message") or "; ".join(failures))


def _finish(run: Run, *, now: str) -> Run:
    """Return a former run as finished: a run that was still running when its object disappeared was interrupted."""
    if run.outcome != "Running":
        return run
    return run.model_copy(update={"outcome": "Failed", "end_time": now, "message": _INTERRUPTED})

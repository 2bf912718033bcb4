"""The last runs of a Job, CronJob or Pod, the present one and those that were. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from appstack.api.status import MAX_RUNS, Run
from appstack.k8s.observed import Child, Observed, Owner, TerminalState
from appstack.k8s.text import truncate

_CUT_OFF: Final = "It was deleted before it came to its end"


def runs(
    observed: Observed, *, kind: str, owner: Owner, former: Iterable[Mapping[str, Any]], now: str
) -> tuple[Run, ...]:
    """Return the newest runs; of those that are gone, what the former status told. Other kinds have none."""
    if kind not in ("Job", "CronJob", "Pod"):
        return ()
    present = {run.uid: run for run in _present(observed, kind, owner)}
    past = (Run.model_validate(one) for one in former)
    kept = {run.uid: _over(run, now=now) for run in past}
    newest = sorted((kept | present).values(), key=_age, reverse=True)
    return tuple(newest[:MAX_RUNS])


def _age(run: Run) -> tuple[str, bool, str]:
    """Return when a run was made; of two in one second that have one name, the one that goes on is the later."""
    return run.start_time, run.outcome == "Running", run.name


def failure(told: Sequence[Run], *, kind: str) -> Run | None:
    """Return the run whose failure stands: the last; of a CronJob the last that came to an end of its own."""
    if kind == "CronJob":
        told = [run for run in told if run.outcome != "Running" and run.message != _CUT_OFF]
    return next((run for run in told[:1] if run.outcome == "Failed"), None)


def _present(observed: Observed, kind: str, owner: Owner) -> Iterator[Run]:
    children = (*observed.ended.values(), *observed.children.values())
    own = [c for c in children if (c.ref.kind, c.ref.name, c.owner_uid) == (kind, owner.name, owner.uid)]
    if kind == "CronJob":
        makers = {child.uid for child in own}
        own = [child for child in children if child.ref.kind == "Job" and child.owner_uid in makers]
    for child in own:
        yield _run(child)


def _run(child: Child) -> Run:
    tell = _pod_end if child.ref.kind == "Pod" else _job_end
    end, message = tell(child.status) if child.ended else (None, "")
    return Run(
        name=child.ref.name,
        uid=child.uid,
        outcome=child.ended.value if child.ended else "Running",
        start_time=child.created,
        end_time=end,
        message=truncate(message) if child.ended is TerminalState.FAILED else "",
    )


def _job_end(status: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return when a Job ended, and what was said of it."""
    conditions = {one["type"]: one for one in status.get("conditions") or () if one.get("status") == "True"}
    end = conditions.get("Complete") or conditions.get("Failed") or {}
    return status.get("completionTime") or end.get("lastTransitionTime"), str(end.get("message", ""))


def _pod_end(status: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return when a pod's last container ended, and what was said of it."""
    every = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    ends = [(one["name"], (one.get("state") or {}).get("terminated") or {}) for one in every]
    wrong = [f"{name} exited with code {end['exitCode']}" for name, end in ends if end.get("exitCode") not in (None, 0)]
    times = [end["finishedAt"] for _, end in ends if end.get("finishedAt")]
    return max(times, default=None), str(status.get("message") or "; ".join(wrong))


def _over(run: Run, *, now: str) -> Run:
    """Return a run that is gone: one that had not ended never will."""
    if run.outcome != "Running":
        return run
    return run.model_copy(update={"outcome": "Failed", "end_time": now, "message": _CUT_OFF})

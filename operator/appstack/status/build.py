"""What was seen and done becomes the stack's whole status. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from appstack.api.status import MAX_IMAGE, MAX_IMAGES, MAX_PROBLEMS, Image, Problem, Resource, Run, Status
from appstack.errors import ApiRejected, ApiUnavailable, KindNotServed, OwnershipConflict, Severity, ValidationIssue
from appstack.k8s.metadata import Ref, selector
from appstack.k8s.observed import Child, Observed, Owner, TerminalState
from appstack.k8s.text import listed, truncate
from appstack.planning.changes import WRITTEN, Action, Applied, Change
from appstack.planning.desired import DesiredState
from appstack.status import conditions as c
from appstack.status.diagnostics import problems
from appstack.status.endpoints import endpoints
from appstack.status.job_history import failure, runs
from appstack.status.readiness import READINESS, REPLICA_COUNTS, ReplicaCount

_ERRORS: tuple[tuple[type[Exception], Callable[[Any], c.ReadyResult]], ...] = (
    (OwnershipConflict, c.foreign_object),
    (KindNotServed, c.missing_kind),
    (ApiRejected, c.refused),
    (ApiUnavailable, c.retrying),
    (Exception, c.failed),
)


def build_status(
    doc: Mapping[str, Any],
    *,
    desired: DesiredState,
    observed: Observed,
    changes: tuple[Change, ...],
    contested: tuple[Problem, ...] = (),
    unreported: tuple[Applied, ...] = (),
    now: str,
) -> dict[str, Any]:
    """Return the status that `doc`, the AppStack as last seen, should have; a spec that is wrong says so in `intent`.

    `unreported` is what was applied before this look, and is in no status yet.
    """
    stack, issues = desired.stack, desired.issues
    spec = doc.get("spec") or {}
    former = doc.get("status") or {}
    name, generation = doc["metadata"]["name"], doc["metadata"].get("generation", 0)
    kind = (spec.get("workload") or {}).get("kind", "Deployment")
    workload = _workload(observed, kind=kind, stack=name)
    resources = _resources(changes, former.get("resources") or (), unreported)
    ended = next(
        (TerminalState(one.ended) for one in resources if (one.kind, one.name) == (kind, name) and one.ended), None
    )
    owner = Owner(name=name, uid=doc["metadata"]["uid"])
    ran = runs(observed, kind=kind, owner=owner, former=former.get("runs") or (), now=now)
    failed = failure(ran, kind=kind)
    wrong = problems(spec, observed.pods, now=now, failed=failed.uid if failed else "")
    if failed and not wrong:  # a failed Job's pods are deleted: what they said stays
        wrong = tuple(Problem.model_validate(one) for one in former.get("problems") or () if not one.get("resource"))
    if failed and not wrong and kind == "CronJob":  # which goes on: nothing else would tell
        wrong = (_failed(failed),)
    outcome = _outcome(workload, changes=changes, issues=issues, wrong=wrong, ended=ended)
    if any(change.action is Action.BACKING_OFF for change in changes):
        outcome = c.most_severe([c.contested(listed([one.message for one in contested])), outcome])
    if stack is not None and stack.spec.paused:
        outcome = c.paused(outcome, [change.ref for change in changes if change.action is Action.SKIPPED])
    conditions = c.conditions(
        c.with_warnings(outcome, issues), before=former.get("conditions") or (), generation=generation, now=now
    )
    count = REPLICA_COUNTS[kind](workload.status) if workload else ReplicaCount()
    seen = workload.status if workload else {}
    return Status(
        observed_generation=generation,
        conditions=conditions,
        replicas=count.pods,
        ready_replicas=count.ready,
        current_revision=seen.get("currentRevision", ""),
        update_revision=seen.get("updateRevision", ""),
        selector=",".join(f"{key}={value}" for key, value in selector(name).items()),
        resources=resources,
        endpoints=endpoints(observed, stack=name, usual="tcp" if spec.get("proxy") is None else "http"),
        runs=ran,
        images=_images(observed.pods),
        problems=(*contested, *wrong)[:MAX_PROBLEMS],
    ).dump()


def _failed(run: Run) -> Problem:
    """Return what is left to say of a run whose pods said nothing."""
    hint = f"Its Events may tell more: kubectl describe job {run.name}"
    return Problem(reason="JobFailed", message=truncate(f"{run.name} failed: {run.message}"), hint=hint)


def _workload(observed: Observed, *, kind: str, stack: str) -> Child | None:
    for ref, child in observed.children.items():
        if (ref.kind, ref.name, child.stack) == (kind, stack, stack):
            return child
    return None


def _outcome(
    workload: Child | None,
    *,
    changes: tuple[Change, ...],
    issues: Iterable[ValidationIssue],
    wrong: tuple[Problem, ...],
    ended: TerminalState | None,
) -> c.ReadyResult:
    """Return what decides: a wrong spec, else the worst of what was done and of what the workload says."""
    errors = [issue for issue in issues if issue.severity is Severity.ERROR]
    if errors:
        return c.invalid_spec(errors)
    failed = [_failure(change.error) for change in changes if change.error is not None]
    return c.most_severe([*failed, _rollout(workload, changes=changes, wrong=wrong, ended=ended)])


def _failure(error: Exception) -> c.ReadyResult:
    return next(build(error) for kind, build in _ERRORS if isinstance(error, kind))


def _rollout(
    workload: Child | None, *, changes: tuple[Change, ...], wrong: tuple[Problem, ...], ended: TerminalState | None
) -> c.ReadyResult:
    """Return how far the workload is; what was written in this run has not been seen yet."""
    if workload is None or workload.deleting:
        return _away(workload, changes=changes, ended=ended)
    if any(change.ref == workload.ref and change.action in WRITTEN for change in changes):
        return c.progressing(f"{workload.ref.kind} {workload.ref.name} was just written")
    outcome = READINESS[workload.ref.kind](workload)
    if not wrong:
        return outcome
    first = wrong[0]
    words = ": ".join(word for word in (first.container, first.reason, first.message) if word)
    told = f"{outcome.message}; {words}"
    if (
        outcome.severity is c.ConditionSeverity.READY and workload.ref.kind != "CronJob"
    ):  # which is ready for its next run
        return c.progressing(told)  # a crash is seen in the pod before the workload counts it
    return replace(outcome, message=told)


def _away(workload: Child | None, *, changes: tuple[Change, ...], ended: TerminalState | None) -> c.ReadyResult:
    """Return what is to say of a workload that is not there, or not much longer: it may have ended, and stay away."""
    replaced = next((change for change in changes if change.action is Action.REPLACED), None)
    if replaced is not None:
        return c.replacing(f"{replaced.ref} is deleted, and made anew as soon as it is gone: {replaced.note}")
    if workload is not None and not ended:
        return c.replacing(f"{workload.ref} is on its way out, and made anew as soon as it is gone")
    if ended is TerminalState.COMPLETED:
        return c.ready("Completed; it is gone, and not made again for this spec")
    if ended is TerminalState.FAILED:
        return c.ended_badly("It failed; it is gone, and not made again for this spec: see status.runs")
    return c.progressing("The workload was not seen yet")


def _resources(
    changes: tuple[Change, ...], former: Iterable[Mapping[str, Any]], unreported: Iterable[Applied]
) -> tuple[Resource, ...]:
    """Return the record of what is applied: of what this run did not reach, the former record stays."""
    done = [change for change in changes if change.action is not Action.SKIPPED]
    reached = {_key(change.ref) for change in done}
    complete = bool(done) and done == list(changes) and all(change.action is not Action.FAILED for change in done)
    applied = (_resource(change.applied) for change in changes if change.applied is not None)
    before = () if complete else (*map(Resource.model_validate, former), *map(_resource, unreported))
    records = {_key(one): one for one in before if _key(one) not in reached} | {_key(one): one for one in applied}
    return tuple(records[key] for key in sorted(records))


def _resource(applied: Applied) -> Resource:
    return Resource(
        api_version=applied.ref.api_version,
        kind=applied.ref.kind,
        name=applied.ref.name,
        rendered=applied.rendered,
        fields=applied.fields,
        ended=applied.ended.value if applied.ended else None,
        wish=applied.wish,
    )


def _key(one: Resource | Ref) -> tuple[str, str, str]:
    return one.api_version, one.kind, one.name


def _images(pods: Iterable[Child]) -> tuple[Image, ...]:
    """Return what the newest pod runs, one entry per container."""
    alive = [pod for pod in pods if not pod.deleting]
    if not alive:
        return ()
    newest = max(alive, key=lambda pod: (str(pod.status.get("startTime") or ""), pod.ref.name))
    statuses = [
        *(newest.status.get("initContainerStatuses") or ()),
        *(newest.status.get("containerStatuses") or ()),
    ]
    images = (
        Image(
            container=one["name"],
            image=truncate(one.get("image", ""), limit=MAX_IMAGE),
            image_id=truncate(one.get("imageID", ""), limit=MAX_IMAGE),
        )
        for one in statuses
    )
    return tuple(sorted(images, key=lambda image: image.container))[:MAX_IMAGES]

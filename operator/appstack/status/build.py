"""Status of an AppStack, built from its desired state, its observed state and the changes of a reconcile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from appstack.api.status import MAX_IMAGE_CHARACTERS, MAX_IMAGES, MAX_PROBLEMS, Image, Problem, Resource, Run, Status
from appstack.errors import ApiRejected, ApiUnavailable, KindNotServed, OwnershipConflict, Severity, ValidationIssue
from appstack.k8s.metadata import Ref, selector
from appstack.k8s.observed import Child, Observed, Owner, TerminalState
from appstack.k8s.text import join_messages, truncate
from appstack.planning.changes import WRITTEN, Action, Applied, Change
from appstack.planning.desired import DesiredState
from appstack.policy.pod_templates import pod_templates
from appstack.status import conditions
from appstack.status.conditions import ConditionSeverity, ReadyResult
from appstack.status.diagnostics import Subject, diagnose, diagnose_objects, without_output
from appstack.status.endpoints import endpoints
from appstack.status.job_history import job_history, last_failure
from appstack.status.readiness import READINESS, REPLICA_COUNTS, ReplicaCount

_RESULT_BY_ERROR: Final[tuple[tuple[type[Exception], Callable[[Any], ReadyResult]], ...]] = (
    (OwnershipConflict, conditions.ownership_conflict),
    (KindNotServed, conditions.kind_not_served),
    (ApiRejected, conditions.rejected),
    (ApiUnavailable, conditions.api_unavailable),
    (Exception, conditions.apply_failed),
)
"""Constructors of results; the first matching class counts, so subclasses precede their bases."""


def build_status(
    manifest: Mapping[str, Any],
    *,
    desired: DesiredState,
    observed: Observed,
    changes: tuple[Change, ...],
    drift_problems: tuple[Problem, ...] = (),
    unrecorded: tuple[Applied, ...] = (),
    now: str,
) -> dict[str, Any]:
    """Return the status of the AppStack `manifest`; the issues of an invalid spec are those of `desired`.

    `unrecorded` are objects applied in earlier reconciles that no written status records yet. `now` is a timestamp.
    """
    stack, issues = desired.stack, desired.issues
    spec = manifest.get("spec") or {}
    previous = manifest.get("status") or {}
    name, generation = manifest["metadata"]["name"], manifest["metadata"].get("generation", 0)
    kind = (spec.get("workload") or {}).get("kind", "Deployment")
    workload = _workload(observed, kind=kind, stack=name)
    resources = _resources(changes, previous.get("resources") or (), unrecorded)
    ended = next(
        (TerminalState(one.ended) for one in resources if (one.kind, one.name) == (kind, name) and one.ended), None
    )
    owner = Owner(name=name, uid=manifest["metadata"]["uid"])
    runs = job_history(observed, kind=kind, owner=owner, previous=previous.get("runs") or (), now=now)
    failed_run = last_failure(runs, kind=kind)
    subject = _subject(manifest, desired=desired, observed=observed, workload=workload, failed_run=failed_run, now=now)
    problems = _pod_problems(subject, failed_run, previous, kind=kind)
    waiting = _waiting_result(desired, previous=previous.get("conditions") or (), now=now)
    result = _result(workload, changes=changes, issues=issues, problems=problems, ended=ended, waiting=waiting)
    if any(change.action is Action.BACKING_OFF for change in changes):
        drift = conditions.drift_backoff(join_messages([one.message for one in drift_problems]))
        result = conditions.most_severe([drift, result])
    if stack is not None and stack.spec.paused:
        result = conditions.paused(result, [change.ref for change in changes if change.action is Action.SKIPPED])
    replicas = REPLICA_COUNTS[kind](workload.status) if workload else ReplicaCount()
    workload_status = workload.status if workload else {}
    return Status(
        observed_generation=generation,
        conditions=conditions.build_conditions(
            conditions.with_warnings(result, issues),
            previous=previous.get("conditions") or (),
            generation=generation,
            now=now,
        ),
        replicas=replicas.total,
        ready_replicas=replicas.ready,
        current_revision=workload_status.get("currentRevision", ""),
        update_revision=workload_status.get("updateRevision", ""),
        selector=",".join(f"{key}={value}" for key, value in selector(name).items()),
        resources=resources,
        endpoints=endpoints(observed, spec, stack=name),
        runs=runs,
        images=_images(observed.pods),
        problems=(*drift_problems, *problems, *diagnose_objects(subject))[:MAX_PROBLEMS],
    ).dump()


def _subject(
    manifest: Mapping[str, Any],
    *,
    desired: DesiredState,
    observed: Observed,
    workload: Child | None,
    failed_run: Run | None,
    now: str,
) -> Subject:
    """Return the AppStack as the diagnosis reads it."""
    spec = manifest.get("spec") or {}
    kind = (spec.get("workload") or {}).get("kind", "Deployment")
    template = next((one.pod for one in pod_templates(desired.manifests)), {})
    return Subject(
        spec,
        observed,
        now=now,
        template=template,
        workload=workload,
        ready=workload is not None and READINESS[kind](workload).severity is ConditionSeverity.READY,
        has_output=desired.status_logs,
        failed_run=failed_run.uid if failed_run else "",
    )


def _pod_problems(
    subject: Subject, failed_run: Run | None, previous: Mapping[str, Any], *, kind: str
) -> tuple[Problem, ...]:
    """Return the problems of the pods. A failed Job keeps those that were recorded before its pods were deleted."""
    problems = diagnose(subject)
    if problems or not failed_run:
        return problems
    recorded = previous.get("problems") or ()
    former = tuple(Problem.model_validate(one) for one in recorded if not one.get("resource"))
    if not former and kind == "CronJob":  # its conditions stay Ready and do not report the failure
        return (_run_problem(failed_run),)
    return former if subject.has_output else tuple(map(without_output, former))


def _run_problem(run: Run) -> Problem:
    """Return the problem of a failed run without diagnostics of its pods."""
    hint = f"Check the Job's Events: kubectl describe job {run.name}"
    return Problem(reason="JobFailed", message=truncate(f"{run.name} failed: {run.message}"), hint=hint)


def _workload(observed: Observed, *, kind: str, stack: str) -> Child | None:
    for ref, child in observed.children.items():
        if (ref.kind, ref.name, child.stack) == (kind, stack, stack):
            return child
    return None


def _result(
    workload: Child | None,
    *,
    changes: tuple[Change, ...],
    issues: Iterable[ValidationIssue],
    problems: tuple[Problem, ...],
    ended: TerminalState | None,
    waiting: ReadyResult | None,
) -> ReadyResult:
    """Return the result for an invalid spec, else the most severe one of failed changes and of the workload."""
    errors = [issue for issue in issues if issue.severity is Severity.ERROR]
    if errors:
        return conditions.invalid_spec(errors)
    failures = [_error_result(change.error) for change in changes if change.error is not None]
    result = waiting or _workload_result(workload, changes=changes, problems=problems, ended=ended)
    worst = conditions.most_severe([*failures, result])
    if waiting is None or worst.reason == waiting.reason:
        return worst
    return replace(worst, message=f"{worst.message}; {waiting.message}")


def _waiting_result(desired: DesiredState, *, previous: Iterable[Mapping[str, Any]], now: str) -> ReadyResult | None:
    """Return the result for a workload that waits for other AppStacks; None if it does not."""
    if not desired.awaited:
        return None
    since = conditions.since("Reconciling", previous=previous, now=now)
    return conditions.dependency_not_ready(desired.awaited, since=since)


def _error_result(error: Exception) -> ReadyResult:
    return next(construct(error) for error_class, construct in _RESULT_BY_ERROR if isinstance(error, error_class))


def _workload_result(
    workload: Child | None, *, changes: tuple[Change, ...], problems: tuple[Problem, ...], ended: TerminalState | None
) -> ReadyResult:
    """Return the readiness of the workload, with its first problem; progressing while its last write is unobserved."""
    if workload is None or workload.deleting:
        return _absent_workload_result(workload, changes=changes, ended=ended)
    if any(change.ref == workload.ref and change.action in WRITTEN for change in changes):
        return conditions.progressing(f"{workload.ref.kind} {workload.ref.name} was just written")
    result = READINESS[workload.ref.kind](workload)
    if not problems:
        return result
    first = problems[0]
    details = ": ".join(detail for detail in (first.container or first.resource, first.reason, first.message) if detail)
    message = f"{result.message}; {details}"
    if result.severity is ConditionSeverity.READY and workload.ref.kind != "CronJob":  # ready for its next run
        return conditions.progressing(message)  # the pod reports a crash before the workload counts it
    return replace(result, message=message)


def _absent_workload_result(
    workload: Child | None, *, changes: tuple[Change, ...], ended: TerminalState | None
) -> ReadyResult:
    """Return the result for a workload that is absent or terminating: replaced, finished, or not observed yet."""
    replaced = next((change for change in changes if change.action is Action.REPLACED), None)
    if replaced is not None:
        return conditions.replacing(f"{replaced.ref} is being deleted and will be recreated: {replaced.note}")
    if workload is not None and not ended:
        return conditions.replacing(f"{workload.ref} is terminating and will be recreated")
    if ended is TerminalState.COMPLETED:
        return conditions.ready("Completed; the object was deleted and is not recreated for this spec")
    if ended is TerminalState.FAILED:
        return conditions.workload_failed(
            "Failed; the object was deleted and is not recreated for this spec: see status.runs"
        )
    return conditions.progressing("The workload has not been observed yet")


def _resources(
    changes: tuple[Change, ...], recorded: Iterable[Mapping[str, Any]], unrecorded: Iterable[Applied]
) -> tuple[Resource, ...]:
    """Return the records of applied objects; an object that this reconcile did not process keeps its former record."""
    processed = [change for change in changes if change.action is not Action.SKIPPED]
    processed_keys = {_key(change.ref) for change in processed}
    complete = (
        bool(processed)
        and processed == list(changes)
        and all(change.action is not Action.FAILED for change in processed)
    )
    applied = (_resource(change.applied) for change in changes if change.applied is not None)
    former = () if complete else (*map(Resource.model_validate, recorded), *map(_resource, unrecorded))
    records = {_key(one): one for one in former if _key(one) not in processed_keys} | {
        _key(one): one for one in applied
    }
    return tuple(records[key] for key in sorted(records))


def _resource(applied: Applied) -> Resource:
    return Resource(
        api_version=applied.ref.api_version,
        kind=applied.ref.kind,
        name=applied.ref.name,
        rendered=applied.rendered,
        fields=applied.fields,
        ended=applied.ended.value if applied.ended else None,
        spec_hash=applied.spec_hash,
    )


def _key(resource: Resource | Ref) -> tuple[str, str, str]:
    return resource.api_version, resource.kind, resource.name


def _images(pods: Iterable[Child]) -> tuple[Image, ...]:
    """Return the images of the newest pod's containers, sorted by container name."""
    alive = [pod for pod in pods if not pod.deleting]
    if not alive:
        return ()
    newest = max(alive, key=lambda pod: (str(pod.status.get("startTime") or ""), pod.ref.name))
    container_statuses = [
        *(newest.status.get("initContainerStatuses") or ()),
        *(newest.status.get("containerStatuses") or ()),
    ]
    images = (
        Image(
            container=status["name"],
            image=truncate(status.get("image", ""), limit=MAX_IMAGE_CHARACTERS),
            image_id=truncate(status.get("imageID", ""), limit=MAX_IMAGE_CHARACTERS),
        )
        for status in container_statuses
    )
    return tuple(sorted(images, key=lambda image: image.container))[:MAX_IMAGES]

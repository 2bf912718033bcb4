"""What was seen and done becomes the stack's whole status. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from appstack import conditions as c
from appstack.errors import Fault, ForeignObject, Refused, Severity, Unavailable
from appstack.meta import selector
from appstack.model.status import MAX_ENDPOINTS, MAX_IMAGE, MAX_IMAGES, Endpoint, Image, Problem, Resource, Status
from appstack.observed import Action, Change, Child, Observed
from appstack.problems import problems
from appstack.rollouts import ROLLOUTS

if TYPE_CHECKING:
    from appstack.model import AppStack

_ERRORS: tuple[tuple[type[Exception], Callable[[Any], c.Outcome]], ...] = (
    (ForeignObject, c.foreign_object),
    (Refused, c.refused),
    (Unavailable, c.retrying),
    (Exception, c.failed),
)
_WRITTEN = frozenset({Action.CREATED, Action.CONFIGURED, Action.REPAIRED})


def report(
    doc: Mapping[str, Any],
    *,
    stack: AppStack | None,
    observed: Observed,
    changes: tuple[Change, ...],
    faults: tuple[Fault, ...],
    now: str,
) -> dict[str, Any]:
    """Return the status that `doc`, the AppStack as last seen, should have; an invalid one has no `stack`."""
    spec = doc.get("spec") or {}
    former = doc.get("status") or {}
    name, generation = doc["metadata"]["name"], doc["metadata"].get("generation", 0)
    workload = _workload(observed, kind=(spec.get("workload") or {}).get("kind", "Deployment"), stack=name)
    wrong = problems(spec, observed.pods, now=now)
    outcome = _outcome(workload, changes=changes, faults=faults, wrong=wrong)
    if stack is not None and stack.spec.paused:
        outcome = c.paused(outcome)
    conditions = c.conditions(
        c.warned(outcome, faults), before=former.get("conditions") or (), generation=generation, now=now
    )
    seen = workload.status if workload else {}
    return Status(
        observed_generation=generation,
        conditions=conditions,
        replicas=seen.get("replicas", 0),
        ready_replicas=seen.get("readyReplicas", 0),
        selector=",".join(f"{key}={value}" for key, value in selector(name).items()),
        resources=_resources(changes, former.get("resources") or ()),
        endpoints=_endpoints(observed, stack=name, usual="tcp" if spec.get("proxy") is None else "http"),
        images=_images(observed.pods),
        problems=wrong,
    ).dump()


def _workload(observed: Observed, *, kind: str, stack: str) -> Child | None:
    for ref, child in observed.children.items():
        if (ref.kind, ref.name, child.stack) == (kind, stack, stack):
            return child
    return None


def _outcome(
    workload: Child | None,
    *,
    changes: tuple[Change, ...],
    faults: Iterable[Fault],
    wrong: tuple[Problem, ...],
) -> c.Outcome:
    """Return what decides: a wrong spec, else the worst of what was done and of what the workload says."""
    errors = [fault for fault in faults if fault.severity is Severity.ERROR]
    if errors:
        return c.invalid_spec(errors)
    failed = [_failure(change.error) for change in changes if change.error is not None]
    return c.worst([*failed, _rollout(workload, changes=changes, wrong=wrong)])


def _failure(error: Exception) -> c.Outcome:
    return next(build(error) for kind, build in _ERRORS if isinstance(error, kind))


def _rollout(workload: Child | None, *, changes: tuple[Change, ...], wrong: tuple[Problem, ...]) -> c.Outcome:
    """Return how far the workload is; what was written in this run has not been seen yet."""
    if workload is None:
        return c.progressing("The workload was not seen yet")
    if any(change.ref == workload.ref and change.action in _WRITTEN for change in changes):
        return c.progressing(f"{workload.ref.kind} {workload.ref.name} was just written")
    outcome = ROLLOUTS[workload.ref.kind](workload)
    if not wrong:
        return outcome
    first = wrong[0]
    told = f"{outcome.message}; {first.container}: {first.reason}: {first.message}"
    if outcome.verdict is c.Verdict.READY:
        return c.progressing(told)  # a crash is seen in the pod before the workload counts it
    return replace(outcome, message=told)


def _resources(changes: tuple[Change, ...], former: Iterable[Mapping[str, Any]]) -> tuple[Resource, ...]:
    """Return the record of what is applied: of what this run did not reach, the former record stays."""
    reached = {_key(change.ref.api_version, change.ref.kind, change.ref.name) for change in changes}
    complete = bool(changes) and all(change.action is not Action.FAILED for change in changes)
    applied = (change.applied for change in changes if change.applied is not None)
    records = {
        _key(one.ref.api_version, one.ref.kind, one.ref.name): Resource(
            api_version=one.ref.api_version,
            kind=one.ref.kind,
            name=one.ref.name,
            rendered=one.rendered,
            fields=one.fields,
        )
        for one in applied
    }
    for entry in () if complete else former:
        key = _key(entry["apiVersion"], entry["kind"], entry["name"])
        if key not in reached:
            records[key] = Resource.model_validate(entry)
    return tuple(records[key] for key in sorted(records))


def _key(api_version: str, kind: str, name: str) -> tuple[str, str, str]:
    return api_version, kind, name


def _endpoints(observed: Observed, *, stack: str, usual: str) -> tuple[Endpoint, ...]:
    """Return the addresses inside the cluster: those of the stack's Service."""
    services = (
        child for ref, child in sorted(observed.children.items()) if ref.kind == "Service" and child.stack == stack
    )
    endpoints = (
        Endpoint(name=port.get("name") or str(port["port"]), url=_url(service, port, usual=usual), scope="Cluster")
        for service in services
        for port in service.spec.get("ports") or ()
    )
    return tuple(islice(endpoints, MAX_ENDPOINTS))


_SCHEMES = {"http": 80, "https": 443}


def _url(service: Child, port: Mapping[str, Any], *, usual: str) -> str:
    scheme, number = _scheme(port, usual=usual), port["port"]
    shown = "" if _SCHEMES.get(scheme) == number else f":{number}"
    return f"{scheme}://{service.ref.name}.{service.ref.namespace}.svc{shown}"


def _scheme(port: Mapping[str, Any], *, usual: str) -> str:
    """Return how to speak to a port, as its Service tells it: by protocol, appProtocol, name, number."""
    if port.get("protocol", "TCP") != "TCP":
        return str(port["protocol"]).lower()
    told = port.get("appProtocol") or (port.get("name") or "").partition("-")[0]
    if told:
        return told if told in _SCHEMES else "tcp"
    return next((scheme for scheme, number in _SCHEMES.items() if number == port["port"]), usual)


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
            image=c.clipped(one.get("image", ""), limit=MAX_IMAGE),
            image_id=c.clipped(one.get("imageID", ""), limit=MAX_IMAGE),
        )
        for one in statuses
    )
    return tuple(sorted(images, key=lambda image: image.container))[:MAX_IMAGES]

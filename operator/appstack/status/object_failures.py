"""Problems of objects other than pods: claims, autoscalers, Ingresses, routes and load balancers.

They do not make an AppStack not ready: its pods serve.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from appstack.api.status import Problem
from appstack.k8s.observed import Child, Observed, WarningEvent
from appstack.k8s.text import seconds_between, truncate
from appstack.status.pod_failures import claim_field

OBJECT_GRACE_SECONDS: Final = 60.0
"""Age from which an object without the state that another controller gives it has a problem."""

_MISSING_CONTROLLER: Final = "A controller of the cluster gives it: check that one is installed"


def object_problems(spec: Mapping[str, Any], observed: Observed, *, now: str) -> Iterator[Problem]:
    """Yield the problems of the objects that other controllers must complete."""
    for ref, child in sorted(observed.children.items(), key=lambda item: (item[0].kind, item[0].name)):
        if child.deleting or not child.created or seconds_between(child.created, now) < OBJECT_GRACE_SECONDS:
            continue
        if ref.kind == "PersistentVolumeClaim":
            yield from _claim(spec, child, observed.warnings)
        elif ref.kind == "HorizontalPodAutoscaler":
            yield from _autoscaler(child, now)
        elif ref.kind == "Ingress":
            yield from _ingress(spec, child)
        elif ref.kind == "HTTPRoute":
            yield from _route(child)
        elif ref.kind == "Service":
            yield from _load_balancer(spec, child, observed.warnings)


def is_incomplete(child: Child) -> bool:
    """Return whether another controller has not completed the object: it has a problem at the age of a minute."""
    status = child.status
    match child.ref.kind:
        case "PersistentVolumeClaim":
            return status.get("phase") == "Pending"
        case "HorizontalPodAutoscaler":
            return any(one.get("status") == "False" for one in status.get("conditions") or ())
        case "Ingress":
            return not (status.get("loadBalancer") or {}).get("ingress")
        case "HTTPRoute":
            return not status.get("parents")
        case "Service":
            return child.spec.get("type") == "LoadBalancer" and not (status.get("loadBalancer") or {}).get("ingress")
    return False


def _problem(child: Child, reason: str, message: str, *, hint: str, field: str) -> Problem:
    return Problem(
        resource=f"{child.ref.kind}/{child.ref.name}",
        reason=reason,
        message=truncate(message),
        hint=truncate(hint),
        field=field,
    )


def _last_message(child: Child, warnings: Iterable[WarningEvent]) -> str:
    return next((event.message for event in warnings if event.ref == child.ref), "")


def _claim(spec: Mapping[str, Any], child: Child, warnings: Iterable[WarningEvent]) -> Iterator[Problem]:
    phase = child.status.get("phase")
    field = claim_field(spec, child.ref.name)
    if phase == "Lost":
        hint = "The volume of the claim was deleted: restore it, or delete the claim to start with an empty one"
        yield _problem(child, "ClaimLost", "The claim has lost its volume", hint=hint, field=field)
    if phase != "Pending":
        return
    storage_class = child.spec.get("storageClassName")
    event = _last_message(child, warnings)
    if event:
        yield _problem(
            child, "ClaimPending", event, hint="Correct the claim's storageClassName, size or modes", field=field
        )
    elif storage_class is None:
        hint = "Set storageClassName of the claim: kubectl get storageclasses"
        message = "The claim has no storage class, and the cluster has no default one"
        yield _problem(child, "ClaimPending", message, hint=hint, field=f"{field}.storageClassName" if field else "")
    else:
        message = f"No volume of storage class {storage_class!r} is bound to the claim"
        hint = f"Check that the class {storage_class} exists and has a provisioner, and that a pod uses the claim"
        yield _problem(child, "ClaimPending", message, hint=hint, field=f"{field}.storageClassName" if field else "")


def _autoscaler(child: Child, now: str) -> Iterator[Problem]:
    for condition in child.status.get("conditions") or ():
        identity = (condition.get("type"), condition.get("status"))
        if identity not in (("ScalingActive", "False"), ("AbleToScale", "False")):
            continue
        since = condition.get("lastTransitionTime") or now
        if condition.get("reason") == "ScalingDisabled" or seconds_between(since, now) < OBJECT_GRACE_SECONDS:
            continue
        reason = str(condition.get("reason") or "FailedToScale")
        hint = (
            "Check that metrics-server (or the metrics adapter) runs, and that the containers have resources.requests"
        )
        if "missing request for" in str(condition.get("message")):
            hint = "Set resources.requests of each container for the resource that the autoscaler measures"
        yield _problem(child, reason, str(condition.get("message") or reason), hint=hint, field="spec.autoscaling")
        return


def _ingress(spec: Mapping[str, Any], child: Child) -> Iterator[Problem]:
    if (child.status.get("loadBalancer") or {}).get("ingress"):
        return
    ingress = spec.get("ingress") or {}
    name = ingress.get("ingressClassName")
    if name:
        message = f"No Ingress controller has given the Ingress of class {name!r} an address"
        yield _problem(
            child,
            "IngressPending",
            message,
            hint=f"{_MISSING_CONTROLLER} for this class",
            field="spec.ingress.ingressClassName",
        )
    else:
        message = "No Ingress controller has given the Ingress an address, and it names no class"
        hint = "Set ingressClassName, unless the cluster has a default class: kubectl get ingressclasses"
        yield _problem(child, "IngressPending", message, hint=hint, field="spec.ingress")


def _route(child: Child) -> Iterator[Problem]:
    parents = child.status.get("parents") or ()
    if not parents:
        message = "No Gateway controller has answered for the HTTPRoute"
        hint = "Check that the Gateways in parentRefs exist and have a controller: kubectl get gateways -A"
        yield _problem(child, "RoutePending", message, hint=hint, field="spec.httpRoute.parentRefs")
    for parent in parents:
        for condition in parent.get("conditions") or ():
            if condition.get("type") in ("Accepted", "ResolvedRefs") and condition.get("status") == "False":
                reference = parent.get("parentRef") or {}
                gateway = "/".join(str(reference[key]) for key in ("namespace", "name") if reference.get(key))
                message = f"Gateway {gateway}: {condition.get('message') or condition.get('reason')}"
                hint = "Correct parentRefs, hostnames or the namespaces that the Gateway's listener allows"
                yield _problem(
                    child, str(condition.get("reason")), message, hint=hint, field="spec.httpRoute.parentRefs"
                )


def _load_balancer(spec: Mapping[str, Any], child: Child, warnings: Iterable[WarningEvent]) -> Iterator[Problem]:
    if child.spec.get("type") != "LoadBalancer" or (child.status.get("loadBalancer") or {}).get("ingress"):
        return
    further = [entry.get("name") for entry in spec.get("services") or ()]
    name = child.ref.name
    message = _last_message(child, warnings) or "No load balancer has been assigned to the Service"
    yield _problem(
        child,
        "LoadBalancerPending",
        message,
        hint=f"{_MISSING_CONTROLLER}, or use the type ClusterIP with an Ingress",
        field=f"spec.services[{further.index(name)}].type" if name in further else "spec.service.type",
    )

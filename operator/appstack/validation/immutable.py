"""Changes to immutable fields of live objects, found before anything is applied.

The API server would reject them as well, but only after part of the AppStack was applied, and in terms of the rendered
objects instead of the spec.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from appstack.api import AppStack
from appstack.api.service import DEFAULT_SERVICE, FurtherService, Service
from appstack.api.volumes import Claim
from appstack.errors import ValidationIssue
from appstack.k8s.observed import Child, Observed
from appstack.k8s.quantity import parse_quantity

_RECREATE_STATEFULSET_HINT: Final = (
    "run `kubectl delete statefulset {name} --cascade=orphan`: AppStack recreates the StatefulSet, "
    "and its pods keep running"
)
_NEW_VOLUME_HINT: Final = "add another volume and move the data to it"


def immutable_field_issues(stack: AppStack, observed: Observed) -> tuple[ValidationIssue, ...]:
    """Return an issue for each field of the spec that would change an immutable field of a live object."""
    live = {
        (child.ref.kind, child.ref.name): child
        for child in observed.children.values()
        if child.stack == stack.metadata.name and child.fields and not child.deleting
    }
    name = stack.metadata.name
    stateful_set = live.get(("StatefulSet", name)) if stack.spec.workload.kind == "StatefulSet" else None
    issues: list[ValidationIssue] = []
    for index, volume in enumerate(stack.spec.volumes):
        field = f"spec.volumes[{index}].claim"
        claim = live.get(("PersistentVolumeClaim", f"{name}-{volume.name}"))
        if volume.claim and claim and not volume.claim.per_replica:
            issues += _claim(volume.claim, claim.spec, field=field)
        if stateful_set:
            issues += _claim_per_replica(volume.name, volume.claim, stateful_set, field=field)
    for field, service_name, desired in _services(stack):
        service = live.get(("Service", service_name))
        issues += _service(desired, service, field=field) if service else ()
    return (*issues, *(_stateful_set(stack, stateful_set) if stateful_set else ()))


def _services(stack: AppStack) -> Iterator[tuple[str, str, Service | FurtherService]]:
    """Yield the field, the name and the spec of each Service that is not disabled."""
    own = stack.spec.service or DEFAULT_SERVICE
    if own.enabled:
        yield "spec.service", stack.service_name, own
    for index, further in enumerate(stack.spec.services):
        yield f"spec.services[{index}]", further.name, further


def _service(desired: Service | FurtherService, live: Child, *, field: str) -> Iterator[ValidationIssue]:
    """Yield a change of the clusterIP; the API server silently ignores a missing one where the live one is None."""
    current = live.spec.get("clusterIP")
    if not current or desired.type == "ExternalName":
        return
    changed = desired.cluster_ip != current if desired.cluster_ip else current == "None"
    if changed:
        new = desired.cluster_ip or "an allocated address"
        message = f"cannot change from {current} to {new}: the clusterIP of a Service is immutable"
        hint = f"run `kubectl delete service {live.ref.name}`: AppStack recreates the Service"
        yield ValidationIssue(f"{field}.clusterIP", message, hint)


def _claim(claim: Claim, live: Mapping[str, Any], *, field: str) -> Iterator[ValidationIssue]:
    """Yield the changes that a PersistentVolumeClaim does not support: a smaller size, access modes, class."""
    desired, current = _storage_request(claim.dump()), _storage_request(live)
    if current and desired and (parse_quantity(desired) or 0) < (parse_quantity(current) or 0):
        message = f"{desired} is less than {current}, the size of the PersistentVolumeClaim, which cannot shrink"
        yield ValidationIssue(f"{field}.resources.requests.storage", message, f"set {current} or more")
    yield from _claim_options(claim, live, field=field)


def _claim_options(claim: Claim, live: Mapping[str, Any], *, field: str) -> Iterator[ValidationIssue]:
    modes = list(claim.access_modes or ["ReadWriteOnce"])
    if live.get("accessModes") and sorted(modes) != sorted(live["accessModes"]):
        message = (
            f"cannot change from {', '.join(live['accessModes'])} to {', '.join(modes)}: "
            "the access modes of a PersistentVolumeClaim are immutable"
        )
        yield ValidationIssue(f"{field}.accessModes", message, _NEW_VOLUME_HINT)
    storage_class = claim.storage_class_name
    if storage_class is not None and live.get("storageClassName", storage_class) != storage_class:
        message = (
            f"cannot change from {live['storageClassName']!r} to {storage_class!r}: "
            "the storage class of a PersistentVolumeClaim is immutable"
        )
        yield ValidationIssue(f"{field}.storageClassName", message, _NEW_VOLUME_HINT)


def _storage_request(spec: Mapping[str, Any]) -> str:
    return str(((spec.get("resources") or {}).get("requests") or {}).get("storage", ""))


def _claim_per_replica(
    volume: str, claim: Claim | None, stateful_set: Child, *, field: str
) -> Iterator[ValidationIssue]:
    """Yield the changes of one volumeClaimTemplate of a StatefulSet, all of whose templates are immutable."""
    templates = {
        template["metadata"]["name"]: template["spec"]
        for template in stateful_set.spec.get("volumeClaimTemplates") or ()
    }
    desired, live = claim is not None and claim.per_replica, templates.get(volume)
    hint = _RECREATE_STATEFULSET_HINT.format(name=stateful_set.ref.name)
    if claim is None or not desired or live is None:
        if desired or live is not None:
            message = "cannot change: the volumeClaimTemplates of a StatefulSet are immutable"
            yield ValidationIssue(f"{field}.perReplica", message, hint)
        return
    size, current = _storage_request(claim.dump()), _storage_request(live)
    if size and current and parse_quantity(size) != parse_quantity(current):
        first = f"{volume}-{stateful_set.ref.name}-0"
        message = f"cannot change from {current} to {size}: the volumeClaimTemplates of a StatefulSet are immutable"
        resize = f"resize each PersistentVolumeClaim ({first} and so on), then {hint}"
        yield ValidationIssue(f"{field}.resources.requests.storage", message, resize)
    yield from _claim_options(claim, live, field=field)


def _stateful_set(stack: AppStack, stateful_set: Child) -> Iterator[ValidationIssue]:
    """Yield changes of the podManagementPolicy, the set of volumeClaimTemplates and the serviceName."""
    hint = _RECREATE_STATEFULSET_HINT.format(name=stateful_set.ref.name)
    options = stack.spec.workload.stateful_set
    policy = (options.pod_management_policy if options else None) or "OrderedReady"
    current = stateful_set.spec.get("podManagementPolicy") or "OrderedReady"
    if policy != current:
        message = f"cannot change from {current} to {policy}: the podManagementPolicy of a StatefulSet is immutable"
        yield ValidationIssue("spec.workload.statefulSet.podManagementPolicy", message, hint)
    volumes = {volume.name for volume in stack.spec.volumes}
    for template in stateful_set.spec.get("volumeClaimTemplates") or ():
        name = template["metadata"]["name"]
        if name not in volumes:
            message = f"the volume {name!r} is missing: the volumeClaimTemplates of a StatefulSet are immutable"
            yield ValidationIssue("spec.volumes", message, hint)
    service_name = stack.pod_service_name
    current_name = stateful_set.spec.get("serviceName", service_name)
    if current_name != service_name:
        message = (
            f"the StatefulSet cannot change its headless Service from {current_name!r} to {service_name!r}: "
            "its serviceName is immutable"
        )
        is_set = options is not None and options.service_name
        field = "spec.workload.statefulSet.serviceName" if is_set else "spec.service.clusterIP"
        yield ValidationIssue(field, message, hint)

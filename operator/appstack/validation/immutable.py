"""What can't be changed any more once it is there: refused before anything is written. PURE.

The API server would refuse it, too, but later, in its own words, and with half of the stack applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from appstack.api import AppStack
from appstack.api.service import USUAL, Service
from appstack.api.volumes import Claim
from appstack.errors import ValidationIssue
from appstack.k8s.observed import Child, Observed
from appstack.k8s.quantity import amount

_ORPHAN: Final = (
    "kubectl delete statefulset {name} --cascade=orphan lets AppStack make it anew around its pods, which go on"
)
_ANOTHER: Final = "a claim keeps what it was made with: make another volume and move the data"


def fixed(stack: AppStack, observed: Observed) -> tuple[ValidationIssue, ...]:
    """Return what the spec changes, of what is there, that can't be changed."""
    there = {
        (child.ref.kind, child.ref.name): child
        for child in observed.children.values()
        if child.stack == stack.metadata.name and child.fields and not child.deleting
    }
    name = stack.metadata.name
    stateful = there.get(("StatefulSet", name)) if stack.spec.workload.kind == "StatefulSet" else None
    found: list[ValidationIssue] = []
    for index, volume in enumerate(stack.spec.volumes):
        path = f"spec.volumes[{index}].claim"
        held = there.get(("PersistentVolumeClaim", f"{name}-{volume.name}"))
        if volume.claim and held and not volume.claim.per_replica:
            found += _claim(volume.claim, held.spec, path=path)
        if stateful:
            found += _per_replica(volume.name, volume.claim, stateful, path=path)
    service = there.get(("Service", name))
    found += _service(stack.spec.service or USUAL, service) if service else ()
    return (*found, *(_stateful(stack, stateful) if stateful else ()))


def _service(wanted: Service, held: Child) -> Iterator[ValidationIssue]:
    """Yield another address than the one that a Service has; the API server even takes the loss of `None` silently."""
    has = held.spec.get("clusterIP")
    if not has or not wanted.enabled or wanted.type == "ExternalName":
        return
    changed = wanted.cluster_ip != has if wanted.cluster_ip else has == "None"
    if changed:
        what = f"{wanted.cluster_ip or 'an address'}: the Service was made with {has}, and keeps it"
        hint = f"kubectl delete service {held.ref.name} lets AppStack make it anew"
        yield ValidationIssue("spec.service.clusterIP", what, hint)


def _claim(claim: Claim, held: Mapping[str, Any], *, path: str) -> Iterator[ValidationIssue]:
    """Yield what a claim can't become."""
    wanted, has = _size(claim.dump()), _size(held)
    if has and wanted and (amount(wanted) or 0) < (amount(has) or 0):
        what = f"{wanted} is less than the {has} that the claim has: a claim never shrinks"
        yield ValidationIssue(f"{path}.resources.requests.storage", what, f"write {has} or more")
    yield from _made_with(claim, held, path=path)


def _made_with(claim: Claim, held: Mapping[str, Any], *, path: str) -> Iterator[ValidationIssue]:
    modes = list(claim.access_modes or ["ReadWriteOnce"])
    if held.get("accessModes") and sorted(modes) != sorted(held["accessModes"]):
        what = f"{', '.join(modes)}: the claim was made with {', '.join(held['accessModes'])}"
        yield ValidationIssue(f"{path}.accessModes", what, _ANOTHER)
    chosen = claim.storage_class_name
    if chosen is not None and held.get("storageClassName", chosen) != chosen:
        what = f"{chosen!r}: the claim was made with {held['storageClassName']!r}"
        yield ValidationIssue(f"{path}.storageClassName", what, _ANOTHER)


def _size(spec: Mapping[str, Any]) -> str:
    return str(((spec.get("resources") or {}).get("requests") or {}).get("storage", ""))


def _per_replica(volume: str, claim: Claim | None, stateful: Child, *, path: str) -> Iterator[ValidationIssue]:
    """Yield what would change a StatefulSet's claims per replica: it takes no change of them."""
    templates = {one["metadata"]["name"]: one["spec"] for one in stateful.spec.get("volumeClaimTemplates") or ()}
    wanted, held = claim is not None and claim.per_replica, templates.get(volume)
    hint = _ORPHAN.format(name=stateful.ref.name)
    if claim is None or not wanted or held is None:
        if wanted or held is not None:
            yield ValidationIssue(
                f"{path}.perReplica", "a StatefulSet's claims per replica are set when it is made", hint
            )
        return
    size, has = _size(claim.dump()), _size(held)
    if size and has and amount(size) != amount(has):
        first = f"{volume}-{stateful.ref.name}-0"
        what = f"{size} instead of {has}: a StatefulSet never changes its claims per replica"
        grow = f"grow each claim by hand ({first} and so on); then {hint}"
        yield ValidationIssue(f"{path}.resources.requests.storage", what, grow)
    yield from _made_with(claim, held, path=path)


def _stateful(stack: AppStack, stateful: Child) -> Iterator[ValidationIssue]:
    """Yield what else a StatefulSet keeps as it was made."""
    hint = _ORPHAN.format(name=stateful.ref.name)
    options = stack.spec.workload.stateful_set
    policy = (options.pod_management_policy if options else None) or "OrderedReady"
    has = stateful.spec.get("podManagementPolicy") or "OrderedReady"
    if policy != has:
        what = f"{policy}: a StatefulSet keeps what it was made with, {has}"
        yield ValidationIssue("spec.workload.statefulSet.podManagementPolicy", what, hint)
    volumes = {volume.name for volume in stack.spec.volumes}
    for template in stateful.spec.get("volumeClaimTemplates") or ():
        name = template["metadata"]["name"]
        if name not in volumes:
            yield ValidationIssue(
                "spec.volumes", f"{name!r} is missing: a StatefulSet keeps its claims per replica", hint
            )
    service = stack.spec.service
    itself = service is not None and service.enabled and service.cluster_ip == "None"
    wanted = stack.metadata.name if itself else f"{stack.metadata.name}-pods"
    if stateful.spec.get("serviceName", wanted) != wanted:
        what = f"the StatefulSet's headless Service would be {wanted!r}, and stays {stateful.spec['serviceName']!r}"
        yield ValidationIssue("spec.service.clusterIP", what, hint)

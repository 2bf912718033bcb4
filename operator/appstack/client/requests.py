"""What is asked of the API server, as values: built here, sent by the client. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from appstack.client.resource_kinds import STACK, Kind, ResourceRole, of
from appstack.k8s.metadata import API_VERSION, FIELD_MANAGER, KIND, STACK_LABEL, Manifest, Ref

JSON: Final = "application/json"
HANDOVER: Final = "appstack-handover"
"""A second field manager: it holds a number of replicas that we let go of, until an autoscaler takes it."""

METADATA: Final = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
APPLY: Final = "application/apply-patch+yaml"  # JSON is YAML

SILENCE: Final = 90.0
"""Seconds after which a stream that brings nothing is given up: a healthy one brings a bookmark each minute."""

PAGE: Final = 500
NO_OBJECT: Final = "1"
"""A resourceVersion that no object has. An apply that carries it is refused wherever an object is, and makes one
where none is: tests/api/test_guard.py holds the API server to that, for every kind that is applied."""

LEASES: Final = Kind("coordination.k8s.io/v1", "Lease", "leases")
EVENTS: Final = Kind("events.k8s.io/v1", "Event", "events")


@dataclass(frozen=True, slots=True)
class Request:
    """One request, complete but for the server and the credentials."""

    verb: str  # as metrics call it
    kind: Kind
    ref: Ref
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    accept: str = JSON
    content_type: str = JSON
    body: Any = None
    urgent: bool = False  # does not queue behind the others

    @property
    def writes(self) -> bool:
        """Whether it changes anything."""
        return self.method != "GET"

    @property
    def target(self) -> str:
        """The path with the query, as it is sent."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    @property
    def resource(self) -> str:
        """What it is about, as metrics and RBAC call it."""
        status = self.path == self.kind.path(self.ref.namespace, self.ref.name, "status")
        return f"{self.kind.plural}/status" if status else self.kind.plural


def apply(manifest: Manifest, *, resource_version: str = "", uid: str = "") -> Request:
    """Apply an object server-side, on condition that what is there has this resourceVersion or uid."""
    ref = Ref.of(manifest)
    kind = of(ref)
    conditions = {"resourceVersion": resource_version, "uid": uid}
    metadata = manifest["metadata"] | {key: value for key, value in conditions.items() if value}
    return Request(
        verb="apply",
        kind=kind,
        ref=ref,
        method="PATCH",
        path=kind.path(ref.namespace, ref.name),
        query={"fieldManager": FIELD_MANAGER, "force": "true"},
        accept=METADATA,
        content_type=APPLY,
        body=manifest | {"metadata": metadata},
    )


def create(manifest: Manifest) -> Request:
    """Apply an object where none is: refused with a conflict where one is, whoever's it may be."""
    return apply(manifest, resource_version=NO_OBJECT)


def keep_replicas(ref: Ref, *, uid: str, replicas: int) -> Request:
    """Hold the present number as another manager, so that it stays when ours no longer applies it.

    Not forced: if somebody has scaled at this moment it is refused, for then the number is theirs already.
    """
    kind = of(ref)
    body = {
        "apiVersion": ref.api_version,
        "kind": ref.kind,
        "metadata": {"name": ref.name, "namespace": ref.namespace, "uid": uid},
        "spec": {"replicas": replicas},
    }
    path = kind.path(ref.namespace, ref.name)
    query = {"fieldManager": HANDOVER}
    return Request("apply", kind, ref, "PATCH", path, query=query, accept=METADATA, content_type=APPLY, body=body)


def dry_run_create(manifest: Manifest) -> Request:
    """Ask whether the API server would take an object, under a name that is free: nothing is made."""
    ref = Ref.of(manifest)
    kind = of(ref)
    kept = {key: value for key, value in manifest["metadata"].items() if key != "name"}
    body = manifest | {"metadata": kept | {"generateName": f"{ref.name}-"}}
    return Request(
        "create", kind, ref, "POST", kind.path(ref.namespace), query={"dryRun": "All"}, accept=METADATA, body=body
    )


def apply_status(ref: Ref, *, uid: str, status: Mapping[str, Any]) -> Request:
    """Apply the whole status of this very AppStack, and of no later one of its name."""
    return Request(
        verb="apply",
        kind=STACK,
        ref=ref,
        method="PATCH",
        path=STACK.path(ref.namespace, ref.name, "status"),
        query={"fieldManager": FIELD_MANAGER, "force": "true"},
        accept=METADATA,
        content_type=APPLY,
        body={
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": ref.name, "namespace": ref.namespace, "uid": uid},
            "status": status,
        },
    )


def get_metadata(ref: Ref) -> Request:
    """Get the metadata of one object."""
    kind = of(ref)
    return Request("get", kind, ref, "GET", kind.path(ref.namespace, ref.name), accept=METADATA)


def get(ref: Ref) -> Request:
    """Get one whole object."""
    kind = of(ref)
    return Request("get", kind, ref, "GET", kind.path(ref.namespace, ref.name))


def delete(ref: Ref, *, uid: str, last: bool = False) -> Request:
    """Delete this very object, and in the background what it owns; or the object last, when that is gone."""
    kind = of(ref)
    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Foreground" if last else "Background",
        "preconditions": {"uid": uid},
    }
    return Request("delete", kind, ref, "DELETE", kind.path(ref.namespace, ref.name), accept=METADATA, body=options)


def discover() -> Request:
    """Ask what the group and version of AppStacks serve."""
    return Request("get", STACK, _whole(STACK), "GET", f"/apis/{API_VERSION}")


def list_appstacks(namespace: str, *, after: str = "") -> Request:
    """List one page of the whole AppStacks of a namespace."""
    ref = Ref(STACK.api_version, STACK.kind, namespace, "")
    return Request("list", STACK, ref, "GET", STACK.path(namespace), query=_page(PAGE, after))


def list_page(kind: Kind, *, limit: int = PAGE, after: str = "") -> Request:
    """List one page of a kind in the whole cluster."""
    query = _page(limit, after) | _selection(kind)
    accept = JSON if kind.transform else METADATA_LIST
    return Request("list", kind, _whole(kind), "GET", kind.path(), query=query, accept=accept)


def watch(kind: Kind, *, version: str, seconds: int) -> Request:
    """Watch a kind in the whole cluster from a resourceVersion on, for so long."""
    query = {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": version,
        "timeoutSeconds": str(seconds),
    }
    accept = JSON if kind.transform else METADATA
    return Request("watch", kind, _whole(kind), "GET", kind.path(), query=query | _selection(kind), accept=accept)


def create_event(manifest: Manifest) -> Request:
    """Tell the world."""
    ref = Ref.of(manifest)
    return Request("create", EVENTS, ref, "POST", EVENTS.path(ref.namespace), accept=METADATA, body=manifest)


def leases(selector: str, *, after: str = "") -> Request:
    """List one page of the Leases in the whole cluster that bear a label."""
    query = _page(PAGE, after) | {"labelSelector": selector}
    return Request("list", LEASES, _whole(LEASES), "GET", LEASES.path(), query=query, urgent=True)


def lease(ref: Ref) -> Request:
    """Get a Lease."""
    return Request("get", LEASES, ref, "GET", LEASES.path(ref.namespace, ref.name), urgent=True)


def watch_lease(ref: Ref, *, version: str) -> Request:
    """Watch one Lease from a resourceVersion on."""
    query = {"watch": "true", "fieldSelector": f"metadata.name={ref.name}", "resourceVersion": version}
    return Request("watch", LEASES, ref, "GET", LEASES.path(ref.namespace), query=query)


def create_lease(manifest: Manifest) -> Request:
    """Create a Lease."""
    ref = Ref.of(manifest)
    return Request("create", LEASES, ref, "POST", LEASES.path(ref.namespace), body=manifest, urgent=True)


def update_lease(manifest: Manifest) -> Request:
    """Replace a Lease, on condition that it still has the resourceVersion in the manifest."""
    ref = Ref.of(manifest)
    path = LEASES.path(ref.namespace, ref.name)
    return Request("update", LEASES, ref, "PUT", path, body=manifest, urgent=True)


def _whole(kind: Kind) -> Ref:
    return Ref(kind.api_version, kind.kind, "", "")


def _page(limit: int, after: str) -> dict[str, str]:
    return {"limit": str(limit)} | ({"continue": after} if after else {})


def _selection(kind: Kind) -> dict[str, str]:
    selected = kind.role not in (ResourceRole.STACK, ResourceRole.NAMESPACE)
    return {"labelSelector": STACK_LABEL} if selected else {}

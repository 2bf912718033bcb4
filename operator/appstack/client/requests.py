"""Builders of API requests as values. The client sends them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from appstack.client.resource_kinds import APPSTACKS, Kind, ResourceRole, kind_of
from appstack.k8s.metadata import API_VERSION, FIELD_MANAGER, KIND, STACK_LABEL, Manifest, Ref

JSON: Final = "application/json"
HANDOVER_MANAGER: Final = "appstack-handover"
"""Field manager that owns `spec.replicas` from the last apply that sets it until an autoscaler takes it over."""

METADATA: Final = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
APPLY: Final = "application/apply-patch+yaml"  # JSON is YAML

WATCH_SILENCE_SECONDS: Final = 90.0
"""Seconds without data after which a watch is closed. A healthy watch receives a bookmark every minute."""

CREATE_ONLY_VERSION: Final = "1"
"""A resourceVersion that no object has. An apply with it creates an object, and conflicts with an existing one.

tests/api/test_api_server_guarantees.py checks this against a real API server for every kind that is applied.
"""

LEASES: Final = Kind("coordination.k8s.io/v1", "Lease", "leases")
TOKEN_REVIEWS: Final = Kind("authentication.k8s.io/v1", "TokenReview", "tokenreviews")
ACCESS_REVIEWS: Final = Kind("authorization.k8s.io/v1", "SubjectAccessReview", "subjectaccessreviews")
EVENTS: Final = Kind("events.k8s.io/v1", "Event", "events")


@dataclass(frozen=True, slots=True)
class Request:
    """One API request, complete except for the server and the credentials."""

    verb: str  # the value of the metrics label `verb`
    kind: Kind
    ref: Ref
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    accept: str = JSON
    content_type: str = JSON
    body: Any = None
    urgent: bool = False  # sent without waiting for a slot of the semaphore

    @property
    def writes(self) -> bool:
        """Whether the request changes an object."""
        return self.method != "GET"

    @property
    def target(self) -> str:
        """The request target: path and query."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    @property
    def resource(self) -> str:
        """The resource as RBAC and metrics name it, for example `appstacks/status`."""
        status = self.path == self.kind.path(self.ref.namespace, self.ref.name, "status")
        return f"{self.kind.plural}/status" if status else self.kind.plural


def apply(manifest: Manifest, *, resource_version: str = "", uid: str = "") -> Request:
    """Apply an object server-side. A resourceVersion or uid is a precondition: 409 where the live object differs."""
    ref = Ref.of(manifest)
    kind = kind_of(ref)
    preconditions = {"resourceVersion": resource_version, "uid": uid}
    metadata = manifest["metadata"] | {key: value for key, value in preconditions.items() if value}
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
    """Create an object by server-side apply. The answer is 409 if an object of this name exists."""
    return apply(manifest, resource_version=CREATE_ONLY_VERSION)


def hold_replicas(ref: Ref, *, uid: str, replicas: int) -> Request:
    """Apply the current number of replicas as the handover manager, so that it survives our own release of the field.

    The apply is not forced: it conflicts if an autoscaler or a user has changed the number, and owns it already.
    """
    kind = kind_of(ref)
    body = {
        "apiVersion": ref.api_version,
        "kind": ref.kind,
        "metadata": {"name": ref.name, "namespace": ref.namespace, "uid": uid},
        "spec": {"replicas": replicas},
    }
    path = kind.path(ref.namespace, ref.name)
    query = {"fieldManager": HANDOVER_MANAGER}
    return Request("apply", kind, ref, "PATCH", path, query=query, accept=METADATA, content_type=APPLY, body=body)


def dry_run_create(manifest: Manifest) -> Request:
    """Create an object as a server-side dry run, under a generated name that cannot conflict."""
    ref = Ref.of(manifest)
    kind = kind_of(ref)
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "name"}
    body = manifest | {"metadata": metadata | {"generateName": f"{ref.name}-"}}
    return Request(
        "create", kind, ref, "POST", kind.path(ref.namespace), query={"dryRun": "All"}, accept=METADATA, body=body
    )


def apply_status(ref: Ref, *, uid: str, status: Mapping[str, Any]) -> Request:
    """Apply the whole status of the AppStack with this uid. The answer is 409 for a later AppStack of the same name."""
    return Request(
        verb="apply",
        kind=APPSTACKS,
        ref=ref,
        method="PATCH",
        path=APPSTACKS.path(ref.namespace, ref.name, "status"),
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
    kind = kind_of(ref)
    return Request("get", kind, ref, "GET", kind.path(ref.namespace, ref.name), accept=METADATA)


def get(ref: Ref) -> Request:
    """Get one whole object."""
    kind = kind_of(ref)
    return Request("get", kind, ref, "GET", kind.path(ref.namespace, ref.name))


def delete(ref: Ref, *, uid: str, foreground: bool = False) -> Request:
    """Delete the object with this uid. With `foreground` it stays until its dependents are deleted."""
    kind = kind_of(ref)
    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Foreground" if foreground else "Background",
        "preconditions": {"uid": uid},
    }
    return Request("delete", kind, ref, "DELETE", kind.path(ref.namespace, ref.name), accept=METADATA, body=options)


def discover() -> Request:
    """Get the resources that the API server serves in the AppStack API version."""
    return Request("get", APPSTACKS, _collection(APPSTACKS), "GET", f"/apis/{API_VERSION}")


def list_appstacks(namespace: str, *, limit: int, continue_token: str = "") -> Request:
    """List one page of the AppStacks of a namespace."""
    ref = Ref(APPSTACKS.api_version, APPSTACKS.kind, namespace, "")
    return Request("list", APPSTACKS, ref, "GET", APPSTACKS.path(namespace), query=_page(limit, continue_token))


def list_page(kind: Kind, namespace: str = "", *, limit: int, continue_token: str = "") -> Request:
    """List one page of a kind in a namespace, or without one in all namespaces."""
    query = _page(limit, continue_token) | _label_selector(kind)
    accept = JSON if kind.transform else METADATA_LIST
    return Request("list", kind, _collection(kind, namespace), "GET", kind.path(namespace), query=query, accept=accept)


def watch(kind: Kind, namespace: str = "", *, resource_version: str, timeout_seconds: int) -> Request:
    """Watch a kind in a namespace, or in all, from a resourceVersion on. The server ends it after the timeout."""
    query = {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": resource_version,
        "timeoutSeconds": str(timeout_seconds),
    }
    accept = JSON if kind.transform else METADATA
    query |= _label_selector(kind)
    return Request("watch", kind, _collection(kind, namespace), "GET", kind.path(namespace), query=query, accept=accept)


def create_event(manifest: Manifest) -> Request:
    """Create an Event."""
    ref = Ref.of(manifest)
    return Request("create", EVENTS, ref, "POST", EVENTS.path(ref.namespace), accept=METADATA, body=manifest)


def list_warnings(namespace: str, *, limit: int, continue_token: str = "") -> Request:
    """List one page of the Events of a namespace that have the type Warning."""
    ref = Ref(EVENTS.api_version, EVENTS.kind, namespace, "")
    query = _page(limit, continue_token) | {"fieldSelector": "type=Warning"}
    return Request("list", EVENTS, ref, "GET", EVENTS.path(namespace), query=query)


def list_leases(selector: str, namespace: str, *, limit: int, continue_token: str = "") -> Request:
    """List one page of the Leases that match a label selector, in a namespace or, if it is empty, in all."""
    query = _page(limit, continue_token) | {"labelSelector": selector}
    return Request("list", LEASES, _collection(LEASES, namespace), "GET", LEASES.path(namespace), query=query)


def get_lease(ref: Ref) -> Request:
    """Get a Lease."""
    return Request("get", LEASES, ref, "GET", LEASES.path(ref.namespace, ref.name), urgent=True)


def watch_lease(ref: Ref, *, resource_version: str) -> Request:
    """Watch one Lease from a resourceVersion on."""
    query = {"watch": "true", "fieldSelector": f"metadata.name={ref.name}", "resourceVersion": resource_version}
    return Request("watch", LEASES, ref, "GET", LEASES.path(ref.namespace), query=query)


def create_lease(manifest: Manifest) -> Request:
    """Create a Lease."""
    ref = Ref.of(manifest)
    return Request("create", LEASES, ref, "POST", LEASES.path(ref.namespace), body=manifest, urgent=True)


def update_lease(manifest: Manifest) -> Request:
    """Replace a Lease. The answer is 409 if its resourceVersion is not the one in the manifest."""
    ref = Ref.of(manifest)
    path = LEASES.path(ref.namespace, ref.name)
    return Request("update", LEASES, ref, "PUT", path, body=manifest, urgent=True)


def review_token(token: str) -> Request:
    """Ask the API server which user a bearer token belongs to."""
    return _review(TOKEN_REVIEWS, {"token": token})


def review_scrape(user: Manifest) -> Request:
    """Ask the API server whether the user of a TokenReview may get /metrics."""
    identity = {key: user[key] for key in ("groups", "uid", "extra") if user.get(key)}
    attributes = {"path": "/metrics", "verb": "get"}
    return _review(ACCESS_REVIEWS, {"user": user.get("username", ""), **identity, "nonResourceAttributes": attributes})


def _review(kind: Kind, spec: Manifest) -> Request:
    body = {"apiVersion": kind.api_version, "kind": kind.kind, "spec": spec}
    return Request("create", kind, _collection(kind), "POST", kind.path(), body=body, urgent=True)


def _collection(kind: Kind, namespace: str = "") -> Ref:
    return Ref(kind.api_version, kind.kind, namespace, "")


def _page(limit: int, continue_token: str) -> dict[str, str]:
    return {"limit": str(limit)} | ({"continue": continue_token} if continue_token else {})


def _label_selector(kind: Kind) -> dict[str, str]:
    selected = kind.role not in (ResourceRole.STACK, ResourceRole.NAMESPACE)
    return {"labelSelector": STACK_LABEL} if selected else {}

"""Requests as values, and the errors for responses."""

from __future__ import annotations

import json

import pytest

from appstack.client import requests
from appstack.client.resource_kinds import APPSTACKS, WATCHED_KINDS, Kind, ResourceRole
from appstack.client.responses import is_conflict, is_immutable, to_error
from appstack.errors import ApiRejected, ApiUnavailable, KindNotServed
from appstack.k8s.metadata import Ref

MANIFEST = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop", "namespace": "team"}}
REF = Ref.of(MANIFEST)


def test_apply_is_forced_and_requests_metadata_only() -> None:
    request = requests.apply(MANIFEST, uid="c1")

    assert ("PATCH", "/apis/apps/v1/namespaces/team/deployments/shop") == (request.method, request.path)
    assert {"fieldManager": "appstack", "force": "true"} == request.query
    assert ("application/apply-patch+yaml", requests.METADATA) == (request.content_type, request.accept)
    assert {"name": "shop", "namespace": "team", "uid": "c1"} == request.body["metadata"]
    assert {"name": "shop", "namespace": "team"} == MANIFEST["metadata"], "the manifest is unchanged"


def test_create_has_a_resource_version_that_no_object_has() -> None:
    assert "1" == requests.create(MANIFEST).body["metadata"]["resourceVersion"]


def test_status_write_has_the_uid_as_precondition() -> None:
    request = requests.apply_status(Ref("appstack.dev/v1alpha1", "AppStack", "team", "shop"), uid="u1", status={"a": 1})

    assert "/apis/appstack.dev/v1alpha1/namespaces/team/appstacks/shop/status" == request.path
    assert {"name": "shop", "namespace": "team", "uid": "u1"} == request.body["metadata"]
    assert {"a": 1} == request.body["status"]


def test_delete_has_the_uid_as_precondition() -> None:
    request = requests.delete(REF, uid="c1")

    assert ("DELETE", {"uid": "c1"}) == (request.method, request.body["preconditions"])


@pytest.mark.parametrize("kind", WATCHED_KINDS, ids=lambda kind: kind.plural)
def test_watch_selects_labelled_objects_and_requests_metadata_where_that_is_enough(kind: Kind) -> None:
    for request in (
        requests.list_page(kind, limit=500, continue_token="x"),
        requests.watch(kind, resource_version="7", timeout_seconds=300),
    ):
        assert ("labelSelector" in request.query) is (kind.role is not ResourceRole.NAMESPACE)
        assert (request.accept == requests.JSON) is (kind.transform is not None)
        assert not request.writes
    assert {"limit": "500", "continue": "x"}.items() <= requests.list_page(
        kind, limit=500, continue_token="x"
    ).query.items()
    assert "true" == requests.watch(kind, resource_version="7", timeout_seconds=300).query["allowWatchBookmarks"]


def test_secrets_are_not_watched() -> None:
    assert "secrets" not in {kind.plural for kind in WATCHED_KINDS}


def _status(code: int, reason: str, message: str, **members: object) -> bytes:
    return json.dumps({"kind": "Status", "code": code, "reason": reason, "message": message, **members}).encode()


@pytest.mark.parametrize("code", [401, 408, 429, 500, 503, 504])
def test_temporary_error_is_api_unavailable(code: int) -> None:
    error = to_error(requests.get_metadata(REF), status=code, headers={"Retry-After": "3"}, body=b"<html>busy</html>")

    assert isinstance(error, ApiUnavailable)
    assert 3 == error.retry_after
    assert "Deployment team/shop: <html>busy</html>" == str(error)


def test_field_that_a_custom_resource_does_not_have_is_rejected() -> None:
    message = "failed to create typed patch object (team/shop; a/v1, Kind=A): .spec.b: field not declared in schema"
    error = to_error(requests.get_metadata(REF), status=500, headers={}, body=_status(500, "", message))

    assert type(error) is ApiRejected
    assert ".spec.b: field not declared in schema" in str(error)


def test_retry_after_may_be_in_the_status_object() -> None:
    body = _status(429, "TooManyRequests", "slow down", details={"retryAfterSeconds": 7})
    error = to_error(requests.get_metadata(REF), status=429, headers={}, body=body)

    assert isinstance(error, ApiUnavailable)
    assert 7 == error.retry_after


@pytest.mark.parametrize("code", [400, 403, 404, 409, 410, 422])
def test_rejection_has_the_reason_and_message_of_the_server(code: int) -> None:
    error = to_error(requests.get_metadata(REF), status=code, headers={}, body=_status(code, "Invalid", "is invalid"))

    assert isinstance(error, ApiRejected)
    assert (REF, code, "Invalid", "is invalid") == (error.ref, error.status, error.reason, error.message)


def test_long_message_keeps_both_ends() -> None:
    long = "spec[" * 50_000
    body = _status(422, "Invalid", long, details={"causes": [{"message": long}]})
    error = to_error(requests.get_metadata(REF), status=422, headers={}, body=body)

    assert isinstance(error, ApiRejected)
    shortened = f"{long[:4_000]} … {long[-4_000:]}"
    assert (shortened, (shortened,)) == (error.message, error.causes)


def test_immutable_field_is_recognised_in_a_long_message() -> None:
    causes = [{"message": f"Invalid value: core.PodTemplateSpec{{{'x' * 50_000}}}: field is immutable"}]
    body = _status(422, "Invalid", "is invalid", details={"causes": causes})
    error = to_error(requests.get_metadata(REF), status=422, headers={}, body=body)

    assert isinstance(error, ApiRejected)
    assert is_immutable(error)


@pytest.mark.parametrize(
    ("code", "message", "conflict"),
    [
        (409, "the object has been modified", True),
        (422, 'ConfigMap "a" is invalid: metadata.uid: Invalid value: "x": field is immutable', True),
        (422, 'Service "a" is invalid: spec.ports: Required value', False),
        (403, "exceeded quota", False),
    ],
)
def test_conflict_is_a_failed_precondition(code: int, message: str, conflict: bool) -> None:
    assert conflict is is_conflict(ApiRejected(REF, status=code, reason="", message=message))


def test_appstacks_are_listed_without_a_label_selector() -> None:
    assert {"limit": "1"} == requests.list_page(APPSTACKS, limit=1).query


JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "shop", "namespace": "team"}}
ROUTE = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": JOB["metadata"]}
IMMUTABLE = "Invalid value: {}: field is immutable"
IMMUTABLE_POD = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`"


def test_dry_run_create_has_a_generated_name() -> None:
    request = requests.dry_run_create(JOB)

    assert ("POST", "/apis/batch/v1/namespaces/team/jobs") == (request.method, request.path)
    assert {"dryRun": "All"} == request.query
    assert {"generateName": "shop-", "namespace": "team"} == request.body["metadata"]


def test_replicas_are_held_by_the_handover_manager_without_force() -> None:
    request = requests.hold_replicas(REF, uid="c1", replicas=3)

    assert {"fieldManager": "appstack-handover"} == request.query
    assert {"replicas": 3} == request.body["spec"]
    assert "c1" == request.body["metadata"]["uid"]


def test_foreground_deletion_waits_for_dependents() -> None:
    assert "Foreground" == requests.delete(REF, uid="c1", foreground=True).body["propagationPolicy"]
    assert "Background" == requests.delete(REF, uid="c1").body["propagationPolicy"]


@pytest.mark.parametrize(
    ("sentence", "causes", "immutable"),
    [
        ("a Job's template", [IMMUTABLE], True),
        ("a pod's spec", [IMMUTABLE_POD], True),
        ("one of two causes is a missing value", [IMMUTABLE, "Required value"], False),
        ("an unsupported value", ["Unsupported value"], False),
        ("no causes", [], False),
    ],
)
def test_immutable_field_is_distinguished_from_an_invalid_field(
    sentence: str, causes: list[str], immutable: bool
) -> None:
    details = {"causes": [{"message": cause} for cause in causes]}
    body = json.dumps({"kind": "Status", "reason": "Invalid", "message": "no", "details": details}).encode()
    error = to_error(requests.apply(JOB), status=422, headers={}, body=body)

    assert isinstance(error, ApiRejected)
    assert immutable is is_immutable(error), sentence


@pytest.mark.parametrize(
    ("sentence", "manifest", "body", "missing"),
    [
        ("the path is not served", ROUTE, b"404 page not found\n", True),
        ("the namespace does not exist", ROUTE, b'{"kind": "Status", "reason": "NotFound", "message": "no"}', False),
        ("a built-in kind", JOB, b"404 page not found\n", False),
    ],
)
def test_missing_kind_is_distinguished_from_a_missing_object(
    sentence: str, manifest: dict[str, object], body: bytes, missing: bool
) -> None:
    error = to_error(requests.apply(manifest), status=404, headers={}, body=body)

    assert missing is isinstance(error, KindNotServed), sentence

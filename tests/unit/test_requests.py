"""Requests are values: what goes over the wire is seen without sending it."""

from __future__ import annotations

import json

import pytest

from appstack.client import requests
from appstack.client.resource_kinds import STACK, WATCHED, Kind, ResourceRole
from appstack.client.responses import is_conflict, is_immutable, to_error
from appstack.errors import ApiRejected, ApiUnavailable, KindNotServed
from appstack.k8s.metadata import Ref

MANIFEST = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop", "namespace": "team"}}
REF = Ref.of(MANIFEST)


def test_an_apply_is_forced_and_only_metadata_comes_back() -> None:
    request = requests.apply(MANIFEST, uid="c1")

    assert ("PATCH", "/apis/apps/v1/namespaces/team/deployments/shop") == (request.method, request.path)
    assert {"fieldManager": "appstack", "force": "true"} == request.query
    assert ("application/apply-patch+yaml", requests.METADATA) == (request.content_type, request.accept)
    assert {"name": "shop", "namespace": "team", "uid": "c1"} == request.body["metadata"]
    assert {"name": "shop", "namespace": "team"} == MANIFEST["metadata"], "the manifest stays as it was"


def test_a_create_can_only_succeed_where_nothing_is() -> None:
    assert "1" == requests.create(MANIFEST).body["metadata"]["resourceVersion"]


def test_a_status_is_of_one_uid() -> None:
    request = requests.apply_status(Ref("appstack.dev/v1alpha1", "AppStack", "team", "shop"), uid="u1", status={"a": 1})

    assert "/apis/appstack.dev/v1alpha1/namespaces/team/appstacks/shop/status" == request.path
    assert {"name": "shop", "namespace": "team", "uid": "u1"} == request.body["metadata"]
    assert {"a": 1} == request.body["status"]


def test_a_deletion_is_of_one_uid() -> None:
    request = requests.delete(REF, uid="c1")

    assert ("DELETE", {"uid": "c1"}) == (request.method, request.body["preconditions"])


@pytest.mark.parametrize("kind", WATCHED, ids=lambda kind: kind.plural)
def test_only_what_bears_our_label_is_watched_and_only_what_is_needed_travels(kind: Kind) -> None:
    for request in (requests.list_page(kind, after="x"), requests.watch(kind, version="7", seconds=300)):
        assert ("labelSelector" in request.query) is (kind.role is not ResourceRole.NAMESPACE)
        assert (request.accept == requests.JSON) is (kind.transform is not None)
        assert not request.writes
    assert {"limit": "500", "continue": "x"}.items() <= requests.list_page(kind, after="x").query.items()
    assert "true" == requests.watch(kind, version="7", seconds=300).query["allowWatchBookmarks"]


def test_no_kind_reads_secrets() -> None:
    assert "secrets" not in {kind.plural for kind in WATCHED}


def _status(code: int, reason: str, message: str, **more: object) -> bytes:
    return json.dumps({"kind": "Status", "code": code, "reason": reason, "message": message, **more}).encode()


@pytest.mark.parametrize("code", [401, 408, 429, 500, 503, 504])
def test_what_passes_is_tried_again(code: int) -> None:
    error = to_error(requests.get_metadata(REF), status=code, headers={"Retry-After": "3"}, body=b"<html>busy</html>")

    assert isinstance(error, ApiUnavailable)
    assert 3 == error.retry_after
    assert "Deployment team/shop: <html>busy</html>" == str(error)


def test_how_long_to_wait_may_stand_in_the_answer() -> None:
    body = _status(429, "TooManyRequests", "slow down", details={"retryAfterSeconds": 7})
    error = to_error(requests.get_metadata(REF), status=429, headers={}, body=body)

    assert isinstance(error, ApiUnavailable)
    assert 7 == error.retry_after


@pytest.mark.parametrize("code", [400, 403, 404, 409, 410, 422])
def test_what_does_not_pass_is_said_as_the_server_said_it(code: int) -> None:
    error = to_error(requests.get_metadata(REF), status=code, headers={}, body=_status(code, "Because", "it is so"))

    assert isinstance(error, ApiRejected)
    assert (REF, code, "Because", "it is so") == (error.ref, error.status, error.reason, error.message)


def test_of_a_message_that_quotes_all_that_was_written_both_ends_are_kept() -> None:
    long = "spec[" * 50_000
    body = _status(422, "Invalid", long, details={"causes": [{"message": long}]})
    error = to_error(requests.get_metadata(REF), status=422, headers={}, body=body)

    assert isinstance(error, ApiRejected)
    truncate = f"{long[:4_000]} … {long[-4_000:]}"
    assert (truncate, (truncate,)) == (error.message, error.causes)


def test_the_end_of_a_long_message_still_says_that_a_field_is_immutable() -> None:
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
def test_a_conflict_is_told_from_a_refusal(code: int, message: str, conflict: bool) -> None:
    assert conflict is is_conflict(ApiRejected(REF, status=code, reason="", message=message))


def test_the_stack_itself_is_listed_whole() -> None:
    assert {"limit": "1"} == requests.list_page(STACK, limit=1).query


JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "shop", "namespace": "team"}}
ROUTE = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": JOB["metadata"]}
FIXED = "Invalid value: {}: field is immutable"
POD_FIXED = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`"


def test_a_rehearsal_makes_nothing_and_asks_for_a_free_name() -> None:
    request = requests.dry_run_create(JOB)

    assert ("POST", "/apis/batch/v1/namespaces/team/jobs") == (request.method, request.path)
    assert {"dryRun": "All"} == request.query
    assert {"generateName": "shop-", "namespace": "team"} == request.body["metadata"]


def test_a_number_is_kept_by_another_manager_and_never_by_force() -> None:
    request = requests.keep_replicas(REF, uid="c1", replicas=3)

    assert {"fieldManager": "appstack-handover"} == request.query
    assert {"replicas": 3} == request.body["spec"]
    assert "c1" == request.body["metadata"]["uid"]


def test_what_is_made_anew_goes_when_its_pods_have_gone() -> None:
    assert "Foreground" == requests.delete(REF, uid="c1", last=True).body["propagationPolicy"]
    assert "Background" == requests.delete(REF, uid="c1").body["propagationPolicy"]


@pytest.mark.parametrize(
    ("sentence", "causes", "immutable"),
    [
        ("a Job's template", [FIXED], True),
        ("a pod's spec", [POD_FIXED], True),
        ("one of two is simply wrong", [FIXED, "Required value"], False),
        ("simply wrong", ["Unsupported value"], False),
        ("nobody says what", [], False),
    ],
)
def test_a_field_that_cannot_be_changed_is_told_from_one_that_is_wrong(
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
        ("the path leads nowhere", ROUTE, b"404 page not found\n", True),
        ("its namespace is gone", ROUTE, b'{"kind": "Status", "reason": "NotFound", "message": "no"}', False),
        ("a kind that every cluster has", JOB, b"404 page not found\n", False),
    ],
)
def test_a_missing_kind_is_told_from_a_missing_object(
    sentence: str, manifest: dict[str, object], body: bytes, missing: bool
) -> None:
    error = to_error(requests.apply(manifest), status=404, headers={}, body=body)

    assert missing is isinstance(error, KindNotServed), sentence

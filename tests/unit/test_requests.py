"""Requests are values: what goes over the wire is seen without sending it."""

from __future__ import annotations

import json

import pytest

from appstack.cluster import requests
from appstack.cluster.answers import failure, is_conflict
from appstack.cluster.kinds import STACK, WATCHED, Kind, Role
from appstack.errors import Refused, Unavailable
from appstack.meta import Ref

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
    for request in (requests.page(kind, after="x"), requests.watch(kind, version="7", seconds=300)):
        assert ("labelSelector" in request.query) is (kind.role is not Role.NAMESPACE)
        assert (request.accept == requests.JSON) is (kind.slim is not None)
        assert not request.writes
    assert {"limit": "500", "continue": "x"}.items() <= requests.page(kind, after="x").query.items()
    assert "true" == requests.watch(kind, version="7", seconds=300).query["allowWatchBookmarks"]


def test_no_kind_reads_secrets() -> None:
    assert "secrets" not in {kind.plural for kind in WATCHED}


def _status(code: int, reason: str, message: str, **more: object) -> bytes:
    return json.dumps({"kind": "Status", "code": code, "reason": reason, "message": message, **more}).encode()


@pytest.mark.parametrize("code", [401, 408, 429, 500, 503, 504])
def test_what_passes_is_tried_again(code: int) -> None:
    error = failure(requests.look(REF), status=code, headers={"Retry-After": "3"}, body=b"<html>busy</html>")

    assert isinstance(error, Unavailable)
    assert 3 == error.retry_after
    assert "Deployment team/shop: <html>busy</html>" == str(error)


def test_how_long_to_wait_may_stand_in_the_answer() -> None:
    body = _status(429, "TooManyRequests", "slow down", details={"retryAfterSeconds": 7})
    error = failure(requests.look(REF), status=429, headers={}, body=body)

    assert isinstance(error, Unavailable)
    assert 7 == error.retry_after


@pytest.mark.parametrize("code", [400, 403, 404, 409, 410, 422])
def test_what_does_not_pass_is_said_as_the_server_said_it(code: int) -> None:
    error = failure(requests.look(REF), status=code, headers={}, body=_status(code, "Because", "it is so"))

    assert isinstance(error, Refused)
    assert (REF, code, "Because", "it is so") == (error.ref, error.status, error.reason, error.message)


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
    assert conflict is is_conflict(Refused(REF, status=code, reason="", message=message))


def test_the_stack_itself_is_listed_whole() -> None:
    assert {"limit": "1"} == requests.page(STACK, limit=1).query

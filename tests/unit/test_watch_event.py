"""Decoding of the lines of a watch."""

from __future__ import annotations

import json

import pytest

from appstack.client.responses import decode_watch_event
from appstack.errors import ApiUnavailable
from appstack.informers.transform import child_of
from appstack.k8s.metadata import Manifest
from tests.unit.owned_objects import KINDS, owned_object


def test_line_is_decoded_to_type_object_and_version() -> None:
    event = decode_watch_event(b'{"type": "ADDED", "object": {"metadata": {"name": "x", "resourceVersion": "7"}}}')

    assert ("ADDED", "7", "x") == (event.type, event.resource_version, event.object["metadata"]["name"])
    assert "ERROR" == decode_watch_event(b'{"type": "ERROR", "object": {"code": 500}}').type


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b'{"type": "ADD',
        b'{"type": "ADDED"}',
        b'{"type": "ADDED", "object": {}}',
        b'{"type": "ADDED", "object": {"metadata": {"resourceVersion": "new"}}}',
        b'{"type": "GUESSED", "object": {"metadata": {"resourceVersion": "7"}}}',
        b"[]",
        b"null",
    ],
)
def test_truncated_or_malformed_line_is_an_error(line: bytes) -> None:
    with pytest.raises(ApiUnavailable, match="not a watch event"):
        decode_watch_event(line)


def test_deeply_nested_fields_are_decoded() -> None:
    fields: Manifest = {}
    for _ in range(500):  # the API server stores any depth
        fields = {"f:a": fields}
    entry = {"manager": "kubectl", "operation": "Update", "fieldsV1": fields}
    line = json.dumps({"type": "ADDED", "object": owned_object(1, managed_fields=[entry])})

    event = decode_watch_event(line.encode())

    assert "" == child_of(KINDS["ConfigMap"], event.object).fields

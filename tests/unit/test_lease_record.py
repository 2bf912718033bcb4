"""Lease records, also of Leases that another API client has written."""

from __future__ import annotations

import json

import pytest

from appstack.k8s.metadata import Manifest
from appstack.leaderelection.lease_record import LeaseRecord
from appstack.leaderelection.scope import Scope, overlap

OWN_SCOPE = Scope(("*a*b*c*",))


def lease(*, names: str = "[]", excluded: str = "[]", selector: str = "", seconds: int = 15) -> Manifest:
    """Return the Lease of another operator with these annotations."""
    values = {"namespaces": names, "exclude-namespaces": excluded, "namespace-selector": selector}
    annotations = {f"appstack.dev/{key}": value for key, value in values.items()}
    metadata = {"name": "other", "namespace": "team", "resourceVersion": "1", "annotations": annotations}
    return {"metadata": metadata, "spec": {"holderIdentity": "other", "leaseDurationSeconds": seconds}}


def test_annotations_are_the_scope() -> None:
    scope = LeaseRecord.of(lease(names='["team-*"]', excluded='["team-a"]', selector="shard=a")).scope

    assert Scope(("team-*",), ("team-a",), "shard=a") == scope


@pytest.mark.parametrize(
    "forged",
    [
        lease(names="["),
        lease(names="[" * 200_000),
        lease(names="7"),
        lease(names=json.dumps(["*a" * 5_000])),
        lease(names=json.dumps(["*"] * 50_000), excluded=json.dumps(["b"] * 50_000)),
        lease(excluded=json.dumps(["a" * 5_000 + "*"])),
        lease(selector="," * 200_000),
        lease(selector="a" * 200_000),
    ],
    ids=range(8),
)
def test_annotation_that_is_malformed_or_too_long_counts_as_unrestricted(forged: Manifest) -> None:
    scope = LeaseRecord.of(forged).scope

    assert (Scope().patterns, Scope().excluded, Scope().labels) == (scope.patterns, scope.excluded, scope.labels)
    assert overlap(OWN_SCOPE, scope)


def test_lease_duration_is_limited() -> None:
    assert 15 == LeaseRecord.of(lease()).timings.duration
    assert 300 == LeaseRecord.of(lease(seconds=2**31 - 1)).timings.duration

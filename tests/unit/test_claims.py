"""What the Leases of others say, whoever wrote them."""

from __future__ import annotations

import json

import pytest

from appstack.k8s.metadata import Manifest
from appstack.leaderelection.lease_record import Claim
from appstack.leaderelection.scope import Scope, overlap

OURS = Scope(("*a*b*c*",))


def lease(*, names: str = "[]", excluded: str = "[]", selector: str = "", seconds: int = 15) -> Manifest:
    """Return a Lease whose annotations say this."""
    said = {"namespaces": names, "exclude-namespaces": excluded, "namespace-selector": selector}
    annotations = {f"appstack.dev/{key}": value for key, value in said.items()}
    metadata = {"name": "other", "namespace": "team", "resourceVersion": "1", "annotations": annotations}
    return {"metadata": metadata, "spec": {"holderIdentity": "other", "leaseDurationSeconds": seconds}}


def test_a_lease_says_which_namespaces_are_whose() -> None:
    scope = Claim.of(lease(names='["team-*"]', excluded='["team-a"]', selector="shard=a")).scope

    assert Scope(("team-*",), ("team-a",), "shard=a") == scope


@pytest.mark.parametrize(
    "made_up",
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
def test_what_can_not_be_read_or_compared_is_everything(made_up: Manifest) -> None:
    scope = Claim.of(made_up).scope

    assert (Scope().patterns, Scope().excluded, Scope().labels) == (scope.patterns, scope.excluded, scope.labels)
    assert overlap(OURS, scope)


def test_nobodys_lease_holds_for_a_lifetime() -> None:
    assert 15 == Claim.of(lease()).times.duration
    assert 300 == Claim.of(lease(seconds=2**31 - 1)).times.duration

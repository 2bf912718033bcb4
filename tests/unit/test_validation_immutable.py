"""Validation of changes to immutable fields of live objects."""

from __future__ import annotations

from typing import Any

import pytest

from appstack.api import AppStack, parse
from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed
from appstack.validation.immutable import immutable_field_issues

SPEC = {"resources": {"requests": {"storage": "10Gi"}}, "storageClassName": "fast", "accessModes": ["ReadWriteOnce"]}
SIZE, STORAGE_CLASS, MODES = "resources.requests.storage", "storageClassName", "accessModes"


def _stack(claim: dict[str, Any], *, kind: str = "Deployment", **fields: Any) -> AppStack:
    """Return an AppStack with one volume, a claim with these fields."""
    volume = {"name": "data", "claim": claim}
    spec = {"workload": {"kind": kind}, "backend": {"image": "i"}, "volumes": [volume], **fields}
    metadata = {"name": "shop", "namespace": "team", "uid": "u"}
    return parse({"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": metadata, "spec": spec})


def _sized(size: str) -> dict[str, Any]:
    return SPEC | {"resources": {"requests": {"storage": size}}}


def _observed(*children: Child) -> Observed:
    return Observed({child.ref: child for child in children})


CLAIM = Child(Ref("v1", "PersistentVolumeClaim", "team", "shop-data"), "1", "1", "shop", fields="f", spec=SPEC)
TEMPLATE = {"metadata": {"name": "data"}, "spec": SPEC}
STATEFUL_SET = Child(
    Ref("apps/v1", "StatefulSet", "team", "shop"),
    "1",
    "1",
    "shop",
    fields="f",
    spec={"serviceName": "shop-pods", "podManagementPolicy": "OrderedReady", "volumeClaimTemplates": [TEMPLATE]},
)


@pytest.mark.parametrize(
    ("claim", "paths"),
    [
        pytest.param(SPEC, [], id="unchanged claim is valid"),
        pytest.param(_sized("10240Mi"), [], id="same size in another unit is valid"),
        pytest.param(_sized("11Gi"), [], id="larger size is valid"),
        pytest.param(_sized("10G"), [SIZE], id="smaller size is rejected"),
        pytest.param(
            {k: v for k, v in SPEC.items() if k != STORAGE_CLASS}, [], id="defaulted storage class may stay unset"
        ),
        pytest.param(SPEC | {STORAGE_CLASS: "slow"}, [STORAGE_CLASS], id="another storage class is rejected"),
        pytest.param({k: v for k, v in SPEC.items() if k != MODES}, [], id="default access modes may stay unset"),
        pytest.param(SPEC | {MODES: ["ReadWriteMany"]}, [MODES], id="another access mode is rejected"),
        pytest.param(
            _sized("1Gi") | {STORAGE_CLASS: "slow", MODES: ["ReadWriteMany"]},
            [SIZE, MODES, STORAGE_CLASS],
            id="every change is rejected",
        ),
    ],
)
def test_claim_keeps_its_immutable_fields(claim: dict[str, Any], paths: list[str]) -> None:
    issues = immutable_field_issues(_stack(claim), _observed(CLAIM))

    assert [f"spec.volumes[0].claim.{path}" for path in paths] == [issue.field for issue in issues]
    assert all(issue.hint for issue in issues)


@pytest.mark.parametrize(
    ("spec", "paths"),
    [
        pytest.param({}, [], id="unchanged StatefulSet is valid"),
        pytest.param({"claim": _sized("11Gi")}, [f"spec.volumes[0].claim.{SIZE}"], id="larger claims are rejected"),
        pytest.param(
            {"claim": SPEC | {STORAGE_CLASS: "slow"}},
            [f"spec.volumes[0].claim.{STORAGE_CLASS}"],
            id="another storage class is rejected",
        ),
        pytest.param(
            {"claim": SPEC | {"perReplica": False}},
            ["spec.volumes[0].claim.perReplica"],
            id="shared claim instead of a claim per replica is rejected",
        ),
        pytest.param({"volumes": []}, ["spec.volumes"], id="removed volume is rejected"),
        pytest.param(
            {"workload": {"kind": "StatefulSet", "statefulSet": {"podManagementPolicy": "Parallel"}}},
            ["spec.workload.statefulSet.podManagementPolicy"],
            id="another podManagementPolicy is rejected",
        ),
        pytest.param(
            {"service": {"clusterIP": "None"}}, ["spec.service.clusterIP"], id="another serviceName is rejected"
        ),
        pytest.param(
            {"workload": {"kind": "Deployment"}, "volumes": []}, [], id="another kind of workload is not checked"
        ),
    ],
)
def test_stateful_set_keeps_its_immutable_fields(spec: dict[str, Any], paths: list[str]) -> None:
    claim = {"perReplica": True} | spec.get("claim", SPEC)
    fields = {name: value for name, value in spec.items() if name != "claim"}

    issues = immutable_field_issues(_stack(claim, **{"kind": "StatefulSet", **fields}), _observed(STATEFUL_SET))

    assert paths == [issue.field for issue in issues]


def test_missing_objects_and_objects_of_others_have_no_immutable_fields() -> None:
    other = Child(CLAIM.ref, "1", "1", "", spec=SPEC)

    assert () == immutable_field_issues(_stack(_sized("1Gi")), Observed())
    assert () == immutable_field_issues(_stack(_sized("1Gi")), _observed(other))


@pytest.mark.parametrize(
    ("cluster_ip", "service", "rejected"),
    [
        pytest.param("10.96.0.7", {}, False, id="allocated address may stay unset"),
        pytest.param("10.96.0.7", {"clusterIP": "10.96.0.7"}, False, id="same address is valid"),
        pytest.param("10.96.0.7", {"clusterIP": "10.96.0.8"}, True, id="another address is rejected"),
        pytest.param("10.96.0.7", {"clusterIP": "None"}, True, id="headless instead of an address is rejected"),
        pytest.param("None", {"clusterIP": "None"}, False, id="headless Service is valid"),
        pytest.param("None", {}, True, id="address instead of headless is rejected"),
        pytest.param(
            "10.96.0.7", {"type": "ExternalName", "externalName": "a.b"}, False, id="ExternalName drops the address"
        ),
        pytest.param(None, {"clusterIP": "None"}, False, id="Service without an address may become headless"),
        pytest.param("None", {"enabled": False}, False, id="Service may be disabled"),
    ],
)
def test_service_keeps_its_cluster_ip(cluster_ip: str | None, service: dict[str, Any], rejected: bool) -> None:
    live = Child(Ref("v1", "Service", "team", "shop"), "1", "1", "shop", fields="f", spec={"clusterIP": cluster_ip})
    issues = immutable_field_issues(_stack(SPEC, service=service), _observed(live))

    assert ["spec.service.clusterIP"] * rejected == [issue.field for issue in issues]

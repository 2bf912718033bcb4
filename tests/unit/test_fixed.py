"""What can't be changed any more: a table of sentences."""

from __future__ import annotations

from typing import Any

import pytest

from appstack.api import parse
from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed
from appstack.validation.immutable import fixed

SPEC = {"resources": {"requests": {"storage": "10Gi"}}, "storageClassName": "fast", "accessModes": ["ReadWriteOnce"]}
SIZE, KIND, MODES = "resources.requests.storage", "storageClassName", "accessModes"


def _with(claim: dict[str, Any], *, kind: str = "Deployment", **spec: Any) -> Any:
    volume = {"name": "data", "claim": claim}
    expand = {"workload": {"kind": kind}, "backend": {"image": "i"}, "volumes": [volume], **spec}
    metadata = {"name": "shop", "namespace": "team", "uid": "u"}
    return parse({"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": metadata, "spec": expand})


def _storage(size: str) -> dict[str, Any]:
    return SPEC | {"resources": {"requests": {"storage": size}}}


def _held(*children: Child) -> Observed:
    return Observed({child.ref: child for child in children})


CLAIM = Child(Ref("v1", "PersistentVolumeClaim", "team", "shop-data"), "1", "1", "shop", fields="f", spec=SPEC)
TEMPLATE = {"metadata": {"name": "data"}, "spec": SPEC}
STATEFUL = Child(
    Ref("apps/v1", "StatefulSet", "team", "shop"),
    "1",
    "1",
    "shop",
    fields="f",
    spec={"serviceName": "shop-pods", "podManagementPolicy": "OrderedReady", "volumeClaimTemplates": [TEMPLATE]},
)


@pytest.mark.parametrize(
    ("sentence", "claim", "paths"),
    [
        ("the same", SPEC, []),
        ("the same size in other words", _storage("10240Mi"), []),
        ("it grows", _storage("11Gi"), []),
        ("it shrinks", _storage("10G"), [SIZE]),
        ("the cluster's default class was filled in", {k: v for k, v in SPEC.items() if k != KIND}, []),
        ("another class", SPEC | {KIND: "slow"}, [KIND]),
        ("modes left to the default", {k: v for k, v in SPEC.items() if k != MODES}, []),
        ("another mode", SPEC | {MODES: ["ReadWriteMany"]}, [MODES]),
        ("everything", _storage("1Gi") | {KIND: "slow", MODES: ["ReadWriteMany"]}, [SIZE, MODES, KIND]),
    ],
)
def test_a_claim(sentence: str, claim: dict[str, Any], paths: list[str]) -> None:
    issues = fixed(_with(claim), _held(CLAIM))

    assert [f"spec.volumes[0].claim.{path}" for path in paths] == [issue.field for issue in issues], sentence
    assert all(issue.hint for issue in issues)


@pytest.mark.parametrize(
    ("sentence", "spec", "paths"),
    [
        ("the same", {}, []),
        ("it grows", {"claim": _storage("11Gi")}, [f"spec.volumes[0].claim.{SIZE}"]),
        ("another class", {"claim": SPEC | {KIND: "slow"}}, [f"spec.volumes[0].claim.{KIND}"]),
        ("one for all", {"claim": SPEC | {"perReplica": False}}, ["spec.volumes[0].claim.perReplica"]),
        ("no longer a volume", {"volumes": []}, ["spec.volumes"]),
        (
            "another start",
            {"workload": {"kind": "StatefulSet", "statefulSet": {"podManagementPolicy": "Parallel"}}},
            ["spec.workload.statefulSet.podManagementPolicy"],
        ),
        ("another Service", {"service": {"clusterIP": "None"}}, ["spec.service.clusterIP"]),
        ("another kind of workload", {"workload": {"kind": "Deployment"}, "volumes": []}, []),
    ],
)
def test_a_stateful_set(sentence: str, spec: dict[str, Any], paths: list[str]) -> None:
    claim = {"perReplica": True} | spec.pop("claim", SPEC)

    issues = fixed(_with(claim, kind="StatefulSet", **spec), _held(STATEFUL))

    assert paths == [issue.field for issue in issues], sentence


def test_what_is_not_there_or_not_ours_fixes_nothing() -> None:
    other = Child(CLAIM.ref, "1", "1", "", spec=SPEC)

    assert () == fixed(_with(_storage("1Gi")), Observed())
    assert () == fixed(_with(_storage("1Gi")), _held(other))


@pytest.mark.parametrize(
    ("sentence", "has", "service", "refused"),
    [
        ("the same, whichever it got", "10.96.0.7", {}, False),
        ("the same, written", "10.96.0.7", {"clusterIP": "10.96.0.7"}, False),
        ("another", "10.96.0.7", {"clusterIP": "10.96.0.8"}, True),
        ("it would become headless", "10.96.0.7", {"clusterIP": "None"}, True),
        ("headless as before", "None", {"clusterIP": "None"}, False),
        ("headless, and no longer written", "None", {}, True),
        ("a name of elsewhere has no address", "10.96.0.7", {"type": "ExternalName", "externalName": "a.b"}, False),
        ("nor had it one", None, {"clusterIP": "None"}, False),
        ("it goes", "None", {"enabled": False}, False),
    ],
)
def test_a_service_keeps_its_address(sentence: str, has: str | None, service: dict[str, Any], refused: bool) -> None:
    held = Child(Ref("v1", "Service", "team", "shop"), "1", "1", "shop", fields="f", spec={"clusterIP": has})
    issues = fixed(_with(SPEC, service=service), _held(held))

    assert ["spec.service.clusterIP"] * refused == [issue.field for issue in issues], sentence

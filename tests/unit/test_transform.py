"""The transform of objects before they are stored: the fields that decisions need, and no assumptions about others."""

from __future__ import annotations

from typing import Any

import pytest

from appstack.informers.transform import child_of
from appstack.k8s.metadata import Manifest
from tests.unit.owned_objects import APPLY_ENTRY, KINDS, owned_object

CONFIG, DEPLOYMENT, POD, CLAIM = (KINDS[name] for name in ("ConfigMap", "Deployment", "Pod", "PersistentVolumeClaim"))


@pytest.mark.parametrize(
    ("sentence", "entries", "is_applied"),
    [
        ("our own apply", [APPLY_ENTRY], True),
        ("an apply of another manager", [APPLY_ENTRY | {"manager": "kubectl"}], False),
        ("an update under our name", [APPLY_ENTRY | {"operation": "Update"}], False),
        ("our apply of the status", [APPLY_ENTRY | {"subresource": "status"}], False),
        ("our own apply among others", [APPLY_ENTRY | {"manager": "kubectl"}, APPLY_ENTRY], True),
    ],
)
def test_only_our_own_apply_counts(sentence: str, entries: list[Any], is_applied: bool) -> None:
    manifest = owned_object(1, managed_fields=entries)

    assert is_applied is bool(child_of(CONFIG, manifest).fields), sentence
    assert is_applied is bool(child_of(POD, manifest).fields), "a bare Pod is a child, too"


def test_digest_changes_with_our_fields_and_not_with_their_time() -> None:
    def fields(**members: Any) -> str:
        return child_of(CONFIG, owned_object(1, managed_fields=[APPLY_ENTRY | members])).fields

    assert fields(time="1") == fields(time="2")
    assert fields(time="1") != fields(time="1", fieldsV1={})


def test_claim_that_was_applied_and_has_no_owner_is_retained() -> None:
    claim = owned_object(1, managed_fields=[APPLY_ENTRY])
    owned = owned_object(1, managed_fields=[APPLY_ENTRY])
    owned["metadata"]["ownerReferences"] = [{"uid": "u1", "controller": True}]

    assert child_of(CLAIM, claim).retained
    assert not child_of(CLAIM, owned).retained
    assert not child_of(CONFIG, claim).retained


def test_pod_keeps_only_the_fields_that_diagnostics_read() -> None:
    state = {"waiting": {"reason": "ImagePullBackOff"}}
    container = {"name": "backend", "state": state, "containerID": "c", "resources": {"limits": {}}}
    conditions = [{"type": "Ready", "status": "False", "lastProbeTime": None}, {"type": "Odd", "status": "True"}]
    status = {"phase": "Pending", "containerStatuses": [container], "conditions": conditions, "qosClass": "BestEffort"}

    child = child_of(POD, owned_object(1, spec={"nodeName": "n", "containers": [1]}, status=status))

    assert {"nodeName": "n"} == child.spec
    assert {
        "phase": "Pending",
        "conditions": [{"type": "Ready", "status": "False"}],
        "initContainerStatuses": [],
        "containerStatuses": [{"name": "backend", "state": state}],
    } == child.status


def test_stateful_set_keeps_little_of_its_claim_templates_and_requires_nothing_of_them() -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "selector": {"matchLabels": {"a": "b"}}}
    templates: list[Manifest] = [{}, {"metadata": {}, "spec": None}, {"metadata": {"name": "data"}, "spec": spec}]

    child = child_of(KINDS["StatefulSet"], owned_object(1, spec={"volumeClaimTemplates": templates}))

    assert [
        {"metadata": {"name": ""}, "spec": {}},
        {"metadata": {"name": ""}, "spec": {}},
        {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}},
    ] == child.spec["volumeClaimTemplates"]


def test_apply_that_sets_replicas_owns_them() -> None:
    entry = APPLY_ENTRY | {"fieldsV1": {"f:spec": {"f:replicas": {}}}}

    assert child_of(DEPLOYMENT, owned_object(1, managed_fields=[entry])).owns_replicas
    assert not child_of(DEPLOYMENT, owned_object(1)).owns_replicas

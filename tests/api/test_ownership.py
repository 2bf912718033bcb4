"""What is not ours is not touched; what is no longer wanted goes, but never too early."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.api.harness import MERGE, Audit, Failure, Manifest, Operator, Space, eventually

LABELS = {"a": "b"}
FOREIGN: dict[str, Manifest] = {
    "ServiceAccount": {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "shop"}},
    "Service": {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "shop"},
        "spec": {"ports": [{"port": 8000}], "selector": LABELS},
    },
    "PersistentVolumeClaim": {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "shop-data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    },
    "Deployment": {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
        },
    },
}
CLAIM = {"name": "data", "claim": {"resources": {"requests": {"storage": "1Mi"}}}}
MOUNT = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
BACKEND = {"image": "busybox:1.35.0", "ports": [{"containerPort": 8000}]}


def _made(space: Space, kind: str) -> Manifest:
    """Create a foreign object, and return it once its own controllers are done with it."""
    space.create(FOREIGN[kind])
    name = FOREIGN[kind]["metadata"]["name"]
    if kind == "Deployment":
        eventually(lambda: space.get(kind, name).get("status", {}).get("observedGeneration"))
    if kind == "PersistentVolumeClaim":
        eventually(lambda: space.list("Event"))  # that it waits for its first consumer
    return space.get(kind, name)


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_object_of_the_same_name_is_named_and_not_touched(
    space: Space, operator: Operator, kind: str
) -> None:
    before = _made(space, kind)

    space.stack(backend=BACKEND | MOUNT, volumes=[CLAIM])
    stalled = eventually(lambda: space.condition("Stalled"))

    assert stalled["reason"] == "ForeignObject"
    assert f"{kind} {space.name}/{before['metadata']['name']}" in stalled["message"]
    eventually(lambda: [event["reason"] for event in space.list("Event") if event["regarding"]["kind"] == "AppStack"])
    after = space.get(kind, before["metadata"]["name"])
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_all_foreign_objects_are_named_at_once(space: Space, operator: Operator) -> None:
    before = {kind: _made(space, kind) for kind in FOREIGN}

    space.stack(backend=BACKEND | MOUNT, volumes=[CLAIM])
    stalled = eventually(lambda: space.condition("Stalled"))

    for kind, made in before.items():
        name = made["metadata"]["name"]
        assert f"{kind} {space.name}/{name}" in stalled["message"]
        assert space.get(kind, name)["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_a_foreign_files_object_is_not_touched_either(space: Space, operator: Operator) -> None:
    space.stack()
    space.ready()
    (name,) = [one["name"] for one in space.status()["resources"] if one["kind"] == "ConfigMap"]
    space.delete("AppStack", "shop")
    eventually(lambda: not space.exists("ConfigMap", name))
    made = space.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"mine": "1"}})

    space.stack()
    stalled = eventually(lambda: space.condition("Stalled"))

    assert f"ConfigMap {space.name}/{name}" in stalled["message"]
    assert space.get("ConfigMap", name)["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert not space.exists("Deployment", "shop"), "no pods without what they need"


def test_an_object_is_handed_over_by_annotation(space: Space, operator: Operator) -> None:
    uid = _made(space, "Service")["metadata"]["uid"]
    space.stack()
    eventually(lambda: space.condition("Stalled"))

    space.patch("Service", "shop", {"metadata": {"annotations": {"appstack.dev/adopt": "true"}}})
    space.ready()

    service = space.get("Service", "shop")
    assert service["metadata"]["uid"] == uid
    assert service["metadata"]["ownerReferences"][0]["name"] == "shop"
    assert service["spec"]["selector"]["appstack.dev/stack"] == "shop"


def test_a_name_that_becomes_free_is_taken(space: Space, operator: Operator) -> None:
    _made(space, "Service")
    space.stack()
    eventually(lambda: space.condition("Stalled"))

    space.delete("Service", "shop")

    space.ready()


def test_an_object_that_is_still_being_deleted_is_waited_for(space: Space, audit: Audit, operator: Operator) -> None:
    _made(space, "Service")
    space.patch("Service", "shop", {"metadata": {"finalizers": ["example.com/slow"]}})
    space.delete("Service", "shop")

    space.stack()
    waiting = eventually(lambda: space.condition("Reconciling"))
    assert waiting["reason"] == "Unavailable"
    assert "still being deleted" in waiting["message"]

    space.patch("Service", "shop", {"metadata": {"finalizers": None}})
    space.ready()
    assert not space.list("Event", fieldSelector="regarding.kind=AppStack"), "nothing was wrong"


def test_paused_writes_nothing_and_goes_on_reporting(space: Space, audit: Audit, operator: Operator) -> None:
    space.stack()
    space.ready()
    space.edit(paused=True)
    eventually(lambda: space.condition("Ready").get("reason") == "Paused")

    with audit.counting(space.name) as count:
        space.edit(service={"metadata": {"annotations": {"a": "b"}}})
        space.patch("Service", "shop", {"metadata": {"labels": {"app.kubernetes.io/name": "other"}}})
        eventually(lambda: space.condition("Ready")["message"].endswith("what has changed waits: Service shop"))

    assert set(count) == {"patch appstacks/status 200"}
    assert len(space.status()["resources"]) == 4, "what was applied stays on record"

    space.edit(paused=False)
    eventually(lambda: space.get("Service", "shop")["metadata"]["labels"]["app.kubernetes.io/name"] == "shop")
    space.ready()


def test_what_is_no_longer_rendered_goes(space: Space, audit: Audit, operator: Operator) -> None:
    space.stack()
    space.ready()

    with audit.counting(space.name) as count:
        space.edit(service={"enabled": False})
        eventually(lambda: not space.exists("Service", "shop"))
        space.ready()

    drained = {"patch deployments 200": 1}  # a pod to which no Service leads need not wait before it goes
    assert {word: n for word, n in count.items() if "status" not in word} == {"delete services 200": 1, **drained}


def test_nothing_goes_before_every_apply_has_succeeded(space: Space, operator: Operator) -> None:
    space.stack()
    space.ready()
    with no_deployment_of_three(space):
        space.edit(service={"enabled": False}, replicas=3)
        stalled = eventually(lambda: space.condition("Stalled"))

        assert stalled["reason"] == "Refused"
        assert "three are too many" in stalled["message"]
        assert space.exists("Service", "shop")

    space.edit(replicas=0)
    eventually(lambda: not space.exists("Service", "shop"))
    space.ready()


@contextmanager
def no_deployment_of_three(space: Space) -> Iterator[None]:
    """Let the API server refuse what no check of ours can know of: an administrator's policy."""
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["*"]}
    here = {"matchLabels": {"kubernetes.io/metadata.name": space.name}}
    meta = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": space.name}}
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": here},
        "validations": [{"expression": "object == null || object.spec.replicas != 3", "message": "three are too many"}],
    }
    binding = {"policyName": space.name, "validationActions": ["Deny"]}
    root = "/apis/admissionregistration.k8s.io/v1"
    for kind, spec in (("ValidatingAdmissionPolicy", policy), ("ValidatingAdmissionPolicyBinding", binding)):
        plural = "validatingadmissionpolic" + ("ies" if kind.endswith("Policy") else "ybindings")
        space.cluster.request("POST", f"{root}/{plural}", meta | {"kind": kind, "spec": spec})
    try:
        eventually(lambda: refused(space))
        yield
    finally:
        for plural in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
            space.cluster.request("DELETE", f"{root}/{plural}/{space.name}")


def refused(space: Space) -> bool:
    """Tell whether the policy has come into force."""
    try:
        space.cluster.request(
            "PATCH", space.path("Deployment", "shop"), {"spec": {"replicas": 3}}, kind=MERGE, dryRun="All"
        )
    except Failure as error:
        return "three are too many" in str(error)
    return False


def test_files_stay_while_a_revision_needs_them(space: Space, operator: Operator) -> None:
    space.stack(workload={"deployment": {"revisionHistoryLimit": 1}})
    space.ready()
    seen = []
    for number in range(3):
        space.edit(files=[{"path": "/etc/app/settings.toml", "content": f"number = {number}\n"}])
        eventually(lambda n=number: len(space.list("ReplicaSet")) >= min(n + 2, 2))  # type: ignore[misc]
        space.ready()
        seen.append({one["metadata"]["labels"]["appstack.dev/files"] for one in space.list("ReplicaSet")})
        eventually(lambda: _files(space) == _needed(space))

    assert all(seen)


def _files(space: Space) -> set[str]:
    mine = space.list("ConfigMap", labelSelector="appstack.dev/stack")
    return {one["metadata"]["labels"]["appstack.dev/files"] for one in mine}


def _needed(space: Space) -> set[str]:
    return {one["metadata"]["labels"]["appstack.dev/files"] for one in space.list("ReplicaSet")}


def test_a_retained_claim_outlives_its_stack_and_is_taken_up_again(space: Space, operator: Operator) -> None:
    space.stack(backend=BACKEND | MOUNT, volumes=[CLAIM])
    space.ready()
    claim = space.get("PersistentVolumeClaim", "shop-data")
    assert "ownerReferences" not in claim["metadata"]

    space.edit(volumes=[], backend=BACKEND | {"volumeMounts": []})
    space.ready()
    space.delete("AppStack", "shop")
    eventually(lambda: not space.exists("Deployment", "shop"))
    space.stack(backend=BACKEND | MOUNT, volumes=[CLAIM])
    space.ready()

    assert space.get("PersistentVolumeClaim", "shop-data")["metadata"]["uid"] == claim["metadata"]["uid"]


def test_a_wrong_spec_is_said_and_changes_nothing(space: Space, audit: Audit, operator: Operator) -> None:
    space.stack()
    space.ready()

    with audit.counting(space.name) as count:
        space.edit(backend=BACKEND | {"volumeMounts": [{"name": "nowhere", "mountPath": "/x"}]})
        stalled = eventually(lambda: space.condition("Stalled"))

    assert stalled["reason"] == "InvalidSpec"
    assert "spec.backend.volumeMounts[0]" in stalled["message"]
    assert set(count) == {"patch appstacks/status 200", "create events 201"}
    assert len(space.status()["resources"]) == 4

"""Ownership, adoption and pruning: foreign objects are not changed, and children are deleted only when it is safe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.api.audit_log import AuditLog
from tests.api.cluster import CHILD_COUNT, MERGE, ApiError, Manifest, Namespace, appstack, eventually
from tests.api.operator_process import OperatorProcess

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


def _create_foreign(namespace: Namespace, kind: str) -> Manifest:
    """Create an object that the operator does not own; return it after its controllers have updated it."""
    namespace.create(FOREIGN[kind])
    name = FOREIGN[kind]["metadata"]["name"]
    if kind == "Deployment":
        eventually(lambda: namespace.get(kind, name).get("status", {}).get("observedGeneration"))
    if kind == "PersistentVolumeClaim":
        eventually(lambda: namespace.list("Event"))  # the claim waits for its first consumer
    return namespace.get(kind, name)


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_object_of_the_same_name_is_reported_and_not_changed(
    namespace: Namespace, operator: OperatorProcess, kind: str
) -> None:
    before = _create_foreign(namespace, kind)

    namespace.create_stack(backend=BACKEND | MOUNT, volumes=[CLAIM])
    stalled = eventually(lambda: namespace.condition("Stalled"))

    assert stalled["reason"] == "ForeignObject"
    assert f"{kind} {namespace.name}/{before['metadata']['name']}" in stalled["message"]
    eventually(
        lambda: [event["reason"] for event in namespace.list("Event") if event["regarding"]["kind"] == "AppStack"]
    )
    after = namespace.get(kind, before["metadata"]["name"])
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_all_foreign_objects_are_reported_at_once(namespace: Namespace, operator: OperatorProcess) -> None:
    before = {kind: _create_foreign(namespace, kind) for kind in FOREIGN}

    namespace.create_stack(backend=BACKEND | MOUNT, volumes=[CLAIM])
    stalled = eventually(lambda: namespace.condition("Stalled"))

    for kind, foreign in before.items():
        name = foreign["metadata"]["name"]
        assert f"{kind} {namespace.name}/{name}" in stalled["message"]
        assert namespace.get(kind, name)["metadata"]["resourceVersion"] == foreign["metadata"]["resourceVersion"]


def test_foreign_config_map_with_the_name_of_the_files_is_not_changed(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()
    (name,) = [ref["name"] for ref in namespace.status()["resources"] if ref["kind"] == "ConfigMap"]
    namespace.delete("AppStack", "shop")
    eventually(lambda: not namespace.exists("ConfigMap", name))
    foreign = namespace.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}}
    )

    namespace.create_stack()
    stalled = eventually(lambda: namespace.condition("Stalled"))

    assert f"ConfigMap {namespace.name}/{name}" in stalled["message"]
    assert namespace.get("ConfigMap", name)["metadata"]["resourceVersion"] == foreign["metadata"]["resourceVersion"]
    assert not namespace.exists("Deployment", "shop"), "no pods are created before their files"


def test_foreign_object_is_adopted_by_annotation(namespace: Namespace, operator: OperatorProcess) -> None:
    uid = _create_foreign(namespace, "Service")["metadata"]["uid"]
    namespace.create_stack()
    eventually(lambda: namespace.condition("Stalled"))

    namespace.patch("Service", "shop", {"metadata": {"annotations": {"appstack.dev/adopt": "true"}}})
    namespace.wait_until_ready()

    service = namespace.get("Service", "shop")
    assert service["metadata"]["uid"] == uid
    assert service["metadata"]["ownerReferences"][0]["name"] == "shop"
    assert service["spec"]["selector"]["appstack.dev/stack"] == "shop"


def test_child_is_created_when_the_foreign_object_is_deleted(namespace: Namespace, operator: OperatorProcess) -> None:
    _create_foreign(namespace, "Service")
    namespace.create_stack()
    eventually(lambda: namespace.condition("Stalled"))

    namespace.delete("Service", "shop")

    namespace.wait_until_ready()


def test_child_is_created_after_the_deletion_of_a_terminating_object(
    namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess
) -> None:
    _create_foreign(namespace, "Service")
    namespace.patch("Service", "shop", {"metadata": {"finalizers": ["example.com/slow"]}})
    namespace.delete("Service", "shop")

    namespace.create_stack()
    waiting = eventually(lambda: namespace.condition("Reconciling"))
    assert waiting["reason"] == "Unavailable"
    assert "is terminating" in waiting["message"]

    namespace.patch("Service", "shop", {"metadata": {"finalizers": None}})
    namespace.wait_until_ready()
    assert not namespace.list("Event", fieldSelector="regarding.kind=AppStack"), "a terminating object is no error"


def test_paused_stack_writes_its_status_only(
    namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess
) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()
    namespace.edit_stack(paused=True)
    eventually(lambda: namespace.condition("Ready").get("reason") == "Paused")

    with audit_log.counting(namespace.name) as counts:
        namespace.edit_stack(service={"metadata": {"annotations": {"a": "b"}}})
        namespace.patch("Service", "shop", {"metadata": {"labels": {"app.kubernetes.io/name": "other"}}})
        eventually(lambda: namespace.condition("Ready")["message"].endswith("pending changes: Service shop"))

    assert set(counts) == {"patch appstacks/status 200"}
    assert len(namespace.status()["resources"]) == CHILD_COUNT, "the record of applied children is kept"

    namespace.edit_stack(paused=False)
    eventually(lambda: namespace.get("Service", "shop")["metadata"]["labels"]["app.kubernetes.io/name"] == "shop")
    namespace.wait_until_ready()


def test_child_without_a_rendered_object_is_pruned(
    namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess
) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()

    with audit_log.counting(namespace.name) as counts:
        namespace.edit_stack(service={"enabled": False})
        eventually(lambda: not namespace.exists("Service", "shop"))
        namespace.wait_until_ready()

    # The Deployment loses its preStop delay, which gives a Service time to remove the pod from its endpoints.
    expected = {"delete services 200": 1, "patch deployments 200": 1}
    assert {request: number for request, number in counts.items() if "status" not in request} == expected


def test_nothing_is_pruned_before_every_apply_has_succeeded(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()
    with three_replicas_denied(namespace):
        namespace.edit_stack(service={"enabled": False}, replicas=3)
        stalled = eventually(lambda: namespace.condition("Stalled"))

        assert stalled["reason"] == "Refused"
        assert "three are too many" in stalled["message"]
        assert namespace.exists("Service", "shop")

    namespace.edit_stack(replicas=0)
    eventually(lambda: not namespace.exists("Service", "shop"))
    namespace.wait_until_ready()


@contextmanager
def three_replicas_denied(namespace: Namespace) -> Iterator[None]:
    """Deny Deployments of three replicas by an admission policy, which offline validation cannot know."""
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["*"]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}}
    base = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": namespace.name}}
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
        "validations": [{"expression": "object == null || object.spec.replicas != 3", "message": "three are too many"}],
    }
    binding = {"policyName": namespace.name, "validationActions": ["Deny"]}
    root = "/apis/admissionregistration.k8s.io/v1"
    for kind, spec in (("ValidatingAdmissionPolicy", policy), ("ValidatingAdmissionPolicyBinding", binding)):
        plural = "validatingadmissionpolic" + ("ies" if kind.endswith("Policy") else "ybindings")
        namespace.cluster.request("POST", f"{root}/{plural}", base | {"kind": kind, "spec": spec})
    try:
        eventually(lambda: is_policy_active(namespace))
        yield
    finally:
        for plural in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
            namespace.cluster.request("DELETE", f"{root}/{plural}/{namespace.name}")


def is_policy_active(namespace: Namespace) -> bool:
    """Return whether the API server enforces the policy."""
    try:
        path, patch = namespace.path("Deployment", "shop"), {"spec": {"replicas": 3}}
        namespace.cluster.request("PATCH", path, patch, content_type=MERGE, dryRun="All")
    except ApiError as error:
        return "three are too many" in str(error)
    return False


def test_files_are_kept_while_a_replica_set_needs_them(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack(workload={"deployment": {"revisionHistoryLimit": 1}})
    namespace.wait_until_ready()
    revisions = []
    for number in range(3):
        namespace.edit_stack(files=[{"path": "/etc/app/settings.toml", "content": f"number = {number}\n"}])
        eventually(lambda n=number: len(namespace.list("ReplicaSet")) >= min(n + 2, 2))  # type: ignore[misc]
        namespace.wait_until_ready()
        revisions.append(_referenced_files(namespace))
        eventually(lambda: _stored_files(namespace) == _referenced_files(namespace))

    assert all(revisions)


def _stored_files(namespace: Namespace) -> set[str]:
    """Return the file revisions that have a ConfigMap."""
    config_maps = namespace.list("ConfigMap", labelSelector="appstack.dev/stack")
    return {config_map["metadata"]["labels"]["appstack.dev/files"] for config_map in config_maps}


def _referenced_files(namespace: Namespace) -> set[str]:
    """Return the file revisions that a ReplicaSet uses."""
    return {replica_set["metadata"]["labels"]["appstack.dev/files"] for replica_set in namespace.list("ReplicaSet")}


def test_retained_claim_outlives_its_stack_and_is_reused(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack(backend=BACKEND | MOUNT, volumes=[CLAIM])
    namespace.wait_until_ready()
    claim = namespace.get("PersistentVolumeClaim", "shop-data")
    assert "ownerReferences" not in claim["metadata"]

    namespace.edit_stack(volumes=[], backend=BACKEND | {"volumeMounts": []})
    namespace.wait_until_ready()
    namespace.delete("AppStack", "shop")
    eventually(lambda: not namespace.exists("Deployment", "shop"))
    namespace.create_stack(backend=BACKEND | MOUNT, volumes=[CLAIM])
    namespace.wait_until_ready()

    assert namespace.get("PersistentVolumeClaim", "shop-data")["metadata"]["uid"] == claim["metadata"]["uid"]


def test_invalid_spec_is_reported_and_changes_no_child(
    namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess
) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()

    with audit_log.counting(namespace.name) as counts:
        namespace.edit_stack(backend=BACKEND | {"volumeMounts": [{"name": "nowhere", "mountPath": "/x"}]})
        stalled = eventually(lambda: namespace.condition("Stalled"))

    assert stalled["reason"] == "InvalidSpec"
    assert "spec.backend.volumeMounts[0]" in stalled["message"]
    assert set(counts) == {"patch appstacks/status 200", "create events 201"}
    assert len(namespace.status()["resources"]) == CHILD_COUNT


def test_labels_and_annotations_of_the_appstack_are_not_copied(namespace: Namespace, operator: OperatorProcess) -> None:
    label, annotation = "argocd.argoproj.io/instance", "argocd.argoproj.io/tracking-id"
    stack = appstack("shop", replicas=1)
    stack["metadata"] |= {"labels": {label: "platform"}, "annotations": {annotation: "platform:AppStack:shop"}}
    namespace.create(stack)
    eventually(lambda: namespace.list("Pod"))

    for kind in ("ServiceAccount", "ConfigMap", "Service", "Deployment", "Pod"):
        (child,) = namespace.list(kind, labelSelector="appstack.dev/stack=shop")
        assert label not in child["metadata"]["labels"], "Argo CD would take the object for its own, and prune it"
        assert annotation not in child["metadata"].get("annotations", {})

"""Drift repair: a changed field of the operator is repaired once; fields that other clients add are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.audit_log import AuditLog
from tests.api.cluster import JSON_PATCH, MERGE, STRATEGIC, Manifest, Namespace, eventually
from tests.api.operator_process import OperatorProcess

BACKEND = {
    "image": "busybox:1.35.0",
    "command": ["sleep", "infinity"],
    "ports": [{"containerPort": 8000}],
    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
}
CONTAINER = "spec/template/spec/containers/0"


def _value_at(manifest: Manifest, path: str) -> Any:
    value: Any = manifest
    for part in path.split("/"):
        value = value[int(part)] if isinstance(value, list) else value[part.replace("~1", "/")]
    return value


def _env(deployment: Manifest) -> dict[str, str]:
    containers = {container["name"]: container for container in deployment["spec"]["template"]["spec"]["containers"]}
    return {entry["name"]: entry["value"] for entry in containers["backend"]["env"]}


def _remove(path: str) -> list[Manifest]:
    return [{"op": "remove", "path": f"/{path}"}]


def _replace(path: str, value: object) -> list[Manifest]:
    return [{"op": "replace", "path": f"/{path}", "value": value}]


LABEL = "metadata/labels/app.kubernetes.io~1managed-by"
# At most four of each kind: repeated drift of one child starts the drift back-off.
DRIFT: list[tuple[str, str, str, list[Manifest]]] = [
    ("an image is changed", "Deployment", f"{CONTAINER}/image", _replace(f"{CONTAINER}/image", "evil:1")),
    ("a command is changed", "Deployment", f"{CONTAINER}/command", _replace(f"{CONTAINER}/command", ["true"])),
    ("an entry is changed", "Deployment", f"{CONTAINER}/env/0", _replace(f"{CONTAINER}/env/0/value", "9")),
    ("an entry is removed", "Deployment", f"{CONTAINER}/env", _remove(f"{CONTAINER}/env/0")),
    ("a label is removed", "Service", LABEL, _remove(LABEL)),
    ("a selector is changed", "Service", "spec/selector", _replace("spec/selector/appstack.dev~1stack", "other")),
    ("a port is changed", "Service", "spec/ports", _replace("spec/ports/0/targetPort", 9)),
    (
        "the owner reference is removed",
        "Service",
        "metadata/ownerReferences/0/name",
        _remove("metadata/ownerReferences"),
    ),
    ("a label is removed", "ServiceAccount", LABEL, _remove(LABEL)),
    ("a label is changed", "ServiceAccount", LABEL, _replace(LABEL, "others")),
    (
        "the owner reference is removed",
        "ServiceAccount",
        "metadata/ownerReferences/0/name",
        _remove("metadata/ownerReferences"),
    ),
    ("a label is removed", "PersistentVolumeClaim", LABEL, _remove(LABEL)),
    ("a label is changed", "PersistentVolumeClaim", LABEL, _replace(LABEL, "others")),
]
CHILDREN = {
    "Deployment": ("shop", "deployments"),
    "Service": ("shop", "services"),
    "ServiceAccount": ("shop", "serviceaccounts"),
    "PersistentVolumeClaim": ("shop-data", "persistentvolumeclaims"),
}
CLAIM = {"name": "data", "claim": {"resources": {"requests": {"storage": "1Gi"}}}}


@pytest.mark.parametrize("kind", CHILDREN)
def test_changed_field_is_repaired_once(
    namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess, kind: str
) -> None:
    namespace.create_stack(
        backend=BACKEND | {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}, volumes=[CLAIM]
    )
    namespace.wait_until_ready()
    name, plural = CHILDREN[kind]
    cases = [case for case in DRIFT if case[1] == kind]

    with audit_log.counting(namespace.name) as counts:
        for description, _, path, patch in cases:
            before = _value_at(namespace.get(kind, name), path)
            assert before, description
            changed = namespace.patch(kind, name, patch, content_type=JSON_PATCH)
            eventually(lambda p=path, b=before: _value_at(namespace.get(kind, name), p) == b)  # type: ignore[misc]
            assert changed["metadata"]["uid"] == namespace.get(kind, name)["metadata"]["uid"], description

    if kind == "Deployment":  # status reports that the controller has not observed a repair, then that it has
        assert counts.pop("patch appstacks/status 200", 0) <= 2 * len(cases)
    assert counts == {f"patch {plural} 200": len(cases)}


def test_scaled_deployment_is_scaled_back_once(
    namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess
) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()

    with audit_log.counting(namespace.name) as counts:
        namespace.patch("Deployment", "shop", {"spec": {"replicas": 1}}, subresource="scale")
        eventually(lambda: namespace.get("Deployment", "shop")["spec"]["replicas"] == 0)

    assert counts["patch deployments 200"] == 1
    assert set(counts) <= {"patch deployments 200", "patch appstacks/status 200"}


def test_replicas_of_another_client_are_kept_when_the_spec_has_none(
    namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess
) -> None:
    namespace.create_stack(replicas=None, backend=BACKEND | {"image": "no.such.registry.invalid/x:1"})
    eventually(lambda: namespace.exists("Deployment", "shop"))
    namespace.patch("Deployment", "shop", {"spec": {"replicas": 0}}, subresource="scale")
    namespace.wait_until_ready()

    with audit_log.counting(namespace.name) as counts:
        namespace.patch("AppStack", "shop", {"metadata": {"annotations": {"reconcile": "again"}}})

    assert counts == {}
    assert namespace.get("Deployment", "shop")["spec"]["replicas"] == 0


def test_deleted_child_is_recreated_once(namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()
    (files,) = [ref["name"] for ref in namespace.status()["resources"] if ref["kind"] == "ConfigMap"]
    children = {"Deployment": "shop", "Service": "shop", "ServiceAccount": "shop", "ConfigMap": files}

    with audit_log.counting(namespace.name) as counts:
        for kind, name in children.items():
            uid = namespace.get(kind, name)["metadata"]["uid"]
            namespace.delete(kind, name)
            eventually(lambda k=kind, n=name, u=uid: namespace.get(k, n)["metadata"]["uid"] != u)  # type: ignore[misc]

    assert {request: number for request, number in counts.items() if "status" not in request} == {
        f"patch {plural} 201": 1 for plural in ("deployments", "services", "serviceaccounts", "configmaps")
    }


def test_removed_stack_label_is_restored_in_one_write(
    namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess
) -> None:
    """The watch selects by that label and shows a deletion; the create-only apply then finds the object (409)."""
    namespace.create_stack()
    namespace.wait_until_ready()

    with audit_log.counting(namespace.name) as counts:
        namespace.patch("Service", "shop", _remove("metadata/labels/appstack.dev~1stack"), content_type=JSON_PATCH)
        eventually(lambda: namespace.get("Service", "shop")["metadata"]["labels"].get("appstack.dev/stack"))

    assert counts == {"patch services 409": 1, "get services 200": 1, "patch services 200": 1}


def test_removed_labels_and_owner_reference_are_restored(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()

    namespace.patch("Service", "shop", {"metadata": {"labels": None, "ownerReferences": None}})

    eventually(lambda: namespace.get("Service", "shop")["metadata"]["labels"]["appstack.dev/stack"] == "shop")
    eventually(lambda: namespace.get("Service", "shop")["metadata"]["ownerReferences"][0]["name"] == "shop")


ADDITIONS: list[tuple[str, str, str, object, Callable[[Manifest], bool]]] = [
    (
        "a label",
        "Deployment",
        MERGE,
        {"metadata": {"labels": {"a": "b"}}},
        lambda o: o["metadata"]["labels"]["a"] == "b",
    ),
    (
        "an annotation",
        "Service",
        MERGE,
        {"metadata": {"annotations": {"a": "b"}}},
        lambda o: o["metadata"]["annotations"]["a"] == "b",
    ),
    (
        "an env entry",
        "Deployment",
        STRATEGIC,
        {"spec": {"template": {"spec": {"containers": [{"name": "backend", "env": [{"name": "C", "value": "3"}]}]}}}},
        lambda o: _env(o)["C"] == "3",
    ),
    (
        "the value that is set already",
        "Deployment",
        JSON_PATCH,
        _replace(f"{CONTAINER}/image", "busybox:1.35.0"),
        lambda o: (
            "busybox:1.35.0" in [container["image"] for container in _value_at(o, "spec/template/spec/containers")]
        ),
    ),
    (
        "an injected container",
        "Deployment",
        STRATEGIC,
        {"spec": {"template": {"spec": {"containers": [{"name": "mesh", "image": "mesh:1"}]}}}},
        lambda o: "mesh" in [container["name"] for container in _value_at(o, "spec/template/spec/containers")],
    ),
    (
        "a rollout restart",
        "Deployment",
        STRATEGIC,
        {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}},
        lambda o: _value_at(o, "spec/template/metadata/annotations")["kubectl.kubernetes.io/restartedAt"] == "now",
    ),
    (
        "a field that the operator does not set",
        "Service",
        MERGE,
        {"spec": {"sessionAffinity": "ClientIP"}},
        lambda o: o["spec"]["sessionAffinity"] == "ClientIP",
    ),
]


def test_additions_of_other_clients_are_kept(
    namespace: Namespace, audit_log: AuditLog, operator: OperatorProcess
) -> None:
    namespace.create_stack(backend=BACKEND)
    namespace.wait_until_ready()

    with audit_log.counting(namespace.name) as counts:
        for _, kind, content_type, patch, _ in ADDITIONS:
            namespace.patch(kind, "shop", patch, content_type=content_type)

    assert {request for request in counts if "status" not in request} == set()
    for description, kind, _, _, is_kept in ADDITIONS:
        assert is_kept(namespace.get(kind, "shop")), description


def test_additions_of_other_clients_survive_an_edit_of_the_stack(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    namespace.create_stack(backend=BACKEND)
    namespace.wait_until_ready()
    for _, kind, content_type, patch, _ in ADDITIONS:
        namespace.patch(kind, "shop", patch, content_type=content_type)

    namespace.edit_stack(
        backend=BACKEND | {"env": [{"name": "A", "value": "changed"}, {"name": "B", "value": "2"}]},
        service={"metadata": {"annotations": {"edited": "yes"}}},
    )

    eventually(lambda: _env(namespace.get("Deployment", "shop"))["A"] == "changed")
    eventually(lambda: namespace.get("Service", "shop")["metadata"]["annotations"]["edited"] == "yes")
    for description, kind, _, _, is_kept in ADDITIONS:
        assert is_kept(namespace.get(kind, "shop")), description

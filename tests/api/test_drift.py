"""Drift is repaired exactly: what others change of ours, once; what others add, never."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.harness import JSON_PATCH, MERGE, STRATEGIC, Audit, Manifest, Operator, Space, eventually

BACKEND = {
    "image": "busybox:1.35.0",
    "command": ["sleep", "infinity"],
    "ports": [{"containerPort": 8000}],
    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
}
CONTAINER = "spec/template/spec/containers/0"


def _at(manifest: Manifest, path: str) -> Any:
    value: Any = manifest
    for part in path.split("/"):
        value = value[int(part)] if isinstance(value, list) else value[part.replace("~1", "/")]
    return value


def _env(deployment: Manifest) -> dict[str, str]:
    containers = {one["name"]: one for one in deployment["spec"]["template"]["spec"]["containers"]}
    return {one["name"]: one["value"] for one in containers["backend"]["env"]}


def _removed(path: str) -> list[Manifest]:
    return [{"op": "remove", "path": f"/{path}"}]


def _replaced(path: str, value: object) -> list[Manifest]:
    return [{"op": "replace", "path": f"/{path}", "value": value}]


LABEL = "metadata/labels/app.kubernetes.io~1managed-by"
# Of each kind four at most: whoever changes a child more often fights for it, and status tells.
DRIFT: list[tuple[str, str, str, list[Manifest]]] = [
    ("an image is changed", "Deployment", f"{CONTAINER}/image", _replaced(f"{CONTAINER}/image", "evil:1")),
    ("a command is changed", "Deployment", f"{CONTAINER}/command", _replaced(f"{CONTAINER}/command", ["true"])),
    ("an entry is changed", "Deployment", f"{CONTAINER}/env/0", _replaced(f"{CONTAINER}/env/0/value", "9")),
    ("an entry is removed", "Deployment", f"{CONTAINER}/env", _removed(f"{CONTAINER}/env/0")),
    ("a label is removed", "Service", LABEL, _removed(LABEL)),
    ("a selector is changed", "Service", "spec/selector", _replaced("spec/selector/appstack.dev~1stack", "other")),
    ("a port is changed", "Service", "spec/ports", _replaced("spec/ports/0/targetPort", 9)),
    (
        "the owner reference is removed",
        "Service",
        "metadata/ownerReferences/0/name",
        _removed("metadata/ownerReferences"),
    ),
    ("a label is removed", "ServiceAccount", LABEL, _removed(LABEL)),
    ("a label is changed", "ServiceAccount", LABEL, _replaced(LABEL, "others")),
    (
        "the owner reference is removed",
        "ServiceAccount",
        "metadata/ownerReferences/0/name",
        _removed("metadata/ownerReferences"),
    ),
    ("a label is removed", "PersistentVolumeClaim", LABEL, _removed(LABEL)),
    ("a label is changed", "PersistentVolumeClaim", LABEL, _replaced(LABEL, "others")),
]
CHILDREN = {
    "Deployment": ("shop", "deployments"),
    "Service": ("shop", "services"),
    "ServiceAccount": ("shop", "serviceaccounts"),
    "PersistentVolumeClaim": ("shop-data", "persistentvolumeclaims"),
}
CLAIM = {"name": "data", "claim": {"resources": {"requests": {"storage": "1Gi"}}}}


@pytest.mark.parametrize("kind", CHILDREN)
def test_what_others_change_of_ours_is_put_right_once(
    space: Space, audit: Audit, operator: Operator, kind: str
) -> None:
    space.stack(backend=BACKEND | {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}, volumes=[CLAIM])
    space.ready()
    name, plural = CHILDREN[kind]
    cases = [case for case in DRIFT if case[1] == kind]

    with audit.counting(space.name) as count:
        for sentence, _, path, change in cases:
            before = _at(space.get(kind, name), path)
            assert before, sentence
            changed = space.patch(kind, name, change, how=JSON_PATCH)
            eventually(lambda p=path, b=before: _at(space.get(kind, name), p) == b)  # type: ignore[misc]
            assert changed["metadata"]["uid"] == space.get(kind, name)["metadata"]["uid"], sentence

    if kind == "Deployment":  # that its controller has not seen a repair for a second is told, and that it has
        assert count.pop("patch appstacks/status 200", 0) <= 2 * len(cases)
    assert count == {f"patch {plural} 200": len(cases)}


def test_a_scaled_deployment_is_scaled_back_once(space: Space, audit: Audit, operator: Operator) -> None:
    space.stack()
    space.ready()

    with audit.counting(space.name) as count:
        space.patch("Deployment", "shop", {"spec": {"replicas": 1}}, sub="scale")
        eventually(lambda: space.get("Deployment", "shop")["spec"]["replicas"] == 0)

    assert count["patch deployments 200"] == 1
    assert set(count) <= {"patch deployments 200", "patch appstacks/status 200"}


def test_without_replicas_whoever_scales_wins(space: Space, audit: Audit, operator: Operator) -> None:
    space.stack(replicas=None, backend=BACKEND | {"image": "no.such.registry.invalid/x:1"})
    eventually(lambda: space.exists("Deployment", "shop"))
    space.patch("Deployment", "shop", {"spec": {"replicas": 0}}, sub="scale")
    space.ready()

    with audit.counting(space.name) as count:
        space.patch("AppStack", "shop", {"metadata": {"annotations": {"look": "again"}}})

    assert count == {}
    assert space.get("Deployment", "shop")["spec"]["replicas"] == 0


def test_what_is_deleted_is_made_again_once(space: Space, audit: Audit, operator: Operator) -> None:
    space.stack()
    space.ready()
    (files,) = [one["name"] for one in space.status()["resources"] if one["kind"] == "ConfigMap"]
    children = {"Deployment": "shop", "Service": "shop", "ServiceAccount": "shop", "ConfigMap": files}

    with audit.counting(space.name) as count:
        for kind, name in children.items():
            uid = space.get(kind, name)["metadata"]["uid"]
            space.delete(kind, name)
            eventually(lambda k=kind, n=name, u=uid: space.get(k, n)["metadata"]["uid"] != u)  # type: ignore[misc]

    assert {word: number for word, number in count.items() if "status" not in word} == {
        f"patch {plural} 201": 1 for plural in ("deployments", "services", "serviceaccounts", "configmaps")
    }


def test_our_label_removed_is_put_back_in_one_write(space: Space, audit: Audit, operator: Operator) -> None:
    """The selected watch then shows a deletion: an apply that only a free name would take finds the object out."""
    space.stack()
    space.ready()

    with audit.counting(space.name) as count:
        space.patch("Service", "shop", _removed("metadata/labels/appstack.dev~1stack"), how=JSON_PATCH)
        eventually(lambda: space.get("Service", "shop")["metadata"]["labels"].get("appstack.dev/stack"))

    assert count == {"patch services 409": 1, "get services 200": 1, "patch services 200": 1}


def test_all_marks_of_ours_removed_are_put_back(space: Space, operator: Operator) -> None:
    space.stack()
    space.ready()

    space.patch("Service", "shop", {"metadata": {"labels": None, "ownerReferences": None}})

    eventually(lambda: space.get("Service", "shop")["metadata"]["labels"]["appstack.dev/stack"] == "shop")
    eventually(lambda: space.get("Service", "shop")["metadata"]["ownerReferences"][0]["name"] == "shop")


FOREIGN: list[tuple[str, str, str, object, Callable[[Manifest], bool]]] = [
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
        "the value that is there anyway",
        "Deployment",
        JSON_PATCH,
        _replaced(f"{CONTAINER}/image", "busybox:1.35.0"),
        lambda o: "busybox:1.35.0" in [one["image"] for one in _at(o, "spec/template/spec/containers")],
    ),
    (
        "an injected container",
        "Deployment",
        STRATEGIC,
        {"spec": {"template": {"spec": {"containers": [{"name": "mesh", "image": "mesh:1"}]}}}},
        lambda o: "mesh" in [one["name"] for one in _at(o, "spec/template/spec/containers")],
    ),
    (
        "a rollout restart",
        "Deployment",
        STRATEGIC,
        {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}},
        lambda o: _at(o, "spec/template/metadata/annotations")["kubectl.kubernetes.io/restartedAt"] == "now",
    ),
    (
        "a field that we did not set",
        "Service",
        MERGE,
        {"spec": {"sessionAffinity": "ClientIP"}},
        lambda o: o["spec"]["sessionAffinity"] == "ClientIP",
    ),
]


def test_what_others_add_stays(space: Space, audit: Audit, operator: Operator) -> None:
    space.stack(backend=BACKEND)
    space.ready()

    with audit.counting(space.name) as count:
        for _, kind, how, change, _ in FOREIGN:
            space.patch(kind, "shop", change, how=how)

    assert {word for word in count if "status" not in word} == set()
    for sentence, kind, _, _, there in FOREIGN:
        assert there(space.get(kind, "shop")), sentence


def test_what_others_add_survives_an_edit_of_ours(space: Space, operator: Operator) -> None:
    space.stack(backend=BACKEND)
    space.ready()
    for _, kind, how, change, _ in FOREIGN:
        space.patch(kind, "shop", change, how=how)

    space.edit(
        backend=BACKEND | {"env": [{"name": "A", "value": "changed"}, {"name": "B", "value": "2"}]},
        service={"metadata": {"annotations": {"ours": "too"}}},
    )

    eventually(lambda: _env(space.get("Deployment", "shop"))["A"] == "changed")
    eventually(lambda: space.get("Service", "shop")["metadata"]["annotations"]["ours"] == "too")
    for sentence, kind, _, _, there in FOREIGN:
        assert there(space.get(kind, "shop")), sentence

"""What is worked out once, and what is held in little memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appstack.informers.compact import CompactJSON, compact, expand
from appstack.k8s.metadata import Manifest, Ref
from appstack.k8s.observed import Child
from appstack.planning.desired import MOST, DesiredStateCache
from appstack.settings import Settings

CHILD = Child(Ref("v1", "Service", "team", "shop"), uid="u", resource_version="1", stack="shop")


def doc(generation: int = 1, *, uid: str = "u1", **spec: Any) -> Manifest:
    metadata = {"name": "shop", "namespace": "team", "uid": uid, "generation": generation, "resourceVersion": "1"}
    spec = {"backend": {"image": "shop:1"}} | spec
    return {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("sentence", "other", "namespace_uid", "same"),
    [
        ("the same generation", doc(), "n1", True),
        ("its status has changed", doc() | {"status": {"a": 1}}, "n1", True),
        ("it was edited", doc(2), "n1", False),
        ("another stack of this name", doc(uid="u2"), "n1", False),
        ("its namespace was made anew", doc(), "n2", False),
    ],
)
def test_an_intent_is_worked_out_once_for_each_spec(
    sentence: str, other: Manifest, namespace_uid: str, same: bool
) -> None:
    desired_states = DesiredStateCache(Settings())
    first = desired_states.of(doc(), namespace_uid="n1")

    assert same is (first is desired_states.of(other, namespace_uid=namespace_uid)), sentence


@pytest.mark.parametrize(
    ("sentence", "spec", "kinds", "paths"),
    [
        ("all is well", {}, ["Deployment"], []),
        ("of wrong shape", {"replicas": "many"}, [], ["spec.replicas"]),
        ("of wrong meaning", {"proxy": {}}, [], ["spec.proxy"]),
    ],
)
def test_a_spec_becomes_objects_where_nothing_is_wrong(
    sentence: str, spec: Manifest, kinds: list[str], paths: list[str]
) -> None:
    desired = DesiredStateCache(Settings()).of(doc(**spec), namespace_uid="n1")

    assert kinds == [manifest["kind"] for manifest in desired.manifests], sentence
    assert paths == [issue.field for issue in desired.issues], sentence


def test_only_the_last_intents_are_kept() -> None:
    desired_states = DesiredStateCache(Settings())
    first = desired_states.of(doc(), namespace_uid="n1")
    for number in range(MOST):
        assert first is desired_states.of(doc(), namespace_uid="n1"), "what is looked at stays"
        desired_states.of(doc(uid=f"other-{number}"), namespace_uid="n1")

    assert MOST == len(desired_states)


@pytest.mark.parametrize("status", [{}, {"a": 1, "b": [{"c": None}]}, {"ü": "\u2028"}])
def test_a_packed_child_is_the_same_child(status: Manifest) -> None:
    child = replace(CHILD, status=status)
    small = compact(child)

    assert isinstance(small.status, CompactJSON)
    assert (status, list(status), len(status)) == (dict(small.status), list(small.status), len(small.status))
    assert child == small == compact(small)
    assert child == expand(small)


def test_packed_children_differ_where_they_do() -> None:
    assert compact(replace(CHILD, status={"a": 1})) != compact(replace(CHILD, status={"a": 2}))


def test_what_one_stack_becomes_has_a_size() -> None:
    many = [{"name": f"v{number}", "value": "a" * 500} for number in range(100)]
    beside = [{"name": f"s{number}"} for number in range(25)]  # each has all that the backend has
    before = [{"name": f"i{number}"} for number in range(25)]
    large = doc(backend={"image": "shop:1", "env": many}, sidecars=beside, initContainers=before)

    desired = DesiredStateCache(Settings()).of(large, namespace_uid="n1")

    assert desired.invalid
    assert not desired.manifests
    assert desired.issues[-1].message.endswith(" bytes of objects, and 2097152 are the most")


def test_few_intents_are_kept_where_they_are_large() -> None:
    desired_states = DesiredStateCache(Settings())
    many = [{"name": f"v{number}", "value": "a" * 500} for number in range(100)]
    for number in range(20):
        others = [{"name": f"s{number}"} for number in range(30)]
        large = doc(backend={"image": "shop:1", "env": many}, sidecars=others, uid=f"u{number}")
        desired_states.of(large, namespace_uid="n1")

    assert 2 == len(desired_states)

    contents = [{"path": f"/etc/{number}", "content": "a" * 500_000} for number in range(2)]
    for number in range(20):  # more than the files of a stack may have: nothing is rendered, and the spec is kept
        assert desired_states.of(doc(files=contents, uid=f"w{number}"), namespace_uid="n1").invalid
    assert 4 == len(desired_states)

    target = {"type": "Utilization", "averageUtilization": 5}
    metrics = [{"type": "Resource", "resource": {"name": f"r{number}", "target": target}} for number in range(100)]
    for number in range(20):  # each of them is missing in each of many containers
        others = [{"name": f"s{number}"} for number in range(30)]
        wrong = doc(autoscaling={"maxReplicas": 2, "metrics": metrics}, sidecars=others, uid=f"x{number}")
        issues = len(desired_states.of(wrong, namespace_uid="n1").issues)
    assert 3_000 < issues
    assert 4 == len(desired_states)
    for number in range(300):
        desired_states.of(doc(uid=f"v{number}"), namespace_uid="n1")
    assert MOST == len(desired_states)

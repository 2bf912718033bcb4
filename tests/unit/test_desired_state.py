"""Desired states: computed once per generation, in a cache of bounded size; and compact children."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appstack.api import AppStack
from appstack.errors import ValidationIssue
from appstack.informers.compact import CompactJSON, compact, expand
from appstack.k8s.metadata import Manifest, Ref
from appstack.k8s.observed import Child
from appstack.planning import desired as desired_module
from appstack.planning.bounded_cache import BoundedCache
from appstack.planning.desired import MAX_CACHED_STATES, DesiredStateCache
from appstack.settings import Settings
from appstack.validation import validate

CHILD = Child(Ref("v1", "Service", "team", "shop"), uid="u", resource_version="1", stack="shop")


def appstack(generation: int = 1, *, uid: str = "u1", **spec: Any) -> Manifest:
    metadata = {"name": "shop", "namespace": "team", "uid": uid, "generation": generation, "resourceVersion": "1"}
    spec = {"backend": {"image": "shop:1"}} | spec
    return {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("sentence", "other", "namespace_uid", "same"),
    [
        ("same generation", appstack(), "n1", True),
        ("changed status", appstack() | {"status": {"a": 1}}, "n1", True),
        ("edited spec", appstack(2), "n1", False),
        ("another AppStack of the same name", appstack(uid="u2"), "n1", False),
        ("recreated namespace", appstack(), "n2", False),
    ],
)
def test_desired_state_is_computed_once_for_each_generation(
    sentence: str, other: Manifest, namespace_uid: str, same: bool
) -> None:
    desired_states = DesiredStateCache(Settings())
    first = desired_states.get(appstack(), namespace_uid="n1")

    assert same is (first is desired_states.get(other, namespace_uid=namespace_uid)), sentence


@pytest.mark.parametrize(
    ("sentence", "spec", "kinds", "paths"),
    [
        ("valid", {}, ["Deployment"], []),
        ("invalid type", {"replicas": "many"}, [], ["spec.replicas"]),
        ("valid types, invalid combination", {"proxy": {}}, [], ["spec.proxy"]),
    ],
)
def test_only_a_valid_spec_is_rendered(sentence: str, spec: Manifest, kinds: list[str], paths: list[str]) -> None:
    desired = DesiredStateCache(Settings()).get(appstack(**spec), namespace_uid="n1")

    assert kinds == [manifest["kind"] for manifest in desired.manifests], sentence
    assert paths == [issue.field for issue in desired.issues if not issue.policy], sentence


def test_cache_keeps_the_most_recently_used_states() -> None:
    desired_states = DesiredStateCache(Settings())
    first = desired_states.get(appstack(), namespace_uid="n1")
    for number in range(MAX_CACHED_STATES):
        assert first is desired_states.get(appstack(), namespace_uid="n1"), "a used state is evicted"
        desired_states.get(appstack(uid=f"other-{number}"), namespace_uid="n1")

    assert MAX_CACHED_STATES == len(desired_states)


@pytest.mark.parametrize("status", [{}, {"a": 1, "b": [{"c": None}]}, {"ü": "\u2028"}])
def test_compact_child_equals_the_original(status: Manifest) -> None:
    child = replace(CHILD, status=status)
    compacted = compact(child)

    assert isinstance(compacted.status, CompactJSON)
    assert (status, list(status), len(status)) == (
        dict(compacted.status),
        list(compacted.status),
        len(compacted.status),
    )
    assert child == compacted == compact(compacted)
    assert child == expand(compacted)


def test_compact_children_with_different_status_differ() -> None:
    assert compact(replace(CHILD, status={"a": 1})) != compact(replace(CHILD, status={"a": 2}))


def test_spec_with_too_large_manifests_is_invalid() -> None:
    env = [{"name": f"v{number}", "value": "a" * 500} for number in range(100)]
    sidecars = [{"name": f"s{number}"} for number in range(25)]  # each inherits all variables of the backend
    init_containers = [{"name": f"i{number}"} for number in range(25)]
    large_appstack = appstack(
        backend={"image": "shop:1", "env": env}, sidecars=sidecars, initContainers=init_containers
    )

    desired = DesiredStateCache(Settings()).get(large_appstack, namespace_uid="n1")

    assert desired.invalid
    assert not desired.manifests
    assert desired.issues[-1].message.endswith(" bytes of objects, more than the maximum of 2097152")


def test_cache_keeps_fewer_states_if_they_are_large() -> None:
    desired_states = DesiredStateCache(Settings())
    env = [{"name": f"v{number}", "value": "a" * 500} for number in range(100)]
    for number in range(20):
        sidecars = [{"name": f"s{number}"} for number in range(30)]
        large_appstack = appstack(backend={"image": "shop:1", "env": env}, sidecars=sidecars, uid=f"u{number}")
        desired_states.get(large_appstack, namespace_uid="n1")

    assert 2 == len(desired_states)

    contents = [{"path": f"/etc/{number}", "content": "a" * 500_000} for number in range(2)]
    for number in range(20):  # exceeds the limit of files: nothing is rendered, and the issues refer to a large spec
        assert desired_states.get(appstack(files=contents, uid=f"w{number}"), namespace_uid="n1").invalid
    assert 4 == len(desired_states)

    tolerations: list[Manifest] = [{}] * 2048  # 6 KB as JSON, and more than a megabyte in memory
    for number in range(40):
        desired_states.get(appstack(pod={"tolerations": tolerations}, uid=f"x{number}"), namespace_uid="n1")
    assert 30 == len(desired_states)

    for number in range(300):
        desired_states.get(appstack(uid=f"v{number}"), namespace_uid="n1")
    assert MAX_CACHED_STATES == len(desired_states)


def refused_appstack(uid: str, *, args: int = 1, generation: int = 1) -> Manifest:
    """Return an AppStack with an issue of validation, so its spec is refused."""
    return appstack(generation, uid=uid, backend={"image": "shop:1", "args": ["a"] * args}, proxy={})


def test_refused_spec_is_validated_once_however_many_states_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    validated: list[str | None] = []

    def counted(stack: AppStack, settings: Settings) -> tuple[ValidationIssue, ...]:
        validated.append(stack.metadata.uid)
        return validate(stack, settings)

    monkeypatch.setattr(desired_module, "validate", counted)
    desired_states = DesiredStateCache(Settings())
    first = desired_states.get(refused_appstack("a"), namespace_uid="n1")
    for number in range(2 * MAX_CACHED_STATES):
        desired_states.get(appstack(uid=f"valid-{number}"), namespace_uid="n1")
    validated.clear()

    assert first == desired_states.get(refused_appstack("a"), namespace_uid="n1"), "it was evicted"
    assert first.issues == desired_states.get(refused_appstack("a", generation=2), namespace_uid="n1").issues
    assert validated == []
    assert desired_states.get(refused_appstack("a", args=2, generation=3), namespace_uid="n1").invalid
    assert validated == ["a"], "another spec"


def test_refused_spec_that_cannot_be_parsed_is_remembered() -> None:
    desired_states = DesiredStateCache(Settings())
    unparsable = [appstack(generation, replicas="many") for generation in (1, 2)]
    first, second = (desired_states.get(each, namespace_uid="n1") for each in unparsable)

    assert first == second
    assert (None, ("spec.replicas",)) == (second.stack, tuple(issue.field for issue in second.issues))


def test_remembered_refusal_belongs_to_the_name_of_the_appstack() -> None:
    desired_states = DesiredStateCache(Settings())
    services = [{"name": "shop", "clusterIP": "None"}]  # the name of the Service of an AppStack with this name only
    service = {"clusterIP": "None"}
    named = (
        appstack(service=service, services=services),
        appstack(uid="u2", service=service, services=services),
    )
    named[1]["metadata"]["name"] = "other"

    assert [True, False] == [desired_states.get(each, namespace_uid="n1").invalid for each in named]


def test_cache_does_not_hold_a_value_larger_than_its_maximum() -> None:
    cache = BoundedCache[str, int](3, max_bytes=10)
    for number, size_bytes in enumerate((4, 4, 11, 4)):
        cache.put(str(number), number, size_bytes=size_bytes)

    assert [None, 1, None, 3] == [cache.get(str(number)) for number in range(4)]
    assert 2 == len(cache)

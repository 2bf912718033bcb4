"""The definition: the API server takes it, refuses what it does not know, and merges lists by Kubernetes' keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.api.conftest import WORKER, namespace
from tests.api.harness import APPLY, ROOT, Cluster, Failure, Manifest, Space, stack


@pytest.fixture(scope="module")
def bare(cluster: Cluster, system: Space) -> Iterator[Space]:
    """Give a namespace that no operator owns: what is created here stays as it was written."""
    with namespace(cluster, f"crd-{WORKER}") as space:
        yield space


def test_the_definition_is_accepted_as_it_stands(cluster: Cluster, system: Space) -> None:
    crd = yaml.safe_load((ROOT / "crds/appstack.dev_appstacks.yaml").read_text())
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"

    served = cluster.request("GET", path)

    conditions = {one["type"]: one["status"] for one in served["status"]["conditions"]}
    assert "NonStructuralSchema" not in conditions
    assert "True" == conditions["Established"] == conditions["NamesAccepted"]
    assert {"status", "scale"} == set(served["spec"]["versions"][0]["subresources"])


@pytest.mark.parametrize(
    ("sentence", "change", "said"),
    [
        (
            "a field that is not there",
            {"backend": {"image": "a", "imagee": "b"}},
            'unknown field "spec.backend.imagee"',
        ),
        ("a field of a later issue", {"ingress": {}}, 'unknown field "spec.ingress"'),
        ("a wrong type", {"replicas": "two"}, "spec.replicas"),
        ("a required field is missing", {"backend": {"ports": []}}, "spec.backend.image"),
        (
            "a name twice",
            {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "a", "emptyDir": {}}]},
            "Duplicate value",
        ),
    ],
)
def test_what_is_wrong_in_shape_is_refused(bare: Space, sentence: str, change: Manifest, said: str) -> None:
    with pytest.raises(Failure) as caught:
        bare.create(stack("wrong", **change))

    assert said in str(caught.value).replace('\\"', '"'), sentence


def _applied(space: Space, manager: str, spec: Manifest) -> Manifest:
    body = stack("merged") | {"spec": spec}
    path = space.path("AppStack", "merged")
    return space.cluster.request("PATCH", path, body, kind=APPLY, fieldManager=manager, fieldValidation="Strict")


def test_lists_merge_by_their_keys(bare: Space) -> None:
    base: dict[str, Any] = {
        "backend": {"image": "a", "env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 80}]},
        "files": [{"path": "/a", "content": "a"}],
        "volumes": [{"name": "a", "emptyDir": {}}],
        "sidecars": [{"name": "a", "image": "a"}],
        "initContainers": [{"name": "a"}],
    }
    _applied(bare, "one", base)

    merged = _applied(
        bare,
        "two",
        {
            "backend": {"image": "a", "env": [{"name": "B", "value": "2"}], "ports": [{"containerPort": 81}]},
            "files": [{"path": "/b", "content": "b"}, {"path": "/a", "container": "a", "content": "c"}],
            "volumes": [{"name": "b", "emptyDir": {}}],
            "sidecars": [{"name": "b", "image": "b"}],
            "initContainers": [{"name": "b"}],
        },
    )["spec"]

    assert ["A", "B"] == [one["name"] for one in merged["backend"]["env"]]
    assert [80, 81] == [one["containerPort"] for one in merged["backend"]["ports"]]
    assert {("backend", "/a"), ("backend", "/b"), ("a", "/a")} == {
        (one.get("container"), one["path"]) for one in merged["files"]
    }
    for key in ("volumes", "sidecars", "initContainers"):
        assert ["a", "b"] == [one["name"] for one in merged[key]], key


def test_the_scale_subresource_is_the_replicas(bare: Space) -> None:
    bare.stack("scaled", replicas=1)

    bare.patch("AppStack", "scaled", {"spec": {"replicas": 3}}, sub="scale")

    assert 3 == bare.get("AppStack", "scaled")["spec"]["replicas"]

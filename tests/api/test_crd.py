"""The CustomResourceDefinition on a real API server: accepted, strict, and merging lists by key."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from appstack.api.crd import COLUMNS, UNSEEN
from appstack.validation.unknown_fields import unknown_fields
from tests.api.conftest import WORKER, namespace
from tests.api.harness import APPLY, KUBECONFIG, ROOT, Cluster, Failure, Manifest, Space, stack
from tools.cluster import programs

EXAMPLES = sorted((ROOT / "examples").glob("*/appstack.yaml"))


@pytest.fixture(scope="module")
def place(cluster: Cluster, system: Space) -> Iterator[Space]:
    """Give a namespace that no operator looks at: the tests here are alone with the API server."""
    with namespace(cluster, f"crd-{WORKER}") as space:
        yield space


def kubectl(space: Space, *words: str, stdin: str) -> subprocess.CompletedProcess[str]:
    """Run kubectl as people do, with its own default of strict validation."""
    command = [str(programs.path("kubectl")), "--kubeconfig", str(KUBECONFIG), "--namespace", space.name, *words]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)


def applied(space: Space, name: str, spec: Mapping[str, Any], *, by: str) -> Manifest:
    """Apply a part of a stack, server-side, as one of several managers."""
    part = {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": {"name": name}, "spec": spec}
    path = space.path("AppStack", name)
    return space.cluster.request("PATCH", path, part, kind=APPLY, fieldManager=by, fieldValidation="Strict")


def test_it_is_established_and_structural(cluster: Cluster, system: Space) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/appstacks.appstack.dev"
    found = {one["type"]: one["status"] for one in cluster.request("GET", path)["status"]["conditions"]}

    assert found == {"NamesAccepted": "True", "Established": "True"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_kubectl_takes_every_example(example: Path, place: Space) -> None:
    ended = kubectl(place, "apply", "--dry-run=server", "-f", "-", stdin=example.read_text())

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ("replica: 1", "spec.replica"),
        ("proxy: {headers: []}", "spec.proxy.headers"),
        ("sidecars: [{name: a, working_dir: /}]", "spec.sidecars[0].working_dir"),
        ("initContainers: [{name: a, restartPolicyRules: []}]", "spec.initContainers[0].restartPolicyRules"),
        ("pod: {containers: []}", "spec.pod.containers"),
        ("service: {selector: {a: b}}", "spec.service.selector"),
    ],
)
def test_an_unknown_field_is_refused_by_kubectl_by_server_side_apply_and_offline(
    spec: str, field: str, place: Space
) -> None:
    document = stack("unknown")
    document["spec"] |= yaml.safe_load(spec)
    ended = kubectl(place, "apply", "-f", "-", stdin=yaml.safe_dump(document))

    assert ended.returncode == 1
    assert f'unknown field "{field}"' in ended.stderr
    with pytest.raises(Failure, match="field not declared in schema"):
        applied(place, "unknown", document["spec"], by="somebody")
    assert [fault.field for fault in unknown_fields(document)] == [field]


def test_an_object_that_has_no_fields_takes_none_from_any_client(place: Space) -> None:
    spec = {"backend": {"image": "s"}, "volumes": [{"name": "a", "nodeCache": {"size": 1}}]}

    with pytest.raises(Failure, match=r"spec\.volumes\[0\]\.nodeCache: Too many"):
        applied(place, "empty", spec, by="somebody")


MERGED = [
    ("env", ["backend", "env"], {"name": "A", "value": "1"}, {"name": "B", "value": "2"}),
    ("ports", ["backend", "ports"], {"containerPort": 1}, {"containerPort": 1, "protocol": "UDP"}),
    ("mounts", ["backend", "volumeMounts"], {"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}),
    ("sidecars", ["sidecars"], {"name": "a", "image": "s"}, {"name": "b", "image": "s"}),
    ("inits", ["initContainers"], {"name": "a", "image": "s"}, {"name": "b", "image": "s"}),
    ("volumes", ["volumes"], {"name": "a", "emptyDir": {}}, {"name": "b", "nodeCache": {}}),
    ("static", ["proxy", "static"], {"path": "/a/", "from": "/a"}, {"path": "/b/", "from": "/b"}),
    ("files", ["files"], {"path": "/a", "content": ""}, {"path": "/a", "content": "", "container": "proxy"}),
    ("services", ["service", "ports"], {"port": 80}, {"port": 443}),
]


@pytest.mark.parametrize(("name", "path", "mine", "theirs"), MERGED, ids=[case[0] for case in MERGED])
def test_two_managers_share_a_list_and_each_takes_back_only_its_own(
    name: str, path: list[str], mine: Manifest, theirs: Manifest, place: Space
) -> None:
    def spec(*entries: Manifest) -> Manifest:
        inner: Any = list(entries)
        for part in reversed(path):
            inner = {part: inner}
        return {**inner, "backend": {"image": "s", **inner.get("backend", {})}}

    def entries(answer: Manifest) -> list[Manifest]:
        found = answer["spec"]
        for part in path:
            found = found[part]
        return [{key: entry[key] for key in wanted} for entry, wanted in zip(found, (mine, theirs), strict=False)]

    applied(place, name, spec(mine), by="me")
    assert entries(applied(place, name, spec(theirs), by="them")) == [mine, theirs]
    assert entries(applied(place, name, spec(), by="them")) == [mine]


def test_what_stands_twice_under_one_key_is_refused(place: Space) -> None:
    twice = {"name": "a", "emptyDir": {}}
    with pytest.raises(Failure, match="Duplicate value"):
        place.stack("twice", volumes=[twice, twice])


def test_nothing_is_added_to_what_the_author_wrote_but_keys_of_lists(place: Space) -> None:
    for example in EXAMPLES:
        for document in yaml.safe_load_all(example.read_text()):
            if document["kind"] == "AppStack":
                found = place.create(document)["spec"]
                assert _less(found, document["spec"], {"protocol": "TCP", "container": "backend"}) == document["spec"]


def _less(found: Any, written: Any, keys: dict[str, str]) -> Any:
    """Return what was found less the keys of lists that nobody wrote."""
    if isinstance(found, list):
        return [_less(*pair, keys) for pair in zip(found, written, strict=True)]
    if not isinstance(found, dict):
        return found
    added = {key for key, value in keys.items() if found.get(key) == value and key not in written}
    return {key: _less(value, written.get(key), keys) for key, value in found.items() if key not in added}


def test_quantities_are_taken_as_kubernetes_takes_them(place: Space) -> None:
    resources = {"limits": {"cpu": 1, "memory": "64Mi"}, "requests": {"cpu": "100m"}}
    backend = {"image": "s", "resources": resources}

    assert place.stack("quantities", backend=backend)["spec"]["backend"]["resources"] == resources
    with pytest.raises(Failure, match=r"spec\.backend\.resources\.limits\.memory"):
        place.stack("odd", backend={"image": "s", "resources": {"limits": {"memory": "64 MB"}}})


def test_a_name_may_have_52_characters(place: Space) -> None:
    place.stack("n" * 52)
    with pytest.raises(Failure, match=r"metadata\.name: must have at most 52 characters"):
        place.stack("n" * 53)


def test_a_stack_that_nobody_looked_at_is_not_current_for_kstatus(place: Space) -> None:
    place.stack("fresh")
    assert place.get("AppStack", "fresh")["status"] == UNSEEN


def test_a_whole_status_is_kept_as_it_was_written(place: Space) -> None:
    place.stack("whole")
    now = "2026-11-21T07:00:00Z"
    status = {
        "observedGeneration": 1,
        "conditions": [
            {"type": "Ready", "status": "False", "reason": "X", "lastTransitionTime": now, "observedGeneration": 1}
        ],
        "replicas": 2,
        "readyReplicas": 0,
        "selector": "appstack.dev/stack=whole",
        "resources": [{"apiVersion": "v1", "kind": "Service", "name": "whole", "rendered": "a", "fields": "b"}],
        "endpoints": [{"name": "http", "url": "http://whole.x.svc", "scope": "Cluster"}],
        "images": [{"container": "backend", "image": "s:1", "imageID": "s@sha256:1"}],
        "problems": [
            {"pod": "p", "container": "backend", "reason": "R", "exitCode": 1, "message": "m", "log": "l"}
            | {"field": "spec.backend", "hint": "h"}
        ],
    }
    path = place.path("AppStack", "whole") + "/status"
    part = {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": {"name": "whole"}}
    place.cluster.request(
        "PATCH", path, part | {"status": status}, kind=APPLY, fieldManager="a", fieldValidation="Strict"
    )

    assert place.status("whole") == status


def test_it_scales(place: Space) -> None:
    place.stack("scaled", replicas=1)
    place.patch("AppStack", "scaled", {"spec": {"replicas": 3}}, sub="scale")

    assert place.get("AppStack", "scaled")["spec"]["replicas"] == 3


def test_kubectl_get_shows_the_columns(place: Space) -> None:
    place.stack("shown")
    ended = kubectl(place, "get", "aps", "shown", "--output", "wide", stdin="")
    explained = kubectl(place, "explain", "appstack.spec.proxy.static.from", stdin="")

    assert ended.stdout.split("\n")[0].split() == ["NAME", *" ".join(name for name, *_ in COLUMNS).upper().split()]
    assert "A directory of the backend's image" in explained.stdout

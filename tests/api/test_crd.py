"""The CustomResourceDefinition on a real API server: accepted, strict, and lists merged by key."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from appstack.api.crd import PRINTER_COLUMNS, UNOBSERVED
from appstack.validation.unknown_fields import unknown_fields
from tests.api.cluster import APPLY, KUBECONFIG, ROOT, ApiError, Cluster, Manifest, Namespace, appstack
from tests.api.conftest import RUN_ID, temporary_namespace
from tools.cluster import programs

EXAMPLES = sorted((ROOT / "examples").glob("*/appstack.yaml"))


@pytest.fixture(scope="module")
def namespace(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return a namespace that no operator reconciles."""
    with temporary_namespace(cluster, f"crd-{RUN_ID}") as namespace:
        yield namespace


def kubectl(namespace: Namespace, *arguments: str, stdin: str) -> subprocess.CompletedProcess[str]:
    """Run kubectl with its default of strict validation."""
    command = [
        str(programs.path("kubectl")),
        "--kubeconfig",
        str(KUBECONFIG),
        "--namespace",
        namespace.name,
        *arguments,
    ]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)


def apply_spec(namespace: Namespace, name: str, spec: Mapping[str, Any], *, manager: str) -> Manifest:
    """Apply fields of an AppStack, server-side, as one of several field managers."""
    body = {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": {"name": name}, "spec": spec}
    path = namespace.path("AppStack", name)
    return namespace.cluster.request(
        "PATCH", path, body, content_type=APPLY, fieldManager=manager, fieldValidation="Strict"
    )


@pytest.mark.parametrize("cpu", [0.5, 1, "500m"])
def test_quantity_accepts_what_kubernetes_accepts(namespace: Namespace, cpu: float | str) -> None:
    backend = {"image": "demo/shop:1", "resources": {"limits": {"cpu": cpu}}}
    stored = apply_spec(namespace, "quantity", {"backend": backend}, manager="author")

    assert stored["spec"]["backend"]["resources"]["limits"] == {"cpu": cpu}


def test_definition_is_established(cluster: Cluster, operator_namespace: Namespace) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/appstacks.appstack.dev"
    conditions = cluster.request("GET", path)["status"]["conditions"]

    assert {condition["type"]: condition["status"] for condition in conditions} == {
        "NamesAccepted": "True",
        "Established": "True",
    }


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_kubectl_accepts_every_example(example: Path, namespace: Namespace) -> None:
    result = kubectl(namespace, "apply", "--dry-run=server", "-f", "-", stdin=example.read_text())

    assert (result.returncode, result.stderr) == (0, "")


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
def test_unknown_field_is_refused_by_kubectl_by_server_side_apply_and_offline(
    spec: str, field: str, namespace: Namespace
) -> None:
    document = appstack("unknown")
    document["spec"] |= yaml.safe_load(spec)
    result = kubectl(namespace, "apply", "-f", "-", stdin=yaml.safe_dump(document))

    assert result.returncode == 1
    assert f'unknown field "{field}"' in result.stderr
    with pytest.raises(ApiError, match="field not declared in schema"):
        apply_spec(namespace, "unknown", document["spec"], manager="tests")
    assert [fault.field for fault in unknown_fields(document)] == [field]


def test_object_without_fields_accepts_none_from_any_client(namespace: Namespace) -> None:
    spec = {"backend": {"image": "s"}, "volumes": [{"name": "a", "nodeCache": {"size": 1}}]}

    with pytest.raises(ApiError, match=r"spec\.volumes\[0\]\.nodeCache: Too many"):
        apply_spec(namespace, "empty", spec, manager="tests")


MERGED = [
    ("env", ["backend", "env"], {"name": "A", "value": "1"}, {"name": "B", "value": "2"}),
    ("mounts", ["backend", "volumeMounts"], {"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}),
    ("sidecars", ["sidecars"], {"name": "a", "image": "s"}, {"name": "b", "image": "s"}),
    ("inits", ["initContainers"], {"name": "a", "image": "s"}, {"name": "b", "image": "s"}),
    ("volumes", ["volumes"], {"name": "a", "emptyDir": {}}, {"name": "b", "nodeCache": {}}),
    ("static", ["proxy", "static"], {"path": "/a/", "from": "/a"}, {"path": "/b/", "from": "/b"}),
    ("services", ["services"], {"name": "a", "clusterIP": "None"}, {"name": "b", "clusterIP": "None"}),
]


@pytest.mark.parametrize(("name", "path", "first", "second"), MERGED, ids=[case[0] for case in MERGED])
def test_two_managers_share_a_list_and_each_removes_only_its_own_entries(
    name: str, path: list[str], first: Manifest, second: Manifest, namespace: Namespace
) -> None:
    def spec(*entries: Manifest) -> Manifest:
        inner: Any = list(entries)
        for part in reversed(path):
            inner = {part: inner}
        return {**inner, "backend": {"image": "s", **inner.get("backend", {})}}

    def entries(stack: Manifest) -> list[Manifest]:
        value = stack["spec"]
        for part in path:
            value = value[part]
        return [{key: entry[key] for key in sent} for entry, sent in zip(value, (first, second), strict=False)]

    apply_spec(namespace, name, spec(first), manager="first")
    assert entries(apply_spec(namespace, name, spec(second), manager="second")) == [first, second]
    assert entries(apply_spec(namespace, name, spec(), manager="second")) == [first]


def test_two_entries_with_one_key_are_refused(namespace: Namespace) -> None:
    volume = {"name": "a", "emptyDir": {}}
    with pytest.raises(ApiError, match="Duplicate value"):
        namespace.create_stack("twice", volumes=[volume, volume])


def test_quantity_is_accepted_as_kubernetes_accepts_it(namespace: Namespace) -> None:
    resources = {"limits": {"cpu": 1, "memory": "64Mi"}, "requests": {"cpu": "100m"}}
    backend = {"image": "s", "resources": resources}

    assert namespace.create_stack("quantities", backend=backend)["spec"]["backend"]["resources"] == resources
    with pytest.raises(ApiError, match=r"spec\.backend\.resources\.limits\.memory"):
        namespace.create_stack("odd", backend={"image": "s", "resources": {"limits": {"memory": "64 MB"}}})


def test_name_has_at_most_52_characters(namespace: Namespace) -> None:
    namespace.create_stack("n" * 52)
    with pytest.raises(ApiError, match=r"metadata\.name: must have at most 52 characters"):
        namespace.create_stack("n" * 53)


def test_unobserved_stack_is_not_current_for_kstatus(namespace: Namespace) -> None:
    namespace.create_stack("fresh")
    assert namespace.get("AppStack", "fresh")["status"] == UNOBSERVED


def test_complete_status_is_stored_as_written(namespace: Namespace) -> None:
    namespace.create_stack("whole")
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
    path = namespace.path("AppStack", "whole") + "/status"
    stack = {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": {"name": "whole"}}
    namespace.cluster.request(
        "PATCH", path, stack | {"status": status}, content_type=APPLY, fieldManager="a", fieldValidation="Strict"
    )

    assert namespace.status("whole") == status


def test_scale_subresource_sets_the_replicas(namespace: Namespace) -> None:
    namespace.create_stack("scaled", replicas=1)
    namespace.patch("AppStack", "scaled", {"spec": {"replicas": 3}}, subresource="scale")

    assert namespace.get("AppStack", "scaled")["spec"]["replicas"] == 3


def test_kubectl_get_prints_the_columns(namespace: Namespace) -> None:
    namespace.create_stack("shown")
    result = kubectl(namespace, "get", "aps", "shown", "--output", "wide", stdin="")
    explained = kubectl(namespace, "explain", "appstack.spec.proxy.static.from", stdin="")

    assert result.stdout.split("\n")[0].split() == [
        "NAME",
        *" ".join(name for name, *_ in PRINTER_COLUMNS).upper().split(),
    ]
    assert "Directory of the image" in explained.stdout

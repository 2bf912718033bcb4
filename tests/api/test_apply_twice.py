"""An AppStack that is applied again: unchanged, client-side and server-side, also after an upgrade of the CRD."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml

from appstack.api.crd import definition
from tests.api.cluster import KUBECONFIG, ROOT, ApiError, Cluster, Manifest, Namespace, eventually
from tests.api.conftest import RUN_ID, temporary_namespace
from tools.cluster import programs

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
FORMER_GROUP = f"former-{RUN_ID}.appstack.dev"
"""API group of a copy of the CRD: other tests use the CRD itself at the same time."""
FORMER_KEYS = {
    "containerPort": (["containerPort", "protocol"], {"protocol": "TCP"}),
    "targetPort": (["port", "protocol"], {"protocol": "TCP"}),
    "valueFrom": (["container", "path"], {"container": "backend"}),
    "imagePullSecrets": (["name"], {"name": ""}),
}
"""The lists with an optional key that merged by key in the former CRD, by a field of their items or their own name."""


@pytest.fixture(scope="module")
def namespace(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return a namespace that no operator reconciles."""
    with temporary_namespace(cluster, f"twice-{RUN_ID}") as namespace:
        yield namespace


def example_stacks(prefix: str, group: str = "appstack.dev") -> list[Manifest]:
    """Return the AppStacks of all examples, with names of their own."""
    paths = sorted((ROOT / "examples").glob("*/appstack.yaml"))
    documents = [document for path in paths for document in yaml.safe_load_all(path.read_text())]
    stacks = [document for document in documents if document and document["kind"] == "AppStack"]
    assert len(stacks) >= len(paths)
    return [
        {
            "apiVersion": f"{group}/v1alpha1",
            "kind": "AppStack",
            "metadata": {"name": f"{prefix}-{number}"},
            "spec": stack["spec"],
        }
        for number, stack in enumerate(stacks)
    ]


def apply(namespace: Namespace, stacks: list[Manifest], *options: str) -> list[str]:
    """Apply AppStacks with kubectl and return the last word of its output for each: created, configured, unchanged."""
    command = [str(programs.path("kubectl")), "--kubeconfig", str(KUBECONFIG), "--namespace", namespace.name]
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": stacks})
    result = subprocess.run(
        [*command, "apply", *options, "--filename", "-"], input=items, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    return [line.split()[-1] for line in result.stdout.splitlines()]


def stored(namespace: Namespace, stacks: list[Manifest]) -> list[Manifest]:
    """Return the AppStacks as the API server has them."""
    return [
        namespace.cluster.request(
            "GET", f"/apis/{each['apiVersion']}/namespaces/{namespace.name}/appstacks/{each['metadata']['name']}"
        )
        for each in stacks
    ]


def assert_stored_as_written(namespace: Namespace, stacks: list[Manifest]) -> None:
    """Assert that the API server has exactly the fields of the documents."""
    assert [each["spec"] for each in stored(namespace, stacks)] == [each["spec"] for each in stacks]


def assert_apply_settles_server_side(namespace: Namespace, stacks: list[Manifest]) -> None:
    """Apply AppStacks repeatedly and assert that they stay as written: the second apply stores the default status."""
    apply(namespace, stacks, "--server-side")
    apply(namespace, stacks, "--server-side")
    second = stored(namespace, stacks)
    apply(namespace, stacks, "--server-side")

    assert stored(namespace, stacks) == second
    assert {each["metadata"]["generation"] for each in second} <= {1, 2}
    assert_stored_as_written(namespace, stacks)


def test_unchanged_example_stays_unchanged_client_side(namespace: Namespace) -> None:
    stacks = example_stacks("client")

    assert set(apply(namespace, stacks)) == {"created"}
    assert set(apply(namespace, stacks)) == {"unchanged"}
    assert_stored_as_written(namespace, stacks)


def test_unchanged_example_stays_unchanged_server_side(namespace: Namespace) -> None:
    stacks = example_stacks("server")

    assert_apply_settles_server_side(namespace, stacks)


def renamed_definition() -> Manifest:
    """Return a copy of the CRD with an API group of its own."""
    crd = deepcopy(definition())
    crd["metadata"]["name"] = f"appstacks.{FORMER_GROUP}"
    crd["spec"]["group"] = FORMER_GROUP
    crd["spec"]["names"] = {
        "plural": "appstacks",
        "singular": "appstack",
        "kind": "AppStack",
        "listKind": "AppStackList",
    }
    return crd


def with_former_lists(schema: Any, name: str = "") -> Any:
    """Return a schema in which the lists with an optional key merge by keys with defaults, as in the former CRD."""
    if isinstance(schema, list):
        return [with_former_lists(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: with_former_lists(value, key) for key, value in schema.items()}
    fields = schema.get("items", {}).get("properties", {}) if schema.get("type") == "array" else {}
    found = next((each for each in FORMER_KEYS if fields and (each in fields or each == name)), None)
    if found is None or (found == "valueFrom" and name != "files"):
        return changed
    keys, defaults = FORMER_KEYS[found]
    if not fields.keys() >= set(keys):  # a list of another type, with a field of the same name
        return changed
    for key, default in defaults.items():
        changed["items"]["properties"][key]["default"] = default
    return changed | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys}


def is_absent(cluster: Cluster, path: str) -> bool:
    """Return whether an object does not exist."""
    try:
        cluster.request("GET", path)
    except ApiError as error:
        return error.status == 404
    return False


@pytest.fixture
def upgrade(cluster: Cluster) -> Iterator[Any]:
    """Create a copy of the former CRD, and return a function that replaces it by the present one."""
    present = renamed_definition()
    former = with_former_lists(deepcopy(present))
    collection = f"/apis/{FORMER_GROUP}/v1alpha1/appstacks"
    path = f"{CRDS}/{present['metadata']['name']}"
    cluster.request("POST", CRDS, former)
    eventually(lambda: cluster.request("GET", collection))

    def replace() -> None:
        current = cluster.request("GET", path)
        cluster.request("PUT", path, current | {"spec": present["spec"]})

    yield replace
    cluster.request("DELETE", path)
    eventually(lambda: is_absent(cluster, path))


def default_is_written(namespace: Namespace) -> bool:
    """Return whether the API server writes the default of a list's key into a new AppStack."""
    spec = {"backend": {"image": "i", "ports": [{"containerPort": 1}]}}
    stack = {"apiVersion": f"{FORMER_GROUP}/v1alpha1", "kind": "AppStack", "metadata": {"name": "probe"}, "spec": spec}
    path = f"/apis/{FORMER_GROUP}/v1alpha1/namespaces/{namespace.name}/appstacks"
    created = namespace.cluster.request("POST", path, stack, dryRun="All")
    return "protocol" in created["spec"]["backend"]["ports"][0]


def test_stored_stacks_stay_the_same_after_an_upgrade_of_the_crd(namespace: Namespace, upgrade: Any) -> None:
    by_client, by_server = example_stacks("client", FORMER_GROUP), example_stacks("server", FORMER_GROUP)
    eventually(lambda: default_is_written(namespace))
    assert set(apply(namespace, by_client)) == {"created"}
    assert "configured" in apply(namespace, by_client), "the defect: the defaults of the former CRD"
    apply(namespace, by_server, "--server-side")

    upgrade()
    eventually(lambda: not default_is_written(namespace))

    assert set(apply(namespace, by_client)) <= {"configured", "unchanged"}
    assert set(apply(namespace, by_client)) == {"unchanged"}
    assert_stored_as_written(namespace, by_client)
    assert_apply_settles_server_side(namespace, by_server)


@pytest.mark.parametrize("options", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_removed_entry_of_an_atomic_list_is_removed_after_an_upgrade(
    namespace: Namespace, upgrade: Any, options: tuple[str, ...]
) -> None:
    (stack, *_) = example_stacks("removed" if options else "gone", FORMER_GROUP)
    ports = [{"name": "a", "containerPort": 1}, {"name": "b", "containerPort": 2}]
    stack["spec"] = {"backend": {"image": "i", "ports": ports}}
    eventually(lambda: default_is_written(namespace))
    apply(namespace, [stack], *options)
    upgrade()
    eventually(lambda: not default_is_written(namespace))

    stack["spec"]["backend"]["ports"] = ports[1:]
    apply(namespace, [stack], *options)

    assert_stored_as_written(namespace, [stack])


def test_null_and_empty_enum_of_kubernetes_are_accepted(namespace: Namespace) -> None:
    spec = {
        "backend": {"image": "i", "imagePullPolicy": "", "lifecycle": None},
        "pod": {"affinity": {"nodeAffinity": None, "podAffinity": {}}, "tolerations": None},
        "workload": {"statefulSet": {"podManagementPolicy": ""}},
    }
    stack = {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": {"name": "null"}, "spec": spec}

    created = namespace.create(stack)["spec"]

    assert created["pod"] == {"affinity": {"podAffinity": {}}}
    assert apply(namespace, [stack | {"metadata": {"name": "null-applied"}}]) == ["created"]
    assert apply(namespace, [stack | {"metadata": {"name": "null-applied"}}]) == ["unchanged"]
    with pytest.raises(ApiError, match="Unsupported value"):
        namespace.create_stack("odd", backend={"image": "i", "imagePullPolicy": "Perhaps"})

"""Upgrade and downgrade of the CustomResourceDefinition with stored AppStacks, on a control plane of its own.

`former_crd.json.gz` is the definition of an earlier commit (adc2ddc) without descriptions: a clone may lack history.
"""

from __future__ import annotations

import copy
import gzip
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.control_plane import ControlPlane
from tests.api.cluster import ROOT, eventually
from tests.api.operator_process import OperatorProcess
from tools.cluster import programs

Manifest = dict[str, Any]

FORMER: Manifest = json.loads(gzip.decompress((Path(__file__).parent / "former_crd.json.gz").read_bytes()))
PRESENT: Manifest = yaml.safe_load((ROOT / "crds/appstack.dev_appstacks.yaml").read_text())
EXAMPLES = sorted((ROOT / "examples").glob("*/appstack.yaml"))
APPSTACKS = "/apis/appstack.dev/v1alpha1/appstacks"
NEWER = "/apis/appstack.dev/v1alpha1/namespaces/default/appstacks/newer"
CHILDREN = ("/apis/apps/v1/deployments", "/apis/apps/v1/statefulsets", "/api/v1/services", "/api/v1/configmaps")
IMAGE = "changed:1"
MIN_STORED = 8
"""Examples that the former definition permits; most others use a field that is newer."""


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Yield a control plane with the former definition, and the AppStacks of examples that it permits."""
    plane = ControlPlane(tmp_path_factory.mktemp("plane") / "plane")
    plane.start()
    try:
        plane.start_controller_manager(["deployment", "statefulset", "garbagecollector"])
        plane.create("/api/v1/namespaces", {"metadata": {"name": "appstack-system"}})
        plane.apply_crd(FORMER)
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="module")
def stored(plane: ControlPlane) -> dict[str, str]:
    """Return the manifest of each stored example by name; one half is applied by the client, one by the server."""
    found: dict[str, str] = {}
    for number, path in enumerate(EXAMPLES):
        for document in yaml.safe_load_all(path.read_text()):
            if document and document["kind"] == "AppStack":
                document["spec"].setdefault("paused", False)
                text = yaml.safe_dump(document)
                if (
                    kubectl(plane, "apply", *(["--server-side"] if number % 2 else []), "-f", "-", text=text).returncode
                    == 0
                ):
                    found[document["metadata"]["name"]] = text
    assert len(found) >= MIN_STORED, found.keys()
    return found


@pytest.fixture(scope="module")
def operator(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """Yield an operator of the present version, not started."""
    process = OperatorProcess(tmp_path_factory.mktemp("operator"), plane.admin_kubeconfig(), identity="upgrade")
    yield process
    if process.running():
        process.kill()


def kubectl(plane: ControlPlane, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run kubectl as administrator."""
    command = [str(programs.path("kubectl")), "--kubeconfig", str(plane.admin_kubeconfig()), *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)


def specs(plane: ControlPlane) -> dict[str, tuple[int, Manifest]]:
    """Return generation and spec of each AppStack."""
    items = plane.request("GET", APPSTACKS)["items"]
    return {item["metadata"]["name"]: (item["metadata"]["generation"], item["spec"]) for item in items}


def child_versions(plane: ControlPlane) -> dict[str, int]:
    """Return the generation, or else the resourceVersion, of each child."""
    items = (item["metadata"] for path in CHILDREN for item in plane.request("GET", path)["items"])
    return {
        f"{meta['namespace']}/{meta['name']}/{meta['uid']}": int(meta.get("generation") or meta["resourceVersion"])
        for meta in items
        if "appstack.dev/stack" in meta.get("labels", {})
    }


def child_contents(plane: ControlPlane) -> dict[str, Manifest]:
    """Return the generation and the content of each child: a default that is left out changes neither."""
    items = (item for path in CHILDREN for item in plane.request("GET", path)["items"])
    return {
        item["metadata"]["uid"]: {
            key: value
            for key, value in {**item, "generation": item["metadata"].get("generation")}.items()
            if key in ("generation", "spec", "data")
        }
        for item in items
        if "appstack.dev/stack" in item["metadata"].get("labels", {})
    }


def wait_until_observed(plane: ControlPlane, names: set[str]) -> None:
    """Wait until the status of each AppStack is about its generation."""

    def observed() -> bool:
        items = {item["metadata"]["name"]: item for item in plane.request("GET", APPSTACKS)["items"]}
        generations = {name: items[name]["metadata"]["generation"] for name in names}
        assert generations == {name: items[name]["status"]["observedGeneration"] for name in names}
        return True

    eventually(observed)


def flags_of(plane: ControlPlane, name: str) -> tuple[str, ...]:
    """Return the flags with which an AppStack was applied."""
    (item,) = (each for each in plane.request("GET", APPSTACKS)["items"] if each["metadata"]["name"] == name)
    client_side = "kubectl.kubernetes.io/last-applied-configuration" in item["metadata"].get("annotations", {})
    return () if client_side else ("--server-side",)


def apply_all(plane: ControlPlane, manifests: dict[str, str]) -> None:
    """Apply manifests by name, each as it was applied first."""
    for name, text in manifests.items():
        result = kubectl(plane, "apply", *flags_of(plane, name), "-f", "-", text=text)
        assert 0 == result.returncode, result.stderr


def with_image(text: str) -> str:
    """Return the manifest of an AppStack with another image."""
    manifest = yaml.safe_load(text)
    manifest["spec"]["backend"]["image"] = IMAGE
    return yaml.safe_dump(manifest)


def newer_definition() -> Manifest:
    """Return a later definition: the present one with a further field."""
    definition = copy.deepcopy(PRESENT)
    schema = definition["spec"]["versions"][-1]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    schema["properties"]["newerField"] = {"type": "string"}
    return definition


def test_stacks_stay_readable_and_are_not_changed_by_an_upgrade(
    plane: ControlPlane, stored: dict[str, str], operator: OperatorProcess
) -> None:
    operator.start()
    wait_until_observed(plane, set(stored))
    before, children = specs(plane), child_versions(plane)
    assert children

    plane.apply_crd(PRESENT)
    assert before == specs(plane), "a stored AppStack reads as before"
    assert 0 == operator.stop(), operator.log_text()[-3000:]
    operator.start()
    wait_until_observed(plane, set(stored))

    assert before == specs(plane)
    assert children == child_versions(plane), "no child was written"
    assert "Traceback" not in operator.log_text()


def test_stacks_are_edited_after_an_upgrade_as_they_were_applied(
    plane: ControlPlane, stored: dict[str, str], operator: OperatorProcess
) -> None:
    """Apply the same manifests: defaults that only the former definition stored may go, and no child changes."""
    children = child_contents(plane)
    apply_all(plane, stored)
    wait_until_observed(plane, set(stored))
    assert children == child_contents(plane), "no child has changed"
    before = specs(plane)
    apply_all(plane, stored)
    assert before == specs(plane), "the same manifest again changes nothing"

    apply_all(plane, {name: with_image(text) for name, text in stored.items()})

    expected = {name: {**spec, "backend": {**spec["backend"], "image": IMAGE}} for name, (_, spec) in before.items()}
    assert expected == {name: spec for name, (_, spec) in specs(plane).items()}
    wait_until_observed(plane, set(stored))


def test_downgrade_to_the_former_definition_stops_nothing(
    plane: ControlPlane, stored: dict[str, str], operator: OperatorProcess
) -> None:
    changed = {name: with_image(text) for name, text in stored.items()}
    children = child_contents(plane)

    plane.apply_crd(FORMER)
    apply_all(plane, changed)

    assert changed.keys() == specs(plane).keys()
    wait_until_observed(plane, set(stored))
    assert children == child_contents(plane), "no child has changed"
    assert operator.running()
    assert "Traceback" not in operator.log_text()


def test_downgrade_prunes_a_field_that_only_the_newer_definition_has(
    plane: ControlPlane, stored: dict[str, str], operator: OperatorProcess
) -> None:
    plane.apply_crd(newer_definition())
    spec = {"replicas": 0, "backend": {"image": "shop:1"}, "newerField": "lost"}
    stack = {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": {"name": "newer"}, "spec": spec}
    result = kubectl(plane, "apply", "-f", "-", text=yaml.safe_dump(stack))
    assert 0 == result.returncode, result.stderr
    assert "lost" == specs(plane)["newer"][1]["newerField"]
    wait_until_observed(plane, {"newer"})

    plane.apply_crd(PRESENT)
    eventually(lambda: "newerField" not in specs(plane)["newer"][1])
    plane.request("PATCH", NEWER, {"spec": {"replicas": 1}}, content_type="application/merge-patch+json")
    wait_until_observed(plane, {"newer"})
    plane.apply_crd(newer_definition())

    assert {"replicas": 1, "backend": {"image": "shop:1"}} == specs(plane)["newer"][1], "a write has removed it"
    assert operator.running()
    assert 0 == operator.stop(), operator.log_text()[-3000:]
    assert "Traceback" not in operator.log_text()

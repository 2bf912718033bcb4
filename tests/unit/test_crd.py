"""The model as the API server sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from appstack.api import AppStackSpec, crd, openapi, structural
from appstack.api.kubernetes_1_33 import TYPES
from appstack.api.status import Status

ROOT = crd.root_schema()


def at(path: str) -> dict[str, Any]:
    """Return the schema of a field: `spec.backend.ports[].protocol`."""
    schema = ROOT
    for part in path.split("."):
        name, items, _ = part.partition("[]")
        schema = schema["properties"][name]
        schema = schema["items"] if items else schema
    return schema


def nodes(schema: Any = ROOT, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema with its path."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}".lstrip("."))
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


def merging(path: str) -> tuple[str, list[str]]:
    schema = at(path)
    return schema["x-kubernetes-list-type"], schema.get("x-kubernetes-list-map-keys", [])


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("spec.initContainers", ["name"]),
        ("spec.sidecars", ["name"]),
        ("spec.volumes", ["name"]),
        ("spec.proxy.static", ["path"]),
        ("spec.files", ["container", "path"]),
        ("spec.backend.env", ["name"]),
        ("spec.backend.ports", ["containerPort", "protocol"]),
        ("spec.sidecars[].volumeMounts", ["mountPath"]),
        ("spec.pod.imagePullSecrets", ["name"]),
        ("spec.service.ports", ["port", "protocol"]),
        ("status.conditions", ["type"]),
        ("status.images", ["container"]),
        ("status.resources", ["apiVersion", "kind", "name"]),
    ],
)
def test_a_list_with_keys_merges_by_them(path: str, keys: list[str]) -> None:
    assert merging(path) == ("map", keys)


@pytest.mark.parametrize("path", ["spec.backend.args", "spec.backend.envFrom", "spec.pod.tolerations"])
def test_a_list_without_keys_is_replaced(path: str) -> None:
    assert merging(path) == ("atomic", [])


def test_every_key_is_required_or_has_a_default() -> None:
    lists = [(path, schema) for path, schema in nodes() if schema.get("x-kubernetes-list-type") == "map"]
    bare = [
        f"{path}: {key}"
        for path, schema in lists
        for key in schema["x-kubernetes-list-map-keys"]
        if key not in schema["items"].get("required", ()) and "default" not in schema["items"]["properties"][key]
    ]
    assert bare == []


def test_only_keys_and_the_first_status_have_defaults() -> None:
    keys = {f"{path}[].{key}" for path, schema in nodes() for key in schema.get("x-kubernetes-list-map-keys", ())}
    defaults = {path for path, schema in nodes() if "default" in schema}

    assert defaults - keys == {"status"}
    assert at("spec.backend.ports[].protocol")["default"] == "TCP"


def test_every_list_says_how_it_merges() -> None:
    lists = [path for path, schema in nodes() if schema.get("type") == "array"]
    assert [path for path in lists if "x-kubernetes-list-type" not in dict(nodes())[path]] == []


@pytest.mark.parametrize(
    "path",
    [
        "spec.backend.restartPolicyRules",
        "spec.backend.restartPolicy",
        "spec.backend.livenessProbe.httpGet.protocol",
        "spec.pod.containers",
        "spec.service.selector",
        "spec.workload.deployment.template",
        "spec.volumes[].ephemeral.volumeClaimTemplate.metadata.managedFields",
    ],
)
def test_what_the_oldest_server_or_an_appstack_does_not_have_is_not_offered(path: str) -> None:
    above, _, name = path.rpartition(".")
    assert name not in at(above)["properties"]


def test_quantities_and_ports_may_be_numbers_or_text() -> None:
    limits = at("spec.backend.resources.limits")["additionalProperties"]

    assert limits["x-kubernetes-int-or-string"] is True
    assert "pattern" in limits
    assert at("spec.volumes[].emptyDir.sizeLimit")["x-kubernetes-int-or-string"] is True
    assert at("spec.backend.livenessProbe.httpGet.port")["x-kubernetes-int-or-string"] is True
    assert at("spec.backend.livenessProbe.periodSeconds")["format"] == "int32"


def test_a_reference_is_replaced_as_a_whole() -> None:
    assert at("spec.backend.env[].valueFrom.secretKeyRef")["x-kubernetes-map-type"] == "atomic"
    assert at("spec.pod.nodeSelector")["x-kubernetes-map-type"] == "atomic"


def test_what_is_ours_is_described_in_full_and_bounded() -> None:
    ours = [f"spec.proxy.static[].{name}" for name in at("spec.proxy.static[]")["properties"]]
    ours += [f"spec.files[].{name}" for name in at("spec.files[]")["properties"]]
    ours += [f"spec.{name}" for name in at("spec")["properties"]]
    found = [at(path) for path in ours]

    assert [path for path in ours if not at(path).get("description")] == []
    assert [s for s in found if s.get("type") == "array" and "maxItems" not in s] == []
    assert [s for s in found if s.get("type") == "string" and not {"maxLength", "enum"} & s.keys()] == []


def test_it_stays_small_enough_for_every_client() -> None:
    assert len(json.dumps(crd.definition())) < 200_000  # an annotation may have 262,144


def test_only_structural_keywords_are_left() -> None:
    strange = [
        (path, sorted(schema.keys() & {"$ref", "$defs", "title", "allOf", "const", structural.MARK, "examples"}))
        for path, schema in nodes()
    ]
    assert [entry for entry in strange if entry[1]] == []
    assert [path for path, schema in nodes() if not schema.keys() & {"type", "x-kubernetes-int-or-string"}] == []


def test_the_table_has_every_type_of_kubernetes_that_the_schema_reaches() -> None:
    assert {"V1Container", "V1Volume", "CoreV1ResourceClaim"} <= TYPES.keys()
    assert {name for name in structural.kubernetes_types(AppStackSpec) if name not in TYPES} == {
        "V1ContainerRestartRule",
        "V1ContainerRestartRuleOnExitCodes",
        "V1EvictionResponder",
        "V1FileKeySelector",
        "V1JobSchedulingConfiguration",
        "V1PodCertificateProjection",
        "V1PodSchedulingGroup",
        "V1alpha3TopologyConstraint",
        "V1alpha3WorkloadPodGroupDisruptionMode",
        "V1alpha3WorkloadPodGroupGangSchedulingPolicy",
        "V1alpha3WorkloadPodGroupResourceClaim",
        "V1alpha3WorkloadPodGroupSchedulingConstraints",
        "V1alpha3WorkloadPodGroupSchedulingPolicy",
    }


@pytest.mark.parametrize("line", TYPES.values(), ids=TYPES.keys())
def test_a_line_of_the_table_reads_as_it_was_written(line: str) -> None:
    assert str(openapi.Type.parse(line)) == line


def test_a_word_that_nobody_writes_is_refused() -> None:
    with pytest.raises(ValueError, match="make openapi-table"):
        openapi.Type.parse("ports[a")


class _Odd(BaseModel):
    choice: int | list[str]


def test_a_choice_that_has_no_structural_form_is_refused() -> None:
    with pytest.raises(TypeError, match="no structural form"):
        structural.structural(_Odd)


def test_the_empty_status_is_one() -> None:
    assert Status(observed_generation=crd.UNSEEN["observedGeneration"]).dump() == crd.UNSEEN

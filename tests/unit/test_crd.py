"""The CustomResourceDefinition that is generated from the models."""

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


def field_schema(path: str) -> dict[str, Any]:
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


def list_type(path: str) -> tuple[str, list[str]]:
    """Return the list type of a field and its merge keys."""
    schema = field_schema(path)
    return schema["x-kubernetes-list-type"], schema.get("x-kubernetes-list-map-keys", [])


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("spec.initContainers", ["name"]),
        ("spec.sidecars", ["name"]),
        ("spec.volumes", ["name"]),
        ("spec.proxy.static", ["path"]),
        ("spec.backend.env", ["name"]),
        ("spec.sidecars[].volumeMounts", ["mountPath"]),
        ("status.conditions", ["type"]),
        ("status.images", ["container"]),
        ("status.resources", ["apiVersion", "kind", "name"]),
    ],
)
def test_list_with_keys_merges_by_key(path: str, keys: list[str]) -> None:
    assert list_type(path) == ("map", keys)


@pytest.mark.parametrize("path", ["spec.backend.args", "spec.backend.envFrom", "spec.pod.tolerations"])
def test_list_without_keys_is_atomic(path: str) -> None:
    assert list_type(path) == ("atomic", [])


@pytest.mark.parametrize(
    "path", ["spec.files", "spec.backend.ports", "spec.pod.imagePullSecrets", "spec.service.ports"]
)
def test_list_with_an_optional_key_is_atomic(path: str) -> None:
    assert list_type(path) == ("atomic", [])


def test_every_list_map_key_is_required() -> None:
    lists = [(path, schema) for path, schema in nodes() if schema.get("x-kubernetes-list-type") == "map"]
    optional = [
        f"{path}: {key}"
        for path, schema in lists
        for key in schema["x-kubernetes-list-map-keys"]
        if key not in schema["items"].get("required", ())
    ]
    assert optional == []


def test_only_the_status_has_a_default() -> None:
    assert {path for path, schema in nodes() if "default" in schema} == {"status"}


def test_every_list_has_a_list_type() -> None:
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
def test_omitted_field_and_field_unknown_to_the_oldest_server_are_absent(path: str) -> None:
    parent, _, name = path.rpartition(".")
    assert name not in field_schema(parent)["properties"]


def test_quantities_have_no_type_since_int_or_string_refuses_fractions() -> None:
    limits = field_schema("spec.backend.resources.limits")["additionalProperties"]

    assert limits == structural.QUANTITY
    assert "pattern" in limits
    assert not limits.keys() & {"type", "anyOf", "x-kubernetes-int-or-string"}
    assert field_schema("spec.volumes[].emptyDir.sizeLimit")["x-kubernetes-preserve-unknown-fields"] is True


def test_ports_accept_integers_and_strings() -> None:
    assert field_schema("spec.backend.livenessProbe.httpGet.port")["x-kubernetes-int-or-string"] is True
    assert field_schema("spec.backend.livenessProbe.periodSeconds")["format"] == "int32"


def test_object_reference_and_node_selector_are_atomic() -> None:
    assert field_schema("spec.backend.env[].valueFrom.secretKeyRef")["x-kubernetes-map-type"] == "atomic"
    assert field_schema("spec.pod.nodeSelector")["x-kubernetes-map-type"] == "atomic"


def test_own_fields_have_descriptions_and_bounds() -> None:
    own = [f"spec.proxy.static[].{name}" for name in field_schema("spec.proxy.static[]")["properties"]]
    own += [f"spec.files[].{name}" for name in field_schema("spec.files[]")["properties"]]
    own += [f"spec.{name}" for name in field_schema("spec")["properties"]]
    schemas = [field_schema(path) for path in own]

    assert [path for path in own if not field_schema(path).get("description")] == []
    assert [s for s in schemas if s.get("type") == "array" and "maxItems" not in s] == []
    assert [s for s in schemas if s.get("type") == "string" and not {"maxLength", "enum"} & s.keys()] == []


def test_every_string_list_and_map_of_the_spec_has_a_maximum() -> None:
    spec = [(path, schema) for path, schema in nodes(field_schema("spec"), "spec")]
    strings = [
        path for path, schema in spec if schema.get("type") == "string" and not {"maxLength", "enum"} & schema.keys()
    ]
    lists = [path for path, schema in spec if schema.get("type") == "array" and "maxItems" not in schema]
    maps = [path for path, schema in spec if "additionalProperties" in schema and "maxProperties" not in schema]

    assert ([], [], []) == (strings, lists, maps)


@pytest.mark.parametrize(
    ("path", "keyword", "maximum"),
    [
        ("spec.backend.volumeMounts[].mountPath", "maxLength", 1024),
        ("spec.backend.volumeMounts", "maxItems", 2048),
        ("spec.backend.env[].value", "maxLength", 65_536),
        ("spec.backend.command", "maxItems", 2048),
        ("spec.sidecars[].resources.limits", "maxProperties", 1024),
        ("spec.pod.metadata.annotations", "maxProperties", 1024),
        ("spec.autoscaling.metrics", "maxItems", 64),
    ],
)
def test_maximum_of_a_kubernetes_field(path: str, keyword: str, maximum: int) -> None:
    assert field_schema(path)[keyword] == maximum


def test_contents_of_all_files_together_are_bounded_at_admission() -> None:
    (rule,) = field_schema("spec")["x-kubernetes-validations"]

    assert rule["rule"].endswith(f"<= {4 * 540_672}")  # of 524,288 bytes, and 3 % for the line ends of base64
    assert "more than 524288 bytes" in rule["message"]


def test_definition_fits_into_the_last_applied_annotation() -> None:
    stored = json.dumps(crd.definition(), separators=(",", ":"))  # as kubectl stores it: compact

    assert len(stored) < 250_000  # client-side kubectl apply refuses more than 262,144 bytes of annotations


def test_schema_has_only_structural_keywords() -> None:
    non_structural = [
        (path, sorted(schema.keys() & {"$ref", "$defs", "title", "allOf", "const", structural.TYPE_TAG, "examples"}))
        for path, schema in nodes()
    ]
    assert [entry for entry in non_structural if entry[1]] == []
    untyped = {"x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"}
    assert [path for path, schema in nodes() if not schema.keys() & {"type", *untyped}] == []


def test_table_has_every_kubernetes_type_that_the_schema_reaches() -> None:
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
def test_line_of_the_table_round_trips(line: str) -> None:
    assert str(openapi.TypeRules.parse(line)) == line


def test_malformed_token_raises_value_error() -> None:
    with pytest.raises(ValueError, match="make openapi-table"):
        openapi.TypeRules.parse("ports[a")


class _UnsupportedUnion(BaseModel):
    choice: int | list[str]


def test_union_without_structural_form_raises_type_error() -> None:
    with pytest.raises(TypeError, match="no structural form"):
        structural.structural_schema(_UnsupportedUnion)


def test_default_status_is_a_valid_status() -> None:
    assert Status(observed_generation=crd.UNOBSERVED["observedGeneration"]).dump() == crd.UNOBSERVED

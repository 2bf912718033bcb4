"""Unknown fields and enum values, with the closest known name."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from appstack.validation.unknown_fields import unknown_fields

HEADER = "apiVersion: appstack.dev/v1alpha1\nkind: AppStack\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("spec: {replica: 1}", "spec.replica: unknown field (did you mean 'replicas'?)"),
        (
            "spec: {backend: {ports: [{container_port: 1}]}}",
            "spec.backend.ports[0].container_port: unknown field (did you mean 'containerPort'?)",
        ),
        (
            "spec: {backend: {env_from: []}}",
            "spec.backend.env_from: unknown field (did you mean 'envFrom'?)",
        ),
        (
            "spec: {backend: {livenessProbe: {httpGet: {protocol: HTTP2}}}}",
            "spec.backend.livenessProbe.httpGet.protocol: unknown field "
            "(expected one of: host, httpHeaders, path, port, scheme)",
        ),
        ("specs: {}", "specs: unknown field (did you mean 'spec'?)"),
        ("metadata: {label: {a: b}}", "metadata.label: unknown field (did you mean 'labels'?)"),
        ("spec: {backend: {1: x}}", "spec.backend.1: unknown field"),
        ("spec: {volumes: [{name: a, nodeCache: {size: 1}}]}", "spec.volumes[0].nodeCache.size: unknown field"),
        (
            "spec: {backend: {imagePullPolicy: Perhaps}}",
            "spec.backend.imagePullPolicy: unknown value 'Perhaps' (expected one of: Always, IfNotPresent, Never)",
        ),
        (
            "spec: {service: {ports: [{port: 80, protocol: tcp}]}}",
            "spec.service.ports[0].protocol: unknown value 'tcp' (did you mean 'TCP'?)",
        ),
        (
            "spec: {volumes: [{name: a, claim: {accessModes: [ReadWriteOnce, ReadWriteSome]}}]}",
            "spec.volumes[0].claim.accessModes[1]: unknown value 'ReadWriteSome' (did you mean 'ReadWriteOnce'?)",
        ),
        ("spec: {proxy: }", "spec.proxy: is empty and is ignored (write proxy: {}, or remove it)"),
    ],
)
def test_unknown_field_or_value_is_reported_with_a_hint(text: str, message: str) -> None:
    assert [str(issue) for issue in unknown_fields(yaml.safe_load(HEADER + text))] == [message]


@pytest.mark.parametrize(
    "document",
    [
        {"spec": {"backend": {"image": "s", "resources": {"limits": {"nvidia.com/gpu": 1}}}}},
        {"metadata": {"name": "x", "labels": {"a": "b"}}, "status": {"anything": 1}},
        {"spec": {"volumes": [{"name": "a", "hostPath": {"path": "/", "type": ""}}]}},
        {"spec": {"pod": {"nodeSelector": {"a": "b"}, "metadata": {"annotations": {"a/b": "c"}}}}},
        {"spec": {"backend": "text", "volumes": {"name": "a"}, "sidecars": [None, "x"]}},
        {},
    ],
    ids=["quantities", "status and labels", "known empty value", "maps", "wrong types", "empty"],
)
def test_known_fields_and_values_of_wrong_type_are_not_reported(document: dict[str, Any]) -> None:
    assert unknown_fields(document) == ()


def test_findings_of_one_kind_are_counted_beyond_the_maximum() -> None:
    spec = {**{f"imag{number}": 1 for number in range(53)}, "imagePullPolicy": "Perhaps"}
    issues = unknown_fields({"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "spec": {"backend": spec}})

    assert 52 == len(issues)
    assert "spec.backend.imag0: unknown field (did you mean 'image'?)" == str(issues[0])
    assert "spec.backend.imagePullPolicy" == issues[50].field
    assert "spec.backend.imag50: and 3 more errors of this kind (correct the others first)" == str(issues[51])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"backend": {"volumeMounts": [{"name": "v", "mountPath": "/" * 1025}]}},
            "spec.backend.volumeMounts[0].mountPath: must have at most 1024 characters",
        ),
        ({"autoscaling": {"metrics": [{}] * 65}}, "spec.autoscaling.metrics: must have at most 64 items"),
        (
            {"pod": {"nodeSelector": {str(number): "" for number in range(1025)}}},
            "spec.pod.nodeSelector: must have at most 1024 keys",
        ),
    ],
)
def test_value_above_a_maximum_of_the_schema_is_reported(spec: dict[str, Any], message: str) -> None:
    document = {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "spec": spec}
    assert [message] == [str(issue) for issue in unknown_fields(document)]

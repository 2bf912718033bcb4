"""Parsing: common errors in the type or format of a field, and the message for each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from appstack.api import AppStack, parse
from appstack.api.parsing import PATTERN_HINTS, RELOCATED_FIELDS, parse_lenient
from appstack.errors import InvalidSpec

VALID = {
    "apiVersion": "appstack.dev/v1alpha1",
    "kind": "AppStack",
    "metadata": {"name": "shop"},
    "spec": {"backend": {"image": "s"}},
}


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            "{backend: {image: s, env: [{name: a, value: 1}]}}",
            ['spec.backend.env[0].value: must be a string, not 1 (write it in quotes: "1")'],
        ),
        (
            "{backend: {image: s, env: [{name: a, value: true}]}}",
            [
                "spec.backend.env[0].value: must be a string, not true (put it in quotes: "
                "without them YAML reads y, n, yes, no, on and off as true or false)"
            ],
        ),
        ("{backend: {image: ''}}", ["spec.backend.image: must not be empty"]),
        ("{backend: }", ["spec.backend: is empty (indent its fields below it)"]),
        (
            "{backend: {image: s}, containers: [], selector: {}, pod: {volumes: [], initContainers: []}}",
            [
                "spec.pod.initContainers: cannot be set here (write spec.initContainers)",
                "spec.pod.volumes: cannot be set here (write spec.volumes)",
                "spec.containers: cannot be set here (the main container is spec.backend, others are spec.sidecars)",
                "spec.selector: cannot be set here (remove it: AppStack sets the selector)",
            ],
        ),
        (
            "{backend: {image: s}, workload: {kind: CronJob, cronJob: {schedule: x, jobTemplate: {}}}}",
            ["spec.workload.cronJob.jobTemplate: cannot be set here (write spec.workload.job)"],
        ),
        ("{backend: {image: s, ports: [{}]}}", ["spec.backend.ports[0].containerPort: is required"]),
        ("{}", ["spec.backend: is required"]),
        (
            "{backend: {image: s}, workload: {kind: Foo}}",
            [
                "spec.workload.kind: must be 'Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob' or 'Pod', "
                "not 'Foo'"
            ],
        ),
        ("{backend: {image: s}, foo: 1}", ["spec.foo: unknown field"]),
        (
            "{backend: {image: s, restartPolicy: Always}}",
            ["spec.backend.restartPolicy: cannot be set here: AppStack manages this field"],
        ),
        (
            "{backend: {image: s, livenessProbe: {httpGet: {port: [1]}}}}",
            ["spec.backend.livenessProbe.httpGet.port: must be a whole number or a string (not [1])"],
        ),
        (
            "{backend: {image: s}, replicas: '3', paused: maybe}",
            [
                "spec.replicas: must be a whole number, not '3' (write it without quotes: 3)",
                "spec.paused: must be true or false, not 'maybe'",
            ],
        ),
        (
            "{backend: {image: s}, files: [{path: a, mode: 1000}, {path: /b, mode: '0440'}]}",
            [
                "spec.files[0].path: 'a' is not an absolute path (begin with /)",
                "spec.files[0].mode: must be from 0 to 0777, not 1000 (write it in octal with a leading 0, "
                "for example 0644)",
                "spec.files[1].mode: must be a whole number, not '0440' (write it without quotes: 0440)",
            ],
        ),
        (
            "{backend: {image: s}, proxy: {clientMaxBodySize: 10MB}, sidecars: [{name: Db_1}]}",
            [
                "spec.proxy.clientMaxBodySize: '10MB' is not a size (for example 512k, 10Mi or 1Gi)",
                "spec.sidecars[0].name: 'Db_1' is not a valid name (use a-z, 0-9 and -; "
                "begin and end with a letter or digit)",
            ],
        ),
    ],
)
def test_invalid_field_is_reported_with_path_and_hint(text: str, messages: list[str]) -> None:
    with pytest.raises(InvalidSpec) as error:
        parse({**VALID, "spec": yaml.safe_load(text)})

    assert messages == [str(issue) for issue in error.value.issues]


def _patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
        schema = list(schema.values())
    for inner in schema if isinstance(schema, list) else []:
        yield from _patterns(inner)


def test_every_pattern_of_the_models_has_a_hint() -> None:
    assert set(_patterns(AppStack.model_json_schema())) == PATTERN_HINTS.keys()


@pytest.mark.parametrize("path", RELOCATED_FIELDS)
def test_relocated_field_is_refused_with_its_new_place(path: str) -> None:
    inner: dict[str, Any] = {}
    for name in reversed(path.split(".")[1:]):
        inner = {name: inner}

    with pytest.raises(InvalidSpec) as error:
        parse({**VALID, "spec": {"backend": {"image": "s"}, **inner}})

    assert f"{path}: cannot be set here ({RELOCATED_FIELDS[path]})" in [str(issue) for issue in error.value.issues]


def test_empty_spec_and_mapping_in_place_of_a_list_are_reported() -> None:
    with pytest.raises(InvalidSpec, match=r"spec: is empty \(indent its fields below it\)"):
        parse({**VALID, "spec": None})
    with pytest.raises(InvalidSpec, match=r'spec\.volumes: must be a list, not \{"name": "a"\}'):
        parse({**VALID, "spec": {"backend": {"image": "s"}, "volumes": {"name": "a"}}})


@pytest.mark.parametrize("document", [{}, {"kind": "AppStack"}, {**VALID, "metadata": {}}, {**VALID, "spec": None}])
def test_incomplete_document_raises_invalid_spec(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec):
        parse(document)


def test_name_has_at_most_52_characters() -> None:
    assert parse({**VALID, "metadata": {"name": "a" * 52}}).metadata.name
    with pytest.raises(InvalidSpec, match=r"metadata\.name: must have at most 52 characters"):
        parse({**VALID, "metadata": {"name": "a" * 53}})


def test_spec_size_is_limited_without_file_contents_and_nginx_conf() -> None:
    spec: dict[str, Any] = {"backend": {"image": "shop:1", "args": ["a" * 60_000]}}
    document = {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": {"name": "shop"}, "spec": spec}
    spec["files"] = [{"path": f"/etc/{name}", name: "YQ==" * 50_000} for name in ("content", "base64")]
    spec["proxy"] = {"config": "#" * 100_000}
    parse(document)
    spec["proxy"] = {"serverSnippet": "#\n" * 30_000}
    parse(document)

    spec["backend"]["args"] += ["a" * 10_000]
    with pytest.raises(InvalidSpec) as error:
        parse(document)

    (issue,) = error.value.issues
    assert "spec" == issue.field
    assert "bytes without file contents and nginx.conf, the maximum is 65536" in issue.message
    assert parse_lenient(document) is None


def test_errors_of_one_type_are_counted_beyond_the_maximum() -> None:
    backend = {"image": "s", "env": [{"name": number} for number in range(52)], "unknown": 1}
    with pytest.raises(InvalidSpec) as error:
        parse({**VALID, "spec": {"backend": backend}})

    messages = [str(issue) for issue in error.value.issues]
    assert 52 == len(messages)
    assert "spec.backend.unknown: unknown field" in messages
    assert "spec.backend.env[50].name: and 2 more errors of this kind (correct the others first)" == messages[-1]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a" * 58, f"'{'a' * 58}'"),
        ("a" * 59, f"'{'a' * 56}…"),
        (["a" * 1000] * 10, f'["{"a" * 55}…'),
        ({"a": [1, None]}, '{"a": [1, null]}'),
    ],
)
def test_value_in_a_message_is_cut(value: object, shown: str) -> None:
    with pytest.raises(InvalidSpec, match=f"must be a whole number, not {re.escape(shown)}"):
        parse({**VALID, "spec": {"backend": {"image": "s"}, "replicas": value}})


def test_unpaired_surrogate_is_reported() -> None:
    with pytest.raises(InvalidSpec, match=r"annotations\.a: contains an unpaired surrogate \(write the character"):
        parse({**VALID, "spec": {"backend": {"image": "s"}, "pod": {"metadata": {"annotations": {"a": "\ud800"}}}}})

"""What people get wrong in the shape of a stack, and the sentence they get."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from appstack.api import AppStack, parse
from appstack.api.parsing import ELSEWHERE, FORMS, rest
from appstack.errors import InvalidSpec

GOOD = {
    "apiVersion": "appstack.dev/v1alpha1",
    "kind": "AppStack",
    "metadata": {"name": "shop"},
    "spec": {"backend": {"image": "s"}},
}


@pytest.mark.parametrize(
    ("text", "issues"),
    [
        (
            "{backend: {image: s, env: [{name: a, value: 1}]}}",
            ['spec.backend.env[0].value: must be a string, not 1 (write it in quotes: "1")'],
        ),
        (
            "{backend: {image: s, env: [{name: a, value: true}]}}",
            [
                "spec.backend.env[0].value: must be a string, not true (put quotes around it: "
                "without them YAML reads y, n, yes, no, on and off as true or false)"
            ],
        ),
        ("{backend: {image: ''}}", ["spec.backend.image: must not be empty"]),
        ("{backend: }", ["spec.backend: is empty (indent what belongs to it)"]),
        (
            "{backend: {image: s}, containers: [], selector: {}, pod: {volumes: [], initContainers: []}}",
            [
                "spec.pod.initContainers: can't be set here (write spec.initContainers)",
                "spec.pod.volumes: can't be set here (write spec.volumes)",
                "spec.containers: can't be set here (the main container is spec.backend, others are spec.sidecars)",
                "spec.selector: can't be set here (spec.backend is the container, spec.pod the rest of the pod)",
            ],
        ),
        (
            "{backend: {image: s}, workload: {kind: CronJob, cronJob: {schedule: x, jobTemplate: {}}}}",
            ["spec.workload.cronJob.jobTemplate: can't be set here (write spec.workload.job)"],
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
            ["spec.backend.restartPolicy: can't be set here: AppStack decides it"],
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
                "spec.files[0].mode: must be from 0 to 0777, not 1000 (in octal, with a 0 before it: 0644)",
                "spec.files[1].mode: must be a whole number, not '0440' (write it without quotes: 0440)",
            ],
        ),
        (
            "{backend: {image: s}, proxy: {clientMaxBodySize: 10MB}, sidecars: [{name: Db_1}]}",
            [
                "spec.proxy.clientMaxBodySize: '10MB' is not a size (for example 512k, 10Mi or 1Gi)",
                "spec.sidecars[0].name: 'Db_1' is not a name (a-z, 0-9 and -, with a letter or digit at both ends)",
            ],
        ),
    ],
)
def test_every_fault_has_a_path_and_says_what_to_write(text: str, issues: list[str]) -> None:
    with pytest.raises(InvalidSpec) as found:
        parse({**GOOD, "spec": yaml.safe_load(text)})

    assert issues == [str(issue) for issue in found.value.issues]


def _patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
        schema = list(schema.values())
    for inner in schema if isinstance(schema, list) else []:
        yield from _patterns(inner)


def test_every_pattern_says_what_it_stands_for() -> None:
    assert set(_patterns(AppStack.model_json_schema())) == FORMS.keys()


@pytest.mark.parametrize("path", ELSEWHERE)
def test_what_stands_elsewhere_is_no_field_of_the_model(path: str) -> None:
    inner: dict[str, Any] = {}
    for name in reversed(path.split(".")[1:]):
        inner = {name: inner}

    with pytest.raises(InvalidSpec) as found:
        parse({**GOOD, "spec": {"backend": {"image": "s"}, **inner}})

    assert f"{path}: can't be set here ({ELSEWHERE[path]})" in [str(issue) for issue in found.value.issues]


def test_an_empty_spec_is_told_as_people_say_it() -> None:
    with pytest.raises(InvalidSpec, match=r"spec: is empty \(indent what belongs to it\)"):
        parse({**GOOD, "spec": None})
    with pytest.raises(InvalidSpec, match=r'spec\.volumes: must be a list, not \{"name": "a"\}'):
        parse({**GOOD, "spec": {"backend": {"image": "s"}, "volumes": {"name": "a"}}})


@pytest.mark.parametrize("document", [{}, {"kind": "AppStack"}, {**GOOD, "metadata": {}}, {**GOOD, "spec": None}])
def test_a_document_without_its_main_parts_is_refused_and_not_stumbled_over(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec):
        parse(document)


def test_a_name_is_at_most_52_characters() -> None:
    assert parse({**GOOD, "metadata": {"name": "a" * 52}}).metadata.name
    with pytest.raises(InvalidSpec, match=r"metadata\.name: is too long: at most 52"):
        parse({**GOOD, "metadata": {"name": "a" * 53}})


def test_a_spec_has_a_size_at_which_the_others_do_not_wait() -> None:
    spec: dict[str, Any] = {"backend": {"image": "shop:1", "args": ["a" * 60_000]}}
    document = {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": {"name": "shop"}, "spec": spec}
    spec["files"] = [{"path": f"/etc/{name}", name: "YQ==" * 50_000} for name in ("content", "base64")]
    spec["proxy"] = {"config": "#" * 100_000}
    parse(document)
    spec["proxy"] = {"server": "#\n" * 30_000}
    parse(document)

    spec["backend"]["args"] += ["a" * 10_000]
    with pytest.raises(InvalidSpec) as refused:
        parse(document)

    (issue,) = refused.value.issues
    assert "spec" == issue.field
    assert "beside the contents of its files and of nginx.conf, and 65536 are the most" in issue.message
    assert rest(document) is None

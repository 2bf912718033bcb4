"""What people get wrong in the shape of a stack, and the sentence they get."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from appstack.errors import InvalidSpec
from appstack.model import parse

GOOD = {
    "apiVersion": "appstack.dev/v1alpha1",
    "kind": "AppStack",
    "metadata": {"name": "shop"},
    "spec": {"backend": {"image": "s"}},
}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (
            "{backend: {image: s, env: [{name: a, value: 1}]}}",
            ['spec.backend.env[0].value: must be a string, not 1 (write it in quotes: "1")'],
        ),
        (
            "{backend: {image: s, env: [{name: a, value: true}]}}",
            ['spec.backend.env[0].value: must be a string, not True (write it in quotes: "true")'],
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
                "spec.replicas: must be a whole number, not '3'",
                "spec.paused: must be true or false, not 'maybe'",
            ],
        ),
    ],
)
def test_every_fault_has_a_path_and_says_what_to_write(text: str, faults: list[str]) -> None:
    with pytest.raises(InvalidSpec) as found:
        parse({**GOOD, "spec": yaml.safe_load(text)})

    assert faults == [str(fault) for fault in found.value.faults]


def test_an_empty_spec_is_told_as_people_say_it() -> None:
    with pytest.raises(InvalidSpec, match=r"spec: must be a mapping of fields, not None"):
        parse({**GOOD, "spec": None})
    with pytest.raises(InvalidSpec, match=r"spec\.volumes: must be a list, not \{'name': 'a'\}"):
        parse({**GOOD, "spec": {"backend": {"image": "s"}, "volumes": {"name": "a"}}})


@pytest.mark.parametrize("document", [{}, {"kind": "AppStack"}, {**GOOD, "metadata": {}}, {**GOOD, "spec": None}])
def test_a_document_without_its_main_parts_is_refused_and_not_stumbled_over(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec):
        parse(document)


def test_a_name_is_at_most_52_characters() -> None:
    assert parse({**GOOD, "metadata": {"name": "a" * 52}}).metadata.name
    with pytest.raises(InvalidSpec, match=r"metadata\.name: is too long: at most 52"):
        parse({**GOOD, "metadata": {"name": "a" * 53}})

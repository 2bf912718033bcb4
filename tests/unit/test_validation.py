"""Validation as a whole: the order of issues, their field paths, and the examples."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from appstack.api import parse
from appstack.api.crd import root_schema
from appstack.errors import Severity
from appstack.settings import Settings
from appstack.validation import validate
from tests.unit import (
    test_validation_containers,
    test_validation_files,
    test_validation_mounts,
    test_validation_network,
    test_validation_pod,
    test_validation_ports,
    test_validation_proxy,
    test_validation_scaling,
    test_validation_service,
    test_validation_volumes,
    test_validation_workload,
)
from tests.unit.stacks import Cases, stack

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(ROOT.glob("examples/*/appstack.yaml"))

TABLES: tuple[Cases, ...] = (
    test_validation_containers.CASES,
    test_validation_files.CASES,
    test_validation_mounts.CASES,
    test_validation_network.CASES,
    test_validation_pod.CASES,
    test_validation_ports.PORTS,
    test_validation_ports.PROBES,
    test_validation_proxy.UPSTREAM,
    test_validation_proxy.STATIC,
    test_validation_proxy.CONFIGURATION,
    test_validation_scaling.CASES,
    test_validation_service.CASES,
    test_validation_volumes.VOLUMES,
    test_validation_volumes.CLAIMS,
    test_validation_workload.CASES,
)

INVALID_SPEC = """
pod: {restartPolicy: Never}
volumes: [{name: unused, emptyDir: {}}, {name: empty}]
sidecars: [{name: b, image: ''}, {name: a, role: Ambassador}]
proxy: {upstream: web, port: 8000}
"""


def test_issues_are_sorted_by_severity_and_field() -> None:
    issues = validate(stack(INVALID_SPEC), Settings())
    assert [(issue.severity, issue.field) for issue in issues] == [
        (Severity.ERROR, "spec.proxy.port"),
        (Severity.ERROR, "spec.proxy.upstream"),
        (Severity.ERROR, "spec.sidecars[0].image"),
        (Severity.ERROR, "spec.sidecars[1].ports"),
        (Severity.ERROR, "spec.pod.restartPolicy"),
        (Severity.WARNING, "spec.sidecars[1].startupProbe"),
        (Severity.WARNING, "spec.volumes[0]"),
        (Severity.WARNING, "spec.volumes[1]"),
        (Severity.WARNING, "spec.volumes[1]"),
    ]


def test_issues_do_not_depend_on_the_order_of_fields_in_the_document() -> None:
    reordered = dict(reversed(yaml.safe_load(INVALID_SPEC).items()))
    assert validate(stack(yaml.safe_dump(reordered, sort_keys=False)), Settings()) == validate(
        stack(INVALID_SPEC), Settings()
    )


def env(count: int) -> str:
    """Return a spec with this number of invalid variables."""
    return yaml.safe_dump({"backend": {"image": "x", "env": [{"name": f"={number}"} for number in range(count)]}})


def test_issues_of_one_kind_are_counted_beyond_the_maximum() -> None:
    at_maximum, above = (validate(stack(env(count)), Settings()) for count in (50, 53))

    assert 50 == len(at_maximum)
    assert at_maximum == above[:50]
    assert ["spec.backend.env[50].name: and 3 more errors of this kind (correct the others first)"] == [
        str(issue) for issue in above[50:]
    ]


def test_errors_are_reported_however_many_warnings_precede_them() -> None:
    volumes = [{"name": f"v{number}", "emptyDir": {}} for number in range(60)]
    issues = validate(stack(yaml.safe_dump({"volumes": volumes}), "replicas: 1\nproxy: {upstream: 9}"), Settings())

    assert Severity.ERROR is issues[0].severity
    assert "spec.volumes[50]: and 10 more warnings of this kind (correct the others first)" == str(issues[-1])


def test_message_that_repeats_a_long_value_is_cut() -> None:
    (issue,) = validate(stack(yaml.safe_dump({"pod": {"metadata": {"labels": {"a": "-" * 1024}}}})), Settings())

    assert 1024 == len(issue.message)
    assert issue.message.endswith("…")


def test_hint_lists_at_most_20_names() -> None:
    volumes = [{"name": f"v{number}", "emptyDir": {}} for number in range(22)]
    backend = {"image": "x", "volumeMounts": [{"name": "missing", "mountPath": "/a"}]}
    issue = validate(stack(yaml.safe_dump({"backend": backend, "volumes": volumes})), Settings())[0]

    assert issue.hint.endswith("v18, v19 and 2 more")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_example_has_no_issue(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        if document["kind"] == "AppStack":
            file = path.with_name("settings.yaml")
            settings = Settings.model_validate(yaml.safe_load(file.read_text())) if file.exists() else Settings()
            assert validate(parse(document), settings) == ()


def test_field_of_every_issue_exists_in_the_schema() -> None:
    fields = {
        issue.field for table in TABLES for text, _ in table.values() for issue in validate(stack(text), Settings())
    }
    assert len(fields) > 100
    assert not _exists("spec.backend.port")
    assert [path for path in sorted(fields) if not _exists(path)] == []


def _exists(path: str) -> bool:
    """Return whether the schema of the CRD has the field."""
    schema: dict[str, Any] | None = root_schema()
    for name, key in re.findall(r"([A-Za-z0-9]+)|\[([^\]]*)\]", path):
        if schema is None:
            return False
        if name:
            values = schema.get("additionalProperties")
            schema = schema.get("properties", {}).get(name, values if isinstance(values, dict) else None)
        else:
            schema = schema["items" if key.isdecimal() and "items" in schema else "additionalProperties"]
    return schema is not None

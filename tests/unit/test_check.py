"""How faults are told, and that what can be rendered has none."""

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
from appstack.validation import check
from tests.unit import (
    test_check_around,
    test_check_containers,
    test_check_files,
    test_check_mounts,
    test_check_pod,
    test_check_ports,
    test_check_proxy,
    test_check_service,
    test_check_workload,
)
from tests.unit.stacks import Cases, stack

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(ROOT.glob("examples/*/appstack.yaml"))

TABLES: tuple[Cases, ...] = (
    test_check_containers.CASES,
    test_check_mounts.CASES,
    test_check_ports.PORTS,
    test_check_ports.PROBES,
    test_check_service.CASES,
    test_check_proxy.UPSTREAM,
    test_check_proxy.STATIC,
    test_check_proxy.OWN,
    test_check_files.FILES,
    test_check_files.VOLUMES,
    test_check_pod.CASES,
    test_check_around.NETWORK,
    test_check_around.SCALING,
    test_check_around.CLAIMS,
    test_check_workload.CASES,
)

WRONG = """
pod: {restartPolicy: Never}
volumes: [{name: unused, emptyDir: {}}, {name: empty}]
sidecars: [{name: b, image: ''}, {name: a, role: Ambassador}]
proxy: {upstream: web, port: 8000}
"""


def test_errors_come_before_warnings_and_each_in_the_order_of_fields() -> None:
    issues = check(stack(WRONG), Settings())
    assert [(issue.severity, issue.field) for issue in issues] == [
        (Severity.ERROR, "spec.proxy.port"),
        (Severity.ERROR, "spec.proxy.upstream"),
        (Severity.ERROR, "spec.sidecars[0].image"),
        (Severity.ERROR, "spec.sidecars[1].ports"),
        (Severity.ERROR, "spec.volumes[1]"),
        (Severity.ERROR, "spec.pod.restartPolicy"),
        (Severity.WARNING, "spec.sidecars[1].startupProbe"),
        (Severity.WARNING, "spec.volumes[0]"),
        (Severity.WARNING, "spec.volumes[1]"),
    ]


def test_the_order_of_a_document_does_not_matter() -> None:
    backwards = dict(reversed(yaml.safe_load(WRONG).items()))
    assert check(stack(yaml.safe_dump(backwards, sort_keys=False)), Settings()) == check(stack(WRONG), Settings())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_examples_are_without_fault(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        if document["kind"] == "AppStack":
            allowed = path.with_name("settings.yaml")
            settings = Settings.model_validate(yaml.safe_load(allowed.read_text())) if allowed.exists() else Settings()
            assert check(parse(document), settings) == ()


def test_every_field_that_is_named_exists() -> None:
    found = {issue.field for table in TABLES for text, _ in table.values() for issue in check(stack(text), Settings())}
    assert len(found) > 100
    assert not _exists("spec.backend.port")
    assert [path for path in sorted(found) if not _exists(path)] == []


def _exists(path: str) -> bool:
    schema: dict[str, Any] | None = root_schema()
    for name, key in re.findall(r"([A-Za-z0-9]+)|\[([^\]]*)\]", path):
        if schema is None:
            return False
        if name:
            inside = schema.get("additionalProperties")
            schema = schema.get("properties", {}).get(name, inside if isinstance(inside, dict) else None)
        else:
            schema = schema["items" if key.isdecimal() and "items" in schema else "additionalProperties"]
    return schema is not None

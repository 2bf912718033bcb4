"""AppStacks for tests: a minimal valid spec, and the fields with which a test overrides it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import yaml

from appstack.api import AppStack, parse
from appstack.errors import Severity
from appstack.settings import Settings
from appstack.validation import validate

VALID_SPEC = """
backend: {image: shop:1, ports: [{name: http, containerPort: 8000}]}
"""

Cases = Mapping[str, tuple[str, Iterable[str]]]
"""For each test case, by name: YAML that overrides fields of the valid spec, and the expected messages."""


def stack(*texts: str, name: str = "shop") -> AppStack:
    """Return the valid AppStack with its fields replaced by those of each text, which is the YAML of a spec."""
    spec: dict[str, Any] = {}
    for text in (VALID_SPEC, *texts):
        spec |= yaml.safe_load(text) or {}
    header = {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": {"name": name}}
    return parse({**header, "spec": spec})


def issue_messages(*texts: str, name: str = "shop", settings: Settings | None = None) -> list[str]:
    """Return the validation messages for such an AppStack; those of warnings begin with `Warning:`."""
    issues = validate(stack(*texts, name=name), settings or Settings())
    return [f"Warning: {issue}" if issue.severity is Severity.WARNING else str(issue) for issue in issues]


def parametrize_cases(cases: Cases) -> pytest.MarkDecorator:
    """Return a decorator that runs a test for each case, named after it."""
    return pytest.mark.parametrize(("text", "lines"), cases.values(), ids=cases.keys())

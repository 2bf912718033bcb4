"""Stacks for tests: one small good one, and what a test lays over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import yaml

from appstack.api import AppStack, parse
from appstack.errors import Severity
from appstack.settings import Settings
from appstack.validation import check

GOOD = """
backend: {image: shop:1, ports: [{name: http, containerPort: 8000}]}
"""

Cases = Mapping[str, tuple[str, Iterable[str]]]
"""By sentence: what is laid over the good spec, and the lines of what is wrong with it."""


def stack(*texts: str, name: str = "shop") -> AppStack:
    """Return the good stack with the fields of each text, YAML of a spec, in place of its own."""
    spec: dict[str, Any] = {}
    for text in (GOOD, *texts):
        spec |= yaml.safe_load(text) or {}
    head = {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": {"name": name}}
    return parse({**head, "spec": spec})


def complaints(*texts: str, name: str = "shop", settings: Settings | None = None) -> list[str]:
    """Return what is wrong with such a stack, a line for each fault; warnings say so."""
    issues = check(stack(*texts, name=name), settings or Settings())
    return [f"Warning: {issue}" if issue.severity is Severity.WARNING else str(issue) for issue in issues]


def table(cases: Cases) -> pytest.MarkDecorator:
    """Return what runs a test once for each case, under its sentence."""
    return pytest.mark.parametrize(("text", "lines"), cases.values(), ids=cases.keys())

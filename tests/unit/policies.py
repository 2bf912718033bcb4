"""Policies for tests: the issues of an AppStack under a policy that is written as YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from appstack.errors import Severity, ValidationIssue
from appstack.planning.desired import DesiredState, compute_desired_state
from appstack.policy.effective import PolicySource
from appstack.settings import Settings
from tests.unit.stacks import VALID_SPEC, stack

NO_WARNINGS = {"podSecurity": {"warn": "privileged"}}
"""A policy without the warnings that nearly every AppStack has."""


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the changes merged over it, object by object."""
    nested = {
        name: merged(base[name], value)
        for name, value in changes.items()
        if isinstance(value, Mapping) and isinstance(base.get(name), Mapping)
    }
    return {**base, **changes, **nested}


def desired_state(
    spec: str, policy: str = "", *, labels: Mapping[str, str] | None = None, namespace_policies: str = "[]"
) -> DesiredState:
    """Return the desired state of the valid AppStack with the fields of `spec` under a policy."""
    settings = Settings.model_validate(
        {
            "policy": merged(NO_WARNINGS, yaml.safe_load(policy) or {}),
            "namespacePolicies": yaml.safe_load(namespace_policies),
        }
    )
    effective = PolicySource(settings.policy, settings.namespace_policies).find(labels or {})
    written = yaml.safe_load(VALID_SPEC) | (yaml.safe_load(spec) or {})
    return compute_desired_state(stack(spec), settings=settings, policy=effective, spec=written)


def issues(spec: str, policy: str = "", *, labels: Mapping[str, str] | None = None) -> list[ValidationIssue]:
    """Return the violations of the policy."""
    return [issue for issue in desired_state(spec, policy, labels=labels).issues if issue.policy]


def fields(spec: str, policy: str = "", *, labels: Mapping[str, str] | None = None) -> list[str]:
    """Return the fields of the spec that violate the policy, each with the field of the policy; all are errors."""
    found = issues(spec, policy, labels=labels)
    assert all(issue.severity is Severity.ERROR for issue in found)
    return [f"{issue.field} {issue.policy}" for issue in found]

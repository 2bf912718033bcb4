"""Warnings of `podSecurity`: values of the spec with which the rendered pods do not meet the level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from appstack.api import AppStack
from appstack.errors import Severity, ValidationIssue, first_of_each_kind, more_issue
from appstack.k8s.metadata import RESERVED_PREFIX, Manifest
from appstack.k8s.text import truncate
from appstack.policy.pod_security import Level, Violation
from appstack.policy.pod_templates import PodTemplate, pod_templates
from appstack.render.source_map import author_field


def pod_security_issues(stack: AppStack, manifests: Iterable[Manifest]) -> tuple[ValidationIssue, ...]:
    """Return a warning for each field of the spec that contradicts `podSecurity`; rendering has added all others."""
    if stack.spec.pod_security is None:
        return ()
    level, spec = Level(stack.spec.pod_security), stack.spec.dump()
    issues: dict[ValidationIssue, None] = {}  # containers that inherit a value have the same issue
    for template in pod_templates(manifests):
        kept, omitted = first_of_each_kind(_violations(template, level), lambda _: level)
        issues |= dict.fromkeys(_issue(violation, template, spec, level) for violation in kept)
        for first, count in omitted:
            issues[more_issue(_field(first, template, spec), count, severity=Severity.WARNING)] = None
    return tuple(issues)


def _violations(template: PodTemplate, level: Level) -> Iterator[Violation]:
    """Yield the violations outside of AppStack's containers: their users and volumes are those of the spec."""
    own = tuple(
        f"spec.initContainers[{index}]."
        for index, container in enumerate(template.spec.get("initContainers", ()))
        if container["name"].startswith(RESERVED_PREFIX)
    )
    return (each for each in template.violations(level) if not each.field.startswith(own))


def _issue(violation: Violation, template: PodTemplate, spec: Mapping[str, Any], level: Level) -> ValidationIssue:
    message = truncate(f"does not meet the Pod Security level {level}: {violation.message}")
    hint = "change the value, or remove spec.podSecurity"
    return ValidationIssue(_field(violation, template, spec), message, hint, Severity.WARNING)


def _field(violation: Violation, template: PodTemplate, spec: Mapping[str, Any]) -> str:
    return author_field(f"{template.path}{violation.field}", template.manifest, spec) or "spec.podSecurity"

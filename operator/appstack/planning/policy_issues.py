"""Violations of the administrator's policy as validation issues, which name the author's fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from appstack.api import AppStack
from appstack.errors import Severity, ValidationIssue, first_of_each_kind, limit_issues, more_issue
from appstack.k8s.metadata import Manifest
from appstack.policy.effective import EffectivePolicy
from appstack.policy.evaluation import CHECKS, WARNING_CHECKS
from appstack.policy.model import Enforcement
from appstack.policy.subject import Subject
from appstack.policy.violation import PolicyViolation
from appstack.render.source_map import author_field
from appstack.settings import Settings

MAX_VIOLATIONS: Final = 1000
"""Violations that each check reports or counts: 64 containers can inherit 2,000 of them from the backend."""

Violations = tuple[tuple[str, str], ...]
"""Fields of the policy that an AppStack violates, each with the enforcement of the violation, sorted."""


def policy_issues(
    stack: AppStack,
    manifests: tuple[Manifest, ...],
    *,
    policy: EffectivePolicy,
    settings: Settings,
    spec: Mapping[str, Any],
) -> Iterator[ValidationIssue]:
    """Yield the violations of the rendered objects: errors, or warnings where the policy only warns.

    `spec` is the spec as it is written, without defaults.
    """
    subject = Subject(
        manifests=manifests,
        namespace=stack.metadata.namespace,
        effective=policy,
        node_caches=frozenset(volume.name for volume in stack.spec.volumes if volume.node_cache is not None),
        cache_root=settings.cache_root,
    )
    enforced = policy.policy.enforcement is Enforcement.ENFORCE
    severity = Severity.ERROR if enforced else Severity.WARNING
    checks = [*((check, severity) for check in CHECKS), *((check, Severity.WARNING) for check in WARNING_CHECKS)]
    for check, severity in checks:
        found, omitted = first_of_each_kind(islice(check(subject), MAX_VIOLATIONS), lambda _: None)
        issues = (_issue(violation, spec, severity) for violation in found)
        yield from limit_issues(dict.fromkeys(issues))  # containers that inherit a field of the backend violate it too
        for first, count in omitted:
            issue = _issue(first, spec, severity)
            yield replace(more_issue(issue.field, count, severity=severity), policy=issue.policy)


def _issue(violation: PolicyViolation, spec: Mapping[str, Any], severity: Severity) -> ValidationIssue:
    field = author_field(violation.field, violation.manifest, spec) or "spec"
    return ValidationIssue(field, violation.message, violation.hint, severity, violation.setting)


@lru_cache(maxsize=1000)
def _interned(violations: Violations) -> Violations:
    """Return one value for all that are equal: few differ among thousands of AppStacks."""
    return violations


def violations(issues: Iterable[ValidationIssue]) -> Violations:
    """Return the fields of the policy that are violated."""
    enforcement = {Severity.ERROR: Enforcement.ENFORCE.value, Severity.WARNING: Enforcement.WARN.value}
    return _interned(tuple(sorted({(issue.policy, enforcement[issue.severity]) for issue in issues if issue.policy})))

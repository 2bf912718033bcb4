"""Checks of the dependencies on other AppStacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from appstack.api import AppStack
from appstack.errors import Severity, ValidationIssue
from appstack.k8s.observed import Dependencies
from appstack.k8s.text import truncate
from appstack.validation.context import ValidationContext
from appstack.validation.issues import duplicate_issues

_WARNINGS: Final[Mapping[str, str]] = {
    "Job": "is a Job: only its first completion is awaited, and no later run",
    "CronJob": "is a CronJob, which is Ready before its first run",
}
"""By kind of workload: why a dependency on it may not mean what its author expects."""

_MAX_CYCLE_CHARACTERS: Final = 500


def own_dependencies(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each dependency that is listed twice, and for a dependency on the AppStack itself."""
    named = [(f"spec.dependsOn[{index}].name", each.name) for index, each in enumerate(context.spec.depends_on)]
    yield from duplicate_issues(named, key=str, describe=lambda name: f"the AppStack {name!r}")
    for field, name in named:
        if name == context.stack.metadata.name:
            message = "is the AppStack itself, so its workload would never be created"
            yield ValidationIssue(field, message, "remove the entry")


def dependency_issues(stack: AppStack, dependencies: Dependencies) -> Iterator[ValidationIssue]:
    """Yield an issue for a cycle of dependencies, and a warning for each dependency on a Job or CronJob."""
    cycle = dependencies.cycle
    if len(set(cycle)) > 1:  # a cycle of one is reported without other AppStacks
        members = truncate(" -> ".join(cycle), limit=_MAX_CYCLE_CHARACTERS)
        message = f"is part of a cycle, in which every AppStack waits for another: {members}"
        yield ValidationIssue("spec.dependsOn", message, "remove one of these dependencies")
    kinds = {each.name: each.workload_kind for each in dependencies.listed}
    for index, each in enumerate(stack.spec.depends_on):
        reason = _WARNINGS.get(kinds.get(each.name, ""))
        if reason:
            hint = "run what must precede every change in an init container"
            field = f"spec.dependsOn[{index}].name"
            yield ValidationIssue(field, f"{each.name!r} {reason}", hint, Severity.WARNING)


CHECKS: Final = (own_dependencies,)

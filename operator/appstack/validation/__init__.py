"""Semantic validation of an AppStack, the same for `appstack validate`, admission and the status.

`appstack.api.parse` checks the types of a document; `validate` checks what its fields mean together. To add a check,
write a function from `ValidationContext` to issues and add it to the `CHECKS` of its module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from appstack.api import AppStack, AppStackSpec
from appstack.errors import Severity, ValidationIssue, limit_issues
from appstack.settings import Settings
from appstack.validation import (
    containers,
    dependencies,
    files,
    kind_support,
    metadata,
    monitoring,
    mount_paths,
    network,
    nginx_config,
    nginx_snippets,
    pod,
    ports,
    probes,
    proxy,
    proxy_paths,
    references,
    resources,
    scaling,
    secret_files,
    service,
    volumes,
    windows,
    workload,
)
from appstack.validation.context import ValidationContext

__all__ = ["validate"]

CHECKS: Final[tuple[Callable[[ValidationContext], Iterator[ValidationIssue]], ...]] = (
    *containers.CHECKS,
    *mount_paths.CHECKS,
    *ports.CHECKS,
    *probes.CHECKS,
    *proxy.CHECKS,
    *proxy_paths.CHECKS,
    *nginx_snippets.CHECKS,
    *nginx_config.CHECKS,
    *files.CHECKS,
    *resources.CHECKS,
    *volumes.CHECKS,
    *service.CHECKS,
    *network.CHECKS,
    *monitoring.CHECKS,
    *scaling.CHECKS,
    *pod.CHECKS,
    *metadata.CHECKS,
    *kind_support.CHECKS,
    *workload.CHECKS,
    *dependencies.CHECKS,
    *references.CHECKS,
    *secret_files.CHECKS,
    *windows.CHECKS,
)

_FIELD_ORDER: Final = {
    field.alias or name: rank for rank, (name, field) in enumerate(AppStackSpec.model_fields.items())
}
_PATH_SEGMENT: Final = re.compile(r"[^.\[\]]+")


def validate(stack: AppStack, settings: Settings) -> tuple[ValidationIssue, ...]:
    """Return the issues of an AppStack: errors before warnings, each in the order of the fields of the spec.

    Of each check, the first `MAX_ISSUES_PER_KIND` errors and warnings are returned, and an issue that counts the rest.

    An AppStack with an error is not rendered; one with warnings only is.
    """
    context = ValidationContext(stack=stack, settings=settings)
    issues = dict.fromkeys(issue for check in CHECKS for issue in limit_issues(check(context)))
    return tuple(sorted(issues, key=_sort_key))


def _sort_key(issue: ValidationIssue) -> tuple[bool, int, int]:
    """Return the severity, the rank of the field in the spec, and the index in that field if it is a list."""
    segments = _PATH_SEGMENT.findall(issue.field)
    rank = _FIELD_ORDER.get(segments[1], -1) if segments[0] == "spec" and len(segments) > 1 else -1
    index = int(segments[2]) if len(segments) > 2 and segments[2].isdecimal() else 0
    return issue.severity is Severity.WARNING, rank, index

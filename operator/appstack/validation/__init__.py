"""What is wrong with a stack: the same words offline, at admission and in status. PURE.

`parse` judges the shape of a document; this judges its meaning. A new check is a function that is given a `Subject` and
yields faults, and its place in `CHECKS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from appstack.api import AppStack, AppStackSpec
from appstack.errors import Severity, ValidationIssue
from appstack.settings import Settings
from appstack.validation import (
    config,
    containers,
    files,
    kinds,
    metadata,
    mounts,
    network,
    pod,
    ports,
    probes,
    proxy,
    resources,
    scaling,
    service,
    volumes,
    workload,
)
from appstack.validation.subject import Subject

__all__ = ["check"]

CHECKS: Final[tuple[Callable[[Subject], Iterator[ValidationIssue]], ...]] = (
    *containers.CHECKS,
    *mounts.CHECKS,
    *ports.CHECKS,
    *probes.CHECKS,
    *proxy.CHECKS,
    *config.CHECKS,
    *files.CHECKS,
    *resources.CHECKS,
    *volumes.CHECKS,
    *service.CHECKS,
    *network.CHECKS,
    *scaling.CHECKS,
    *pod.CHECKS,
    *metadata.CHECKS,
    *kinds.CHECKS,
    *workload.CHECKS,
)

_ORDER: Final = {field.alias or name: place for place, (name, field) in enumerate(AppStackSpec.model_fields.items())}
_PART = re.compile(r"[^.\[\]]+")


def check(stack: AppStack, settings: Settings) -> tuple[ValidationIssue, ...]:
    """Return every fault: errors before warnings, each in the order of the document's fields.

    A stack with an error is not rendered.
    """
    subject = Subject(stack=stack, settings=settings)
    found = dict.fromkeys(issue for each in CHECKS for issue in each(subject))
    return tuple(sorted(found, key=_place))


def _place(issue: ValidationIssue) -> tuple[bool, int, int]:
    """Return where a fault stands: its severity, its field of the spec, and its place in that field's list."""
    parts = _PART.findall(issue.field)
    field = _ORDER.get(parts[1], -1) if parts[0] == "spec" and len(parts) > 1 else -1
    index = int(parts[2]) if len(parts) > 2 and parts[2].isdecimal() else 0
    return issue.severity is Severity.WARNING, field, index

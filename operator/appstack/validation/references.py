"""Checks of fields of Kubernetes that name a container of the pod."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from appstack.api.kube import PodFailurePolicyOnExitCodesRequirement, ResourceFieldSelector
from appstack.errors import ValidationIssue
from appstack.validation.context import ValidationContext
from appstack.validation.issues import available_hint


def container_names(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each `containerName` that no container of the pod has."""
    names = dict.fromkeys(container.name for container in context.containers)
    for field, value in context.field_values:
        match value:
            case ResourceFieldSelector() | PodFailurePolicyOnExitCodesRequirement():
                if value.container_name and value.container_name not in names:
                    hint = available_hint(names, if_none="")
                    message = f"there is no container {value.container_name!r}"
                    yield ValidationIssue(f"{field}.containerName", message, hint)
            case _:
                pass


CHECKS: Final = (container_names,)

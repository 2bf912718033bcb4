"""Checks of pods on Windows nodes, where the containers and mounts that AppStack adds do not run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from appstack.errors import ValidationIssue
from appstack.validation.context import ValidationContext


def linux_only(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each field for which AppStack adds a container or a mount that needs Linux."""
    if not context.is_windows:
        return
    if context.spec.proxy is not None:
        yield ValidationIssue("spec.proxy", "nginx does not run on Windows", "remove spec.proxy")
    for index, volume in enumerate(context.spec.volumes):
        if volume.node_cache is not None:
            message = "the container that prepares a node cache does not run on Windows"
            yield ValidationIssue(f"spec.volumes[{index}].nodeCache", message, "use hostPath or a claim")
    if context.spec.files:
        message = "Windows cannot mount a single file"
        yield ValidationIssue("spec.files", message, "mount a directory, with a configMap in spec.volumes")


CHECKS: Final = (linux_only,)

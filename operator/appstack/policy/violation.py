"""A violation of the policy."""

from __future__ import annotations

from dataclasses import dataclass, field

from appstack.k8s.metadata import Manifest


@dataclass(frozen=True, slots=True)
class PolicyViolation:
    """A field of a rendered object that the policy forbids."""

    manifest: Manifest = field(repr=False)
    field: str  # path in the manifest
    setting: str  # field of the policy, such as hostPaths
    message: str
    hint: str = ""

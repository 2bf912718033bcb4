"""A pod as the Pod Security checks read it: its containers and securityContexts, each with its path."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from appstack.k8s.metadata import Manifest

CONTAINER_LISTS: Final = ("initContainers", "containers", "ephemeralContainers")

MAX_LISTED: Final = 20

Finding = tuple[str, str]
"""Path in the pod and message."""


@dataclass
class PodView:
    """A pod with its containers and securityContexts, each with its path."""

    manifest: Manifest
    spec: Manifest = field(init=False)
    containers: list[tuple[str, Manifest]] = field(init=False)
    own_context: tuple[str, Manifest] = field(init=False)
    container_contexts: list[tuple[str, Manifest]] = field(init=False)

    def __post_init__(self) -> None:
        self.spec = mapping(self.manifest, "spec")
        self.containers = [
            (f"spec.{name}[{index}]", container)
            for name in CONTAINER_LISTS
            for index, container in enumerate(self.spec.get(name) or ())
        ]
        self.own_context = ("spec.securityContext", mapping(self.spec, "securityContext"))
        self.container_contexts = [
            (f"{path}.securityContext", mapping(container, "securityContext")) for path, container in self.containers
        ]

    @property
    def contexts(self) -> Iterable[tuple[str, Manifest]]:
        """All securityContexts, the pod's first."""
        return (self.own_context, *self.container_contexts)

    @property
    def is_windows(self) -> bool:
        """Whether the pod declares Windows, whose pods may not have fields of Linux."""
        return mapping(self.spec, "os").get("name") == "windows"

    @property
    def has_user_namespace(self) -> bool:
        """Whether root of the pod is not root of the node."""
        return self.spec.get("hostUsers") is False


def mapping(parent: Manifest, name: str) -> Manifest:
    """Return a field that is an object; empty if it is missing or null."""
    value: Manifest = parent.get(name) or {}
    return value


def listed(values: Collection[str]) -> str:
    """Return the first of the sorted values, for a message."""
    more = f" and {len(values) - MAX_LISTED} more" if len(values) > MAX_LISTED else ""
    return ", ".join(sorted(values)[:MAX_LISTED]) + more

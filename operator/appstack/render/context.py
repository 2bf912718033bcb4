"""What every render function is given. PURE."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from appstack.api import AppStack, AppStackSpec
from appstack.api.base import ObjectMetadata
from appstack.api.volumes import Place
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from appstack.settings import Settings


@dataclass(frozen=True)
class Context:
    """One stack, where it lives, and what the administrator decided."""

    stack: AppStack
    settings: Settings
    namespace_uid: str

    @property
    def spec(self) -> AppStackSpec:
        """The stack's spec."""
        return self.stack.spec

    @property
    def name(self) -> str:
        """The stack's name."""
        return self.stack.metadata.name

    @cached_property
    def place(self) -> Place:
        """Where the stack lives, as volumes need to know it."""
        uid = self.stack.metadata.uid
        return Place(
            stack=self.name,
            namespace=self.stack.metadata.namespace,
            namespace_uid=self.namespace_uid,
            settings=self.settings,
            owner=meta.owner(name=self.name, uid=uid) if uid else None,
        )

    @property
    def upstream(self) -> int | None:
        """The port of the backend that nginx asks; None without a proxy, or when it serves only static files."""
        proxy = self.spec.proxy
        if proxy is None:
            return None
        return self.spec.backend.port_number(proxy.upstream)

    def child(self, api_version: str, kind: str, *, name: str, extra: ObjectMetadata | None = None) -> Manifest:
        """Return the head of a child: what it is, its name, its labels and its owner."""
        metadata: Manifest = {
            "name": name,
            "namespace": self.place.namespace,
            "labels": {**((extra and extra.labels) or {}), **meta.labels(self.name)},
        }
        if extra and extra.annotations:
            metadata["annotations"] = extra.annotations
        if self.place.owner:
            metadata["ownerReferences"] = [self.place.owner]
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata}

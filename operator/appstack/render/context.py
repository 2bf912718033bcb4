"""Render context: the input of every render function."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from appstack.api import AppStack, AppStackSpec
from appstack.api.base import ObjectMetadata
from appstack.api.volumes import VolumeContext
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from appstack.render.socket import Socket, socket_of
from appstack.settings import Settings

LOOPBACK: Final = "127.0.0.1"
NO_STACK_TOKEN: Final = "STACK-TOKEN"
"""Placeholder for the token of an AppStack that was read from a file and has no uid."""


@dataclass(frozen=True)
class Context:
    """An AppStack with its namespace and the settings of the operator."""

    stack: AppStack
    settings: Settings
    namespace_uid: str

    @property
    def spec(self) -> AppStackSpec:
        """The spec of the AppStack."""
        return self.stack.spec

    @property
    def name(self) -> str:
        """The name of the AppStack."""
        return self.stack.metadata.name

    @cached_property
    def volume_context(self) -> VolumeContext:
        """The part of this context that the kinds of volume use."""
        uid = self.stack.metadata.uid
        return VolumeContext(
            stack=self.name,
            namespace=self.stack.metadata.namespace,
            namespace_uid=self.namespace_uid,
            settings=self.settings,
            owner=meta.owner_reference(name=self.name, uid=uid) if uid else None,
        )

    @cached_property
    def token(self) -> str:
        """Part of the paths of the health port: a hash that only users with read access to the AppStack know."""
        uid = self.stack.metadata.uid
        return meta.digest(uid) if uid else NO_STACK_TOKEN

    @cached_property
    def backend_fields(self) -> Manifest:
        """The fields of the backend as JSON. Containers that inherit a field share its value, so nothing changes it."""
        return self.spec.backend.dump()

    @property
    def upstream_port(self) -> int | None:
        """The port of the backend that nginx proxies to; None without a proxy, with a socket, or without a port."""
        proxy = self.spec.proxy
        if proxy is None or proxy.socket is not None:
            return None
        return self.spec.backend.port_number(proxy.upstream)

    @cached_property
    def socket(self) -> Socket | None:
        """The unix socket of the backend that nginx proxies to; None if it proxies to a port."""
        return socket_of(self.spec)

    @property
    def upstream_address(self) -> str | None:
        """The address at which nginx reaches the backend; None if it serves only static files."""
        if self.socket is not None:
            return self.socket.address
        port = self.upstream_port
        return None if port is None else f"{LOOPBACK}:{port}"

    def child(self, api_version: str, kind: str, *, name: str, extra: ObjectMetadata | None = None) -> Manifest:
        """Return `apiVersion`, `kind` and `metadata` of a child object; its labels override AppStack's defaults."""
        metadata: Manifest = {
            "name": name,
            "namespace": self.volume_context.namespace,
            "labels": meta.labels(self.name, extra.labels if extra else None),
        }
        if extra and extra.annotations:
            metadata["annotations"] = extra.annotations
        if self.volume_context.owner:
            metadata["ownerReferences"] = [self.volume_context.owner]
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata}

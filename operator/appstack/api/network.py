"""How others outside the cluster reach the stack, and who inside may. PURE."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from appstack.api import kube
from appstack.api.base import Model, ObjectMetadata

_SET: dict[str, Any] = {"x-kubernetes-list-type": "set"}
_ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}  # its items have no key, with Kubernetes neither

Host = Annotated[
    str, Field(pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", max_length=253)
]


class TLS(Model):
    """How an Ingress speaks TLS for its hosts."""

    secret_name: Annotated[str, Field(min_length=1, max_length=253)]
    """The Secret with the certificate: the user's own, or made by a certificate manager."""


class Ingress(Model):
    """An Ingress that leads to the stack's Service."""

    ingress_class_name: Annotated[str | None, Field(max_length=253)] = None
    """Which controller serves it; default the cluster's."""
    hosts: Annotated[tuple[Host, ...], Field(max_length=64, json_schema_extra=_SET)] = ()
    """The names that it answers to; none means every name."""
    path: Annotated[str, Field(pattern=r"^/", max_length=1024)] = "/"
    """The prefix of the paths that it leads on."""
    tls: TLS | None = None
    """Unset serves plain HTTP."""
    metadata: ObjectMetadata | None = None
    """Labels and annotations for the Ingress."""


class ParentReference(Model):
    """The Gateway (or one listener of it) that an HTTPRoute joins, as the Gateway API names it."""

    group: Annotated[str | None, Field(max_length=253)] = None
    kind: Annotated[str | None, Field(max_length=63)] = None
    namespace: Annotated[str | None, Field(max_length=63)] = None
    name: Annotated[str, Field(min_length=1, max_length=253)]
    section_name: Annotated[str | None, Field(max_length=253)] = None
    port: Annotated[int | None, Field(ge=1, le=65535, strict=True)] = None


class HTTPRoute(Model):
    """An HTTPRoute of the Gateway API that leads to the stack's Service."""

    parent_refs: Annotated[tuple[ParentReference, ...], Field(min_length=1, max_length=32, json_schema_extra=_ATOMIC)]
    """The Gateways that it joins."""
    hostnames: Annotated[tuple[Host, ...], Field(max_length=16, json_schema_extra=_SET)] = ()
    """The names that it answers to; none means the Gateway's."""
    metadata: ObjectMetadata | None = None
    """Labels and annotations for the HTTPRoute."""


class NetworkPolicy(Model):
    """Admits only what the stack's Service and host ports lead to; an ambassador's port never."""

    enabled: bool = True
    """False makes no NetworkPolicy."""
    from_: Annotated[
        tuple[kube.NetworkPolicyPeer, ...], Field(alias="from", max_length=64, json_schema_extra=_ATOMIC)
    ] = ()
    """Who may come; none means everybody."""

    def peers(self) -> list[dict[str, Any]]:
        """Return who may come, as JSON has it."""
        return [peer.model_dump(by_alias=True, exclude_none=True) for peer in self.from_]

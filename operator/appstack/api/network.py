"""Network models: Ingress, HTTPRoute and NetworkPolicy."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from appstack.api import kube
from appstack.api.base import ATOMIC_LIST, SET_LIST, Model, ObjectMetadata, PortNumber

Host = Annotated[
    str, Field(pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", max_length=253)
]


class TLS(Model):
    """TLS configuration of the Ingress, for all its hosts."""

    secret_name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the kubernetes.io/tls Secret with the certificate, for example one that cert-manager creates."""


class Ingress(Model):
    """An Ingress that routes requests to the first port of the AppStack's Service."""

    ingress_class_name: Annotated[str | None, Field(max_length=253)] = None
    """Name of the IngressClass. Default: the cluster's default IngressClass."""
    hosts: Annotated[tuple[Host, ...], Field(max_length=64, json_schema_extra=SET_LIST)] = ()
    """Host names to route, for example `shop.example.com` or `*.example.com`. Every host name is routed when empty."""
    path: Annotated[str, Field(pattern=r"^/", max_length=1024)] = "/"
    """URL path prefix to route."""
    tls: TLS | None = None
    """TLS configuration. Only plain HTTP is served when unset."""
    metadata: ObjectMetadata | None = None
    """Labels and annotations to add to the Ingress."""


class ParentReference(Model):
    """A parent of the HTTPRoute, usually a Gateway or one of its listeners."""

    group: Annotated[str | None, Field(max_length=253)] = None
    """API group of the parent. Default: gateway.networking.k8s.io."""
    kind: Annotated[str | None, Field(max_length=63)] = None
    """Kind of the parent. Default: Gateway."""
    namespace: Annotated[str | None, Field(max_length=63)] = None
    """Namespace of the parent. Default: the AppStack's namespace."""
    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the parent."""
    section_name: Annotated[str | None, Field(max_length=253)] = None
    """Name of the Gateway's listener. The route attaches to all listeners when unset."""
    port: PortNumber | None = None
    """Port of the Gateway's listener."""


class HTTPRoute(Model):
    """A Gateway API HTTPRoute that routes requests to the first port of the AppStack's Service."""

    parent_refs: Annotated[
        tuple[ParentReference, ...], Field(min_length=1, max_length=32, json_schema_extra=ATOMIC_LIST)
    ]
    """Gateways that the route attaches to."""
    hostnames: Annotated[tuple[Host, ...], Field(max_length=16, json_schema_extra=SET_LIST)] = ()
    """Host names to route, for example `shop.example.com`. Those of the Gateway's listeners are routed when empty."""
    metadata: ObjectMetadata | None = None
    """Labels and annotations to add to the HTTPRoute."""


class NetworkPolicy(Model):
    """A NetworkPolicy. By default it allows ingress traffic to the target ports of the Services and to host ports."""

    enabled: bool = True
    """False creates no NetworkPolicy."""
    from_: Annotated[
        tuple[kube.NetworkPolicyPeer, ...], Field(alias="from", max_length=64, json_schema_extra=ATOMIC_LIST)
    ] = ()
    """Peers that may connect to these ports, as in a Kubernetes NetworkPolicy. All sources may connect when empty."""
    ingress: Annotated[
        tuple[kube.NetworkPolicyIngressRule, ...] | None, Field(max_length=64, json_schema_extra=ATOMIC_LIST)
    ] = None
    """Ingress rules of Kubernetes, in place of the default. No traffic is allowed when empty."""
    egress: Annotated[
        tuple[kube.NetworkPolicyEgressRule, ...] | None, Field(max_length=64, json_schema_extra=ATOMIC_LIST)
    ] = None
    """Egress rules of Kubernetes. All egress traffic is allowed when unset, none when empty."""
    policy_types: Annotated[
        tuple[Literal["Ingress", "Egress"], ...] | None, Field(max_length=2, json_schema_extra=ATOMIC_LIST)
    ] = None
    """Directions that are restricted. Default: Ingress, and Egress with `egress`. When set, as in Kubernetes no ingress
    is allowed without `ingress` or `from`."""
    metadata: ObjectMetadata | None = None
    """Labels and annotations to add to the NetworkPolicy."""

    @property
    def types(self) -> tuple[str, ...]:
        """The directions that are restricted."""
        return self.policy_types or ("Ingress", *(() if self.egress is None else ("Egress",)))

    @property
    def allows_default_ingress(self) -> bool:
        """Whether the ports of the Services and host ports are open, from all peers or those in `from`."""
        return self.ingress is None and (self.policy_types is None or bool(self.from_))

    def peers(self) -> list[dict[str, Any]]:
        """Return the allowed peers as JSON."""
        return [peer.model_dump(by_alias=True, exclude_none=True) for peer in self.from_]

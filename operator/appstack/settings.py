"""Operator settings: the administrator's configuration of one installation."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from ipaddress import ip_network
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from appstack.k8s import selectors
from appstack.policy.model import NamespacePolicy, Policy

Port = Annotated[int, Field(ge=1, le=65535)]
MAX_NAMESPACE_PATTERNS: Final = 100
"""Patterns in a list: another operator compares each of them with each of its own."""
MAX_PATTERN_LENGTH: Final = 200
"""Characters of a pattern; the name of a namespace has at most 63."""
MAX_SELECTOR_LENGTH: Final = 1024
"""Characters of a label selector."""
MAX_WATCHED_NAMESPACES: Final = 20
"""Names of namespaces up to which each is watched by itself, with the permissions of a Role; the chart has the same."""
MAX_NAMESPACE_POLICIES: Final = 100
"""Entries of `namespacePolicies`: a reconcile compares the labels of the namespace with each of them."""
REPLACED_SETTINGS: Final = {"hostPathPrefixes": "policy.hostPaths, for example [{pathPrefix: /sys}]"}
"""Settings of former versions, each with its replacement."""
MAX_TRUSTED_PROXIES: Final = 64
"""Addresses in a list of trusted proxies."""
MAX_LEASE_SECONDS: Final = 300
"""The longest duration of a Lease, in seconds."""
Patterns = Annotated[
    tuple[Annotated[str, Field(max_length=MAX_PATTERN_LENGTH)], ...], Field(max_length=MAX_NAMESPACE_PATTERNS)
]
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
DisabledKind = Literal[
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "PersistentVolumeClaim",
    "Ingress",
    "HTTPRoute",
    "ServiceMonitor",
    "NetworkPolicy",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
]
AbsolutePath = Annotated[str, Field(pattern=r"^/", max_length=1024)]


class Settings(BaseModel):
    """Immutable settings, read once at start-up. Every default is safe on a shared cluster."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        use_attribute_docstrings=True,
    )

    proxy_image: str = "nginx:1.28"
    """Default image of the nginx proxy."""
    helper_image: str = "busybox:1.35.0"
    """Image of AppStack's own init containers; it must contain `chown` and `chmod`."""
    cache_root: AbsolutePath = "/var/lib/appstack/cache"
    """Directory on each node that holds the node caches."""
    image_volumes: bool = False
    """Serve `static … from` from an image volume; the container runtime of every node must support image volumes."""
    proxy_trusted_proxies: Annotated[tuple[str, ...], Field(max_length=MAX_TRUSTED_PROXIES)] = ()
    """Addresses of proxies in front of every AppStack, for example of the Ingress controller (`10.0.0.0/8`): nginx
    believes their X-Forwarded headers. Default of `proxy.trustedProxies`."""
    ipv6: bool = False
    """Let nginx listen on IPv6 as well; on a node whose kernel has no IPv6, nginx does not start."""
    disabled_kinds: tuple[DisabledKind, ...] = ()
    """Kinds that this operator neither watches nor applies, so it needs no permission for them. An AppStack that uses
    one of them is reported as `MissingKind`. The chart sets it by `rbac.kinds`."""
    operator_namespace: str = "appstack-system"
    """Namespace of the operator's Lease; the operator writes nothing else there."""
    namespaces: Patterns = ()
    """Patterns (`team-*`) of the namespaces that this operator reconciles; empty means all. Up to 20 names without a
    pattern are watched one by one, so the operator needs permissions in these namespaces only."""
    exclude_namespaces: Patterns = Field(
        default_factory=lambda values: ("kube-*", values.get("operator_namespace", ""))
    )
    """Patterns of namespaces that this operator ignores; they take precedence over `namespaces`. Default: `kube-*` and
    `operatorNamespace`."""
    namespace_selector: Annotated[str, Field(max_length=MAX_SELECTOR_LENGTH)] = ""
    """Label selector for the namespaces that this operator reconciles (`shard=a`); empty means all. Operators with
    disjoint selectors can share a cluster: run one release per shard."""
    identity: Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$", max_length=63)] = ""
    """Name of this installation and of its Lease. Replicas with the same identity elect one leader; operators with
    different identities must reconcile different namespaces. The chart sets it; without it, the Lease is named
    after the host, and there is no standby."""
    lease_duration: Annotated[int, Field(ge=3, le=MAX_LEASE_SECONDS)] = 15
    """Duration of the Lease in seconds: a standby takes over this long after the leader's last renewal."""
    conflict_check: Literal["Cluster", "OperatorNamespace"] = "Cluster"
    """Where this operator looks for Leases of other operators, which keep it from starting if their namespaces overlap
    with its own. `OperatorNamespace` ignores those in namespaces where a tenant can forge one: the chart sets it if
    `admission.leases` is false."""
    workers: Annotated[int, Field(ge=1, le=256)] = 64
    """Maximum number of concurrent reconciles; most of them wait for the API server."""
    requests: Annotated[int, Field(ge=1, le=256)] = 32
    """Maximum number of concurrent requests to the API server."""
    health_port: Port = 8081
    """Port of the endpoints `/livez` and `/readyz`."""
    metrics_port: Port = 8080
    """Port of the endpoint `/metrics`."""
    metrics_authorization: bool = False
    """Serve `/metrics` only to clients with a bearer token whose user may `get` the non-resource URL `/metrics`. The
    chart sets it by `metrics.authorization`."""
    listen: str = "0.0.0.0"  # the kubelet and Prometheus connect from outside the pod
    """Address on which both ports listen; `appstack run` from a shell listens on 127.0.0.1."""
    log_format: Literal["text", "json"] = "text"
    """Format of log lines."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is logged."""
    policy: Policy = Policy()
    """Limits of the AppStacks in all namespaces."""
    namespace_policies: Annotated[tuple[NamespacePolicy, ...], Field(max_length=MAX_NAMESPACE_POLICIES)] = ()
    """Changes of `policy` for some namespaces, in order: the first entry that selects a namespace applies."""

    @field_validator("proxy_trusted_proxies")
    @classmethod
    def _validate_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            ip_network(network)
        return networks

    @field_validator("namespace_selector")
    @classmethod
    def _validate_selector(cls, text: str) -> str:
        selectors.parse(text)
        return text

    @model_validator(mode="after")
    def _validate_namespaces(self) -> Settings:
        excluded = [name for name in self.namespaces if _is_name(name) and not self.includes_namespace(name)]
        if excluded:
            raise ValueError(
                f"`namespaces` lists {', '.join(excluded)}, which `excludeNamespaces` excludes "
                f"({', '.join(self.exclude_namespaces)}): remove the name, or set `excludeNamespaces` without it"
            )
        return self

    @property
    def watched_namespaces(self) -> tuple[str, ...]:
        """The namespaces to list and watch one by one; empty if the whole cluster is watched."""
        names = tuple(dict.fromkeys(self.namespaces))
        return names if len(names) <= MAX_WATCHED_NAMESPACES and all(map(_is_name, names)) else ()

    def includes_namespace(self, namespace: str) -> bool:
        """Return whether the patterns include a namespace; `namespace_selector` may still exclude it."""
        if any(fnmatchcase(namespace, pattern) for pattern in self.exclude_namespaces):
            return False
        return not self.namespaces or any(fnmatchcase(namespace, pattern) for pattern in self.namespaces)


def _is_name(pattern: str) -> bool:
    """Return whether a pattern is the name of one namespace."""
    return _NAME.fullmatch(pattern) is not None

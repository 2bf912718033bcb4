"""The administrator's policy, as it is written in the operator's settings."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from appstack.k8s.selectors import Requirement, Selector
from appstack.policy.pod_security import Level

MAX_ENTRIES: Final = 100
"""Entries of a list: each object of an AppStack is compared with all of them."""

_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_HOST_PATTERN: Final = re.compile(rf"\*|(\*\.)?{_LABEL}(\.{_LABEL})*")
_KEY_PATTERN: Final = r"^(\*|[^*\s]+(/\*)?)$"
NAMESPACE_PLACEHOLDER: Final = "{namespace}"

Text = Annotated[str, Field(min_length=1, max_length=253)]
KeyPattern = Annotated[str, Field(pattern=_KEY_PATTERN, max_length=320)]
AbsolutePath = Annotated[str, Field(pattern=r"^/", max_length=1024)]
Port = Annotated[int, Field(ge=1, le=65535)]


class PolicyModel(BaseModel):
    """A part of the policy: immutable, without unknown fields."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, use_attribute_docstrings=True
    )


class Enforcement(StrEnum):
    """The consequence of a violation."""

    ENFORCE = "Enforce"
    WARN = "Warn"


class HostNamespace(StrEnum):
    """A namespace of the node's kernel that a pod can share."""

    NETWORK = "network"
    PID = "pid"
    IPC = "ipc"


class ServiceType(StrEnum):
    """A type of Service."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"
    EXTERNAL_NAME = "ExternalName"


class PodSecurityPolicy(PolicyModel):
    """Levels of Kubernetes' Pod Security Standards."""

    enforce: Level = Level.BASELINE
    """Level that pods must meet."""
    warn: Level = Level.RESTRICTED
    """Level of warnings: the status lists the checks that a pod does not pass."""
    from_namespace_labels: bool = True
    """A label `pod-security.kubernetes.io/enforce` or `/warn` of the namespace replaces the level."""


class HostPathRule(PolicyModel):
    """Directories of the node that pods may mount."""

    path_prefix: AbsolutePath
    """A directory, with everything below it. `/` stands for all directories."""
    read_only: bool = True
    """Every mount must be read-only. Otherwise, a pod can write a symbolic link that leads outside the prefix."""

    @field_validator("path_prefix")
    @classmethod
    def _validate_prefix(cls, path: str) -> str:
        if ".." in path.split("/"):
            raise ValueError("must not contain '..'")
        return path


class PortRange(PolicyModel):
    """Ports of the node."""

    min: Port
    """First port."""
    max: Port
    """Last port."""

    @model_validator(mode="after")
    def _validate_order(self) -> PortRange:
        if self.min > self.max:
            raise ValueError("min must not be greater than max")
        return self


class ServicePolicy(PolicyModel):
    """Types and addresses of Services."""

    types: Annotated[tuple[ServiceType, ...], Field(max_length=len(ServiceType))] = (
        ServiceType.CLUSTER_IP,
        ServiceType.NODE_PORT,
        ServiceType.LOAD_BALANCER,
    )
    """Types that a Service may have."""
    external_ips: Annotated[bool, Field(alias="externalIPs")] = False
    """Allow `externalIPs`, with which a Service takes over traffic to any address."""


class GatewayRef(PolicyModel):
    """A Gateway."""

    namespace: Text
    """Namespace of the Gateway."""
    name: Text
    """Name of the Gateway."""


class AnnotationPolicy(PolicyModel):
    """Annotations of all objects except ServiceAccounts."""

    deny: Annotated[tuple[KeyPattern, ...], Field(max_length=MAX_ENTRIES)] = ()
    """Keys that are refused, because controllers obey them. `prefix/*` stands for all keys with the prefix."""


class SchedulingPolicy(PolicyModel):
    """Fields of pods that decide where they run, and which other pods they preempt."""

    node_name: bool = False
    """Allow `nodeName`, which bypasses the scheduler."""
    priority_classes: Annotated[tuple[Text, ...], Field(max_length=MAX_ENTRIES)] = ()
    """Priority classes that are allowed; `*` stands for all except `system-*`. Empty allows the same as `*`."""
    tolerations: Literal["Any"] | Annotated[tuple[KeyPattern, ...], Field(max_length=MAX_ENTRIES)] = "Any"
    """Keys of taints that pods may tolerate; `prefix/*` stands for all keys with the prefix. `Any` allows all."""


class Policy(PolicyModel):
    """Limits of the AppStacks in a namespace. AppStacks that violate them are refused, and their objects left as is."""

    enforcement: Enforcement = Enforcement.ENFORCE
    """`Warn` reports violations in the status, and refuses nothing."""
    pod_security: PodSecurityPolicy = PodSecurityPolicy()
    """Levels of the Pod Security Standards."""
    host_namespaces: Annotated[tuple[HostNamespace, ...], Field(max_length=len(HostNamespace))] = ()
    """Namespaces of the node that pods may share, in addition to `podSecurity.enforce`."""
    node_cache: bool = True
    """Allow volumes with `nodeCache`. Their directories and AppStack's own init container are not part of
    `podSecurity`."""
    host_paths: Annotated[tuple[HostPathRule, ...], Field(max_length=MAX_ENTRIES)] = ()
    """Directories of the node that pods may mount with `hostPath`, in addition to `podSecurity.enforce`."""
    host_ports: Annotated[tuple[PortRange, ...], Field(max_length=MAX_ENTRIES)] = ()
    """Ports of the node that pods may use with `hostPort`, in addition to `podSecurity.enforce`."""
    service_accounts: Literal["Own", "Any"] = "Any"
    """`Own` allows only the ServiceAccount that the AppStack creates, and `default`."""
    service_account_annotations: Annotated[tuple[KeyPattern, ...], Field(max_length=MAX_ENTRIES)] = ("*",)
    """Annotations that a ServiceAccount may have, for example roles of a cloud provider. `prefix/*` stands for all keys
    with the prefix, and `*` for all keys."""
    services: ServicePolicy = ServicePolicy()
    """Types and addresses of Services."""
    hostnames: Annotated[tuple[Text, ...], Field(max_length=MAX_ENTRIES)] = ("*",)
    """Host names that an Ingress or HTTPRoute may have. `*.example.com` stands for all names below example.com, and
    `{namespace}` for the AppStack's namespace. Without `*`, an Ingress or HTTPRoute must have host names."""
    gateways: Annotated[tuple[GatewayRef, ...], Field(max_length=MAX_ENTRIES)] = ()
    """Gateways to which an HTTPRoute may attach. Empty allows all parents."""
    annotations: AnnotationPolicy = AnnotationPolicy()
    """Annotations that are refused."""
    scheduling: SchedulingPolicy = SchedulingPolicy()
    """Fields of pods that decide where they run."""
    status_logs: bool = True
    """False keeps the output of containers out of statuses and Events."""

    @field_validator("hostnames")
    @classmethod
    def _validate_hostnames(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if not _HOST_PATTERN.fullmatch(pattern.replace(NAMESPACE_PLACEHOLDER, "namespace")):
                raise ValueError(f"{pattern!r} is not a host name: write *, shop.example.com or *.example.com")
        return patterns


class LabelRequirement(PolicyModel):
    """A requirement on one label, as in Kubernetes."""

    key: Text
    """Key of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """Relation of the label's value to the values."""
    values: Annotated[tuple[Annotated[str, Field(max_length=63)], ...], Field(max_length=MAX_ENTRIES)] = ()
    """Values of `In` and `NotIn`."""

    @model_validator(mode="after")
    def _validate_values(self) -> LabelRequirement:
        if bool(self.values) is not (self.operator in ("In", "NotIn")):
            raise ValueError("In and NotIn need values, Exists and DoesNotExist have none")
        return self

    @property
    def requirement(self) -> Requirement:
        """The requirement, as selectors match it."""
        values = frozenset[str | None](self.values or (None,))
        return Requirement(self.key, values, included=self.operator in ("In", "DoesNotExist"))


class LabelSelector(PolicyModel):
    """A label selector, as in Kubernetes. An empty one selects every namespace."""

    match_labels: Annotated[dict[Text, Annotated[str, Field(max_length=63)]], Field(max_length=MAX_ENTRIES)] = {}
    """Labels that a namespace must have."""
    match_expressions: Annotated[tuple[LabelRequirement, ...], Field(max_length=MAX_ENTRIES)] = ()
    """Requirements that its labels must meet."""

    @property
    def selector(self) -> Selector:
        """All requirements."""
        labels = (Requirement(key, frozenset({value}), included=True) for key, value in self.match_labels.items())
        return (*labels, *(expression.requirement for expression in self.match_expressions))


class NamespacePolicy(PolicyModel):
    """Changes of the policy for some namespaces."""

    namespace_selector: LabelSelector
    """Labels of the namespaces. `kubernetes.io/metadata.name` is the name of a namespace."""
    policy: Policy
    """Fields that replace those of `policy`. Objects are merged field by field, lists are replaced."""

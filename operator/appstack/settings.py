"""The operator's settings: what an administrator decides, for the whole installation. PURE."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from appstack.k8s import selectors

Port = Annotated[int, Field(ge=1, le=65535)]
MANY: Final = 100
"""Patterns of namespaces that a list has at most: other operators compare each with each of theirs."""
WIDEST: Final = 200
"""Characters of a pattern: a namespace's name has 63."""
LONGEST_SELECTOR: Final = 1024
"""Characters of a label selector."""
LONGEST_LEASE: Final = 300
"""Seconds for which a Lease may hold."""
Patterns = Annotated[tuple[Annotated[str, Field(max_length=WIDEST)], ...], Field(max_length=MANY)]
AbsolutePath = Annotated[str, Field(pattern=r"^/", max_length=1024)]


class Settings(BaseModel):
    """One frozen value, read once at the start. Every default is safe on a shared cluster."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        use_attribute_docstrings=True,
    )

    proxy_image: str = "nginx:1.28"
    """The image of a proxy that names none."""
    helper_image: str = "busybox:1.35.0"
    """The image of AppStack's own preparation: it needs `chown` and `chmod`."""
    cache_root: AbsolutePath = "/var/lib/appstack/cache"
    """The directory on each node under which node caches lie."""
    host_path_prefixes: tuple[AbsolutePath, ...] = ()
    """The only directories of a node that a stack may mount by `hostPath`; none by default."""
    image_volumes: bool = False
    """Serve `static … from` from the image itself; every node's runtime must know image volumes."""
    ipv6: bool = False
    """Let nginx listen on IPv6, too; every node's kernel must know it, else nginx does not start."""
    namespaces: Patterns = ()
    """Patterns (`team-*`) of the namespaces that this operator reconciles; empty means all."""
    exclude_namespaces: Patterns = ()
    """Patterns of namespaces that this operator leaves alone; they win over `namespaces`."""
    namespace_selector: Annotated[str, Field(max_length=LONGEST_SELECTOR)] = ""
    """A label selector of the namespaces that this operator reconciles (`shard=a`): operators whose selectors have no
    namespace in common share a cluster; empty means all."""
    operator_namespace: str = "appstack-system"
    """Where the operator keeps its Lease and writes nothing else."""
    identity: Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$", max_length=63)] = ""
    """The name of this installation and of its Lease: operators that share it stand by for each other, all others
    must own other namespaces. The chart sets it; without it the machine's name stands in, and nobody stands by."""
    lease_duration: Annotated[int, Field(ge=3, le=LONGEST_LEASE)] = 15
    """For how many seconds the Lease holds: one that stands by takes over so long after the last sign of a dead one."""
    workers: Annotated[int, Field(ge=1, le=256)] = 64
    """How many stacks are reconciled at once: most of them wait for an answer."""
    requests: Annotated[int, Field(ge=1, le=256)] = 32
    """How many requests to the API server may be under way at once."""
    health_port: Port = 8081
    """Where `/livez` and `/readyz` answer."""
    metrics_port: Port = 8080
    """Where `/metrics` answers."""
    listen: str = "0.0.0.0"  # a pod's kubelet and Prometheus ask from outside
    """The address of both ports; `appstack run` from a shell listens on 127.0.0.1."""
    log_format: Literal["text", "json"] = "text"
    """How a line of the log is written."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is said: each level and all above it."""

    @field_validator("namespace_selector")
    @classmethod
    def _selects(cls, text: str) -> str:
        selectors.parse(text)
        return text

    def reconciles(self, namespace: str) -> bool:
        """Tell whether a namespace is this operator's by its name; its labels may still say otherwise."""
        if any(fnmatchcase(namespace, pattern) for pattern in self.exclude_namespaces):
            return False
        return not self.namespaces or any(fnmatchcase(namespace, pattern) for pattern in self.namespaces)

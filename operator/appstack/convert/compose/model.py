"""The compose file format as strict models: unknown fields are errors."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from appstack.convert.compose import values
from appstack.convert.compose.values import Command, Duration, Pairs, Size, Texts


class ComposeModel(BaseModel):
    """A part of a compose file: unknown fields are errors, extensions (`x-…`) are ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _without_extensions(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: inner for key, inner in value.items() if not str(key).startswith("x-") and inner is not None}


class Port(ComposeModel):
    """A published port."""

    target: int | str
    published: str | None = None
    protocol: str = "tcp"
    host_ip: str | None = None
    mode: str | None = None
    name: str | None = None
    app_protocol: str | None = None


class Mount(ComposeModel):
    """A volume, a file of the project or a temporary file system in the container."""

    type: Literal["volume", "bind", "tmpfs", "image", "npipe", "cluster"] = "volume"
    source: str | None = None
    target: str
    read_only: bool = False
    consistency: Any = None
    bind: dict[str, Any] = {}
    volume: dict[str, Any] = {}
    tmpfs: dict[str, Any] = {}
    image: dict[str, Any] = {}


class Grant(ComposeModel):
    """A config or secret of the project in the container."""

    source: str
    target: str | None = None
    uid: str | None = None
    gid: str | None = None
    mode: int | str | None = None


class EnvFile(ComposeModel):
    """A file with environment variables."""

    path: str
    required: bool = True
    format: str | None = None


class Dependency(ComposeModel):
    """The state of another service that a service waits for."""

    condition: Literal["service_started", "service_healthy", "service_completed_successfully"] = "service_started"
    restart: bool = False
    required: bool = True


class Healthcheck(ComposeModel):
    """The command that checks a container."""

    test: list[str] | str | None = None
    interval: Duration | None = None
    timeout: Duration | None = None
    start_period: Duration | None = None
    start_interval: Duration | None = None
    retries: int | None = None
    disable: bool = False


class ResourceSet(ComposeModel):
    """Amounts of resources."""

    cpus: str | None = None
    memory: Size | None = None
    pids: int | None = None
    devices: list[dict[str, Any]] = []
    generic_resources: Any = None


class Resources(ComposeModel):
    """Limits and reservations."""

    limits: ResourceSet = ResourceSet()
    reservations: ResourceSet = ResourceSet()


class Deploy(ComposeModel):
    """Options of a deployment to a cluster."""

    mode: Literal["replicated", "global", "replicated-job", "global-job"] = "replicated"
    replicas: int | None = None
    resources: Resources = Resources()
    labels: Pairs = {}
    endpoint_mode: Any = None
    placement: Any = None
    restart_policy: dict[str, Any] = {}
    rollback_config: Any = None
    update_config: dict[str, Any] = {}


NOT_CONVERTED: Final = {
    "attach": "only the terminal of docker compose shows it",
    "container_name": "pods have generated names; other pods reach the Service by the name of the stack",
    "develop": "docker compose uses it during development only",
    "init": "write an init process such as tini into the image if the command does not reap its children",
    "links": "other services are reached by their names",
    "logging": "the cluster collects logs",
    "gpus": "write spec.backend.resources.limits, for example nvidia.com/gpu: 1",
    "devices": "write spec.backend.resources.limits with the resource of a device plugin",
    "volumes_from": "write the volumes of the other service",
    "stop_signal": "write spec.backend.lifecycle.preStop if the command does not stop at SIGTERM",
    **dict.fromkeys(
        (
            *("blkio_config", "cgroup", "cgroup_parent", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota"),
            *("cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "cpuset", "credential_spec", "device_cgroup_rules"),
            *("domainname", "external_links", "isolation", "label_file", "mac_address", "mem_swappiness"),
            *("memswap_limit", "models", "oom_kill_disable", "oom_score_adj", "pids_limit", "post_start", "pre_stop"),
            *("provider", "pull_refresh_after", "runtime", "storage_opt", "ulimits", "use_api_socket"),
            *("userns_mode", "uts"),
        ),
        "a pod has no such field",
    ),
}
"""Fields of a service that an AppStack cannot contain, with the reason or the alternative."""


class Service(ComposeModel):
    """A service of a compose file."""

    not_converted: dict[str, Any] = {}
    """The fields of `NOT_CONVERTED` that are set."""

    image: str | None = None
    build: Annotated[dict[str, Any] | None, BeforeValidator(values.build)] = None
    command: Command | None = None
    entrypoint: Command | None = None
    environment: Pairs = {}
    env_file: Annotated[list[EnvFile], BeforeValidator(values.env_files)] = []
    ports: Annotated[list[Port], BeforeValidator(values.ports)] = []
    expose: Texts = []
    volumes: Annotated[list[Mount], BeforeValidator(values.mounts)] = []
    tmpfs: Texts = []
    configs: Annotated[list[Grant], BeforeValidator(values.grants)] = []
    secrets: Annotated[list[Grant], BeforeValidator(values.grants)] = []
    depends_on: Annotated[dict[str, Dependency], BeforeValidator(values.names)] = {}
    networks: Annotated[dict[str, dict[str, Any]], BeforeValidator(values.names)] = {}
    healthcheck: Healthcheck | None = None
    deploy: Deploy = Deploy()
    restart: str | None = None
    scale: int | None = None
    user: str | None = None
    working_dir: str | None = None
    hostname: str | None = None
    read_only: bool = False
    privileged: bool = False
    cap_add: Texts = []
    cap_drop: Texts = []
    security_opt: Texts = []
    group_add: Texts = []
    sysctls: Pairs = {}
    shm_size: Size | None = None
    stop_grace_period: Duration | None = None
    stdin_open: bool = False
    tty: bool = False
    dns: Texts = []
    dns_search: Texts = []
    dns_opt: Texts = []
    extra_hosts: Annotated[dict[str, list[str]], BeforeValidator(values.hosts)] = {}
    labels: Pairs = {}
    annotations: Pairs = {}
    network_mode: str | None = None
    pid: str | None = None
    ipc: str | None = None
    profiles: Texts = []
    platform: str | None = None
    pull_policy: str | None = None
    mem_limit: Size | None = None
    mem_reservation: Size | None = None
    cpus: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _set_aside(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        links: dict[str, Any] = {str(each).partition(":")[0]: {} for each in value.get("links") or []}
        if links:
            value = {**value, "depends_on": {**links, **values.names(value.get("depends_on") or {})}}
        aside = {key: value[key] for key in NOT_CONVERTED if value.get(key) is not None}
        return {**{key: inner for key, inner in value.items() if key not in NOT_CONVERTED}, "not_converted": aside}


class Resource(ComposeModel):
    """A volume, network, config or secret of the project."""

    name: str | None = None
    external: bool | dict[str, Any] = False
    file: str | None = None
    content: str | None = None
    environment: str | None = None
    driver: Any = None
    driver_opts: Any = None
    labels: Any = None
    template_driver: Any = None
    attachable: Any = None
    enable_ipv4: Any = None
    enable_ipv6: Any = None
    internal: Any = None
    ipam: Any = None


class Project(ComposeModel):
    """A compose file whose includes and extensions are resolved."""

    name: str | None = None
    version: Any = None
    services: dict[str, Service] = Field(default_factory=dict)
    volumes: Annotated[dict[str, Resource], BeforeValidator(values.names)] = Field(default_factory=dict)
    networks: Annotated[dict[str, Resource], BeforeValidator(values.names)] = Field(default_factory=dict)
    configs: Annotated[dict[str, Resource], BeforeValidator(values.names)] = Field(default_factory=dict)
    secrets: Annotated[dict[str, Resource], BeforeValidator(values.names)] = Field(default_factory=dict)
    models: Any = None

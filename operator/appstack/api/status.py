"""The status models: conditions, applied objects, runs, endpoints, images and problems of an AppStack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from appstack.api.base import ATOMIC_LIST
from appstack.k8s.text import MAX_MESSAGE

MAX_PROBLEMS: Final = 10
MAX_ENDPOINTS: Final = 100
MAX_IMAGES: Final = 64
MAX_IMAGE_CHARACTERS: Final = 1024
MAX_LOG_CHARACTERS: Final = 2048
MAX_RUNS: Final = 5

_TRANSITION_TIMES: Final = frozenset({"lastTransitionTime"})

Name = Annotated[str, Field(max_length=253)]
Message = Annotated[str, Field(max_length=MAX_MESSAGE)]


def _map_list(*keys: str) -> dict[str, Any]:
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


class _StatusModel(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
    )


class Condition(_StatusModel):
    """A condition of the AppStack: Ready, Reconciling or Stalled, as defined by kstatus."""

    type: Annotated[str, Field(max_length=316)]
    """Type of the condition. Ready is always present, Reconciling and Stalled only while they are True."""
    status: Literal["True", "False", "Unknown"]
    """Status of the condition."""
    reason: Annotated[str, Field(max_length=1024)]
    """Machine-readable reason in CamelCase, for example Progressing or InvalidSpec."""
    message: Message = ""
    """Human-readable message."""
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """Time at which `status` last changed."""
    observed_generation: int | None = None
    """Generation of the AppStack that the condition was derived from."""


class Resource(_StatusModel):
    """An object that AppStack applied, with hashes that detect changes without another apply."""

    api_version: Name
    """API version of the object."""
    kind: Name
    """Kind of the object."""
    name: Name
    """Name of the object, in the AppStack's namespace."""
    rendered: Annotated[str, Field(max_length=64)]
    """Hash of the applied manifest."""
    fields: Annotated[str, Field(max_length=64)]
    """Hash of the fields that AppStack owned after the apply (`managedFields`)."""
    ended: Literal["Completed", "Failed"] | None = None
    """Final state of a Job or Pod. It is not created again for the same spec."""
    spec_hash: Annotated[str, Field(max_length=64)] = ""
    """Of a Job or Pod, the hash of the spec that it is for: an upgrade of the operator does not do the work again."""
    wish: Annotated[str, Field(max_length=64)] = ""
    """Deprecated: the former name of `specHash`. It is read and no longer written."""

    @model_validator(mode="before")
    @classmethod
    def _accept_former_name(cls, value: Any) -> Any:
        return renamed(value) if isinstance(value, dict) else value


def renamed(resource: dict[str, Any]) -> dict[str, Any]:
    """Return an entry of `status.resources` with `specHash` in place of its former name, `wish`."""
    if "wish" not in resource:
        return resource
    return {key: value for key, value in resource.items() if key != "wish"} | {"specHash": resource["wish"]}


class Run(_StatusModel):
    """A run of a Job or Pod."""

    name: Name
    """Name of the Job or Pod."""
    uid: Name
    """UID of the Job or Pod. Several runs can have the same name."""
    outcome: Literal["Running", "Completed", "Failed"]
    """Outcome of the run; Running until it ends."""
    start_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """Time at which the Job or Pod was created."""
    end_time: Annotated[str | None, Field(json_schema_extra={"format": "date-time"})] = None
    """Time at which the run ended."""
    message: Message = ""
    """Cause of the failure."""


class Endpoint(_StatusModel):
    """An address at which the application is reachable."""

    name: Name
    """Name of the endpoint: a Service port (of a further Service `service:port`), a pod or a host name."""
    url: Annotated[str, Field(max_length=2048)]
    """URL of the endpoint, for example http://shop.team-a.svc."""
    scope: Literal["Pod", "Cluster", "External"]
    """Scope of the endpoint: a single pod, the Service inside the cluster, or clients outside the cluster."""


class Image(_StatusModel):
    """The image that a container of the newest pod runs."""

    container: Name
    """Name of the container."""
    image: Annotated[str, Field(max_length=MAX_IMAGE_CHARACTERS)]
    """Name of the image, as reported by the container runtime."""
    image_id: Annotated[str, Field(max_length=MAX_IMAGE_CHARACTERS, alias="imageID")] = ""
    """Repository and digest of the image."""


class Problem(_StatusModel):
    """A problem of a container, or of an object that another controller or user keeps changing."""

    pod: Name = ""
    """Name of a pod that has the problem. Other pods may have it, too."""
    container: Name = ""
    """Name of the container."""
    resource: Name = ""
    """Object that has the problem, for example Deployment/shop. Empty if a container has it."""
    reason: Name
    """Machine-readable reason in CamelCase, for example Unschedulable or Contested."""
    exit_code: int | None = None
    """Exit code of the container's last process."""
    message: Message = ""
    """Human-readable description of the problem."""
    log: Annotated[str, Field(max_length=MAX_LOG_CHARACTERS)] = ""
    """Last lines of the container's output (its termination message)."""
    field: Annotated[str, Field(max_length=512)] = ""
    """Field of the AppStack that is the likely cause, for example spec.backend.image."""
    hint: Message = ""
    """Suggested fix."""


class Status(_StatusModel):
    """Observed state of the AppStack."""

    observed_generation: int
    """Generation of the AppStack that the status was derived from."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8, json_schema_extra=_map_list("type"))] = ()
    """Conditions Ready, Reconciling and Stalled, as defined by kstatus."""
    replicas: int | None = None
    """Number of pods."""
    ready_replicas: int | None = None
    """Number of ready pods."""
    current_revision: Annotated[str, Field(max_length=253)] = ""
    """Revision of the StatefulSet's pods that are not updated yet."""
    update_revision: Annotated[str, Field(max_length=253)] = ""
    """Revision that the StatefulSet's pods are updated to."""
    selector: Annotated[str, Field(max_length=1024)] = ""
    """Label selector of the pods, used by autoscalers through the scale subresource."""
    resources: Annotated[
        tuple[Resource, ...], Field(max_length=1024, json_schema_extra=_map_list("apiVersion", "kind", "name"))
    ] = ()
    """Objects that AppStack applied."""
    endpoints: Annotated[
        tuple[Endpoint, ...], Field(max_length=MAX_ENDPOINTS, json_schema_extra=_map_list("name"))
    ] = ()
    """Addresses at which the application is reachable."""
    runs: Annotated[tuple[Run, ...], Field(max_length=MAX_RUNS, json_schema_extra=_map_list("uid"))] = ()
    """Last runs of a Job, CronJob or Pod, newest first."""
    images: Annotated[tuple[Image, ...], Field(max_length=MAX_IMAGES, json_schema_extra=_map_list("container"))] = ()
    """Images of the newest pod, one per container."""
    problems: Annotated[tuple[Problem, ...], Field(max_length=MAX_PROBLEMS, json_schema_extra=ATOMIC_LIST)] = ()
    """Problems of the pods, likeliest cause first, and of objects that another controller or user keeps changing."""

    def dump(self) -> dict[str, Any]:
        """Return the status as JSON, without fields that have their default."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def is_same_status(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two statuses differ in nothing but the times of transitions and names of former releases."""
    return _equal(_normalized(one), _normalized(other))


def _normalized(status: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**status, "resources": [renamed(entry) for entry in status.get("resources") or ()]}


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        keys = (one.keys() | other.keys()) - _TRANSITION_TIMES
        return all(key in one and key in other and _equal(one[key], other[key]) for key in keys)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)

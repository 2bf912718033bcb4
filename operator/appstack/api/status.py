"""What AppStack tells about a stack: the `status` block. PURE."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from appstack.k8s.text import MAX_MESSAGE

MAX_PROBLEMS = 10
MAX_ENDPOINTS = 100
MAX_IMAGES = 64
MAX_IMAGE = 1024
MAX_LOG = 2048
MAX_RUNS = 5

Name = Annotated[str, Field(max_length=253)]
Message = Annotated[str, Field(max_length=MAX_MESSAGE)]


def _by(*keys: str) -> dict[str, Any]:
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


_ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
    )


class Condition(_Part):
    """One of Ready, Reconciling and Stalled, as kstatus defines them."""

    type: Annotated[str, Field(max_length=316)]
    """Ready; Reconciling or Stalled, which are there only while they are True."""
    status: Literal["True", "False", "Unknown"]
    """True, False or Unknown."""
    reason: Annotated[str, Field(max_length=1024)]
    """One word for programs."""
    message: Message = ""
    """One sentence for people."""
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When `status` last became what it is."""
    observed_generation: int | None = None
    """The generation of the spec that this condition speaks of."""


class Resource(_Part):
    """An object that AppStack applied, with the two hashes that make a second look free."""

    api_version: Name
    """The object's apiVersion."""
    kind: Name
    """The object's kind."""
    name: Name
    """The object's name; its namespace is the stack's."""
    rendered: Annotated[str, Field(max_length=64)]
    """The hash of what was rendered."""
    fields: Annotated[str, Field(max_length=64)]
    """The hash of the fields that AppStack owned after the apply."""
    ended: Literal["Completed", "Failed"] | None = None
    """How a Job or Pod came to its end: it is not made again for the same spec."""
    wish: Annotated[str, Field(max_length=64)] = ""
    """Of a Job or Pod, the hash of the spec that it is for: an upgrade of the operator does not do the work again."""


class Run(_Part):
    """One run of a Job or Pod: the present one, or one that was."""

    name: Name
    """The Job's or Pod's name."""
    uid: Name
    """Its uid: a later run may bear the same name."""
    outcome: Literal["Running", "Completed", "Failed"]
    """How it came to its end, if it has."""
    start_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When it was made."""
    end_time: Annotated[str | None, Field(json_schema_extra={"format": "date-time"})] = None
    """When it came to its end."""
    message: Message = ""
    """What its end was like, where that was not a good one."""


class Endpoint(_Part):
    """An address at which the stack answers."""

    name: Name
    """The name of the Service's port, or its number."""
    url: Annotated[str, Field(max_length=2048)]
    """The address."""
    scope: Literal["Pod", "Cluster", "External"]
    """From where the address can be reached."""


class Image(_Part):
    """The image that a container of the newest pod runs."""

    container: Name
    """The container's name."""
    image: Annotated[str, Field(max_length=MAX_IMAGE)]
    """The image as the runtime names it."""
    image_id: Annotated[str, Field(max_length=MAX_IMAGE, alias="imageID")] = ""
    """What exactly that was: repository and digest."""


class Problem(_Part):
    """Something that keeps a container from working, or an object from being what it should be."""

    pod: Name = ""
    """The pod in which it was seen; others may have the same problem."""
    container: Name = ""
    """The container's name."""
    resource: Name = ""
    """The object, as `Deployment/shop`, where it is none of a pod's containers."""
    reason: Name
    """One word for programs."""
    exit_code: int | None = None
    """What the container's process ended with."""
    message: Message = ""
    """What happened, in one sentence."""
    log: Annotated[str, Field(max_length=MAX_LOG)] = ""
    """The last words of the container."""
    field: Annotated[str, Field(max_length=512)] = ""
    """The field of the AppStack to look at."""
    hint: Message = ""
    """What to do."""


class Status(_Part):
    """What became of the stack."""

    observed_generation: int
    """The generation of the spec that everything here speaks of."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8, json_schema_extra=_by("type"))] = ()
    """Ready, Reconciling and Stalled, as kstatus defines them."""
    replicas: int | None = None
    """How many pods there are."""
    ready_replicas: int | None = None
    """How many pods are ready."""
    current_revision: Annotated[str, Field(max_length=253)] = ""
    """The revision of a StatefulSet's pods that are not updated yet."""
    update_revision: Annotated[str, Field(max_length=253)] = ""
    """The revision that a StatefulSet's pods are updated to."""
    selector: Annotated[str, Field(max_length=1024)] = ""
    """What selects the stack's pods, for autoscalers."""
    resources: Annotated[
        tuple[Resource, ...], Field(max_length=1024, json_schema_extra=_by("apiVersion", "kind", "name"))
    ] = ()
    """The objects that AppStack applied."""
    endpoints: Annotated[tuple[Endpoint, ...], Field(max_length=MAX_ENDPOINTS, json_schema_extra=_by("name"))] = ()
    """Where the stack answers."""
    runs: Annotated[tuple[Run, ...], Field(max_length=MAX_RUNS, json_schema_extra=_by("uid"))] = ()
    """The last runs of a Job, CronJob or Pod, the newest first: an earlier one stays readable after a new one."""
    images: Annotated[tuple[Image, ...], Field(max_length=MAX_IMAGES, json_schema_extra=_by("container"))] = ()
    """What the newest pod runs."""
    problems: Annotated[tuple[Problem, ...], Field(max_length=MAX_PROBLEMS, json_schema_extra=_ATOMIC)] = ()
    """What is wrong with the pods, the likeliest cause first, and for which objects somebody fights."""

    def dump(self) -> dict[str, Any]:
        """Return the JSON of this status, without what is empty."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

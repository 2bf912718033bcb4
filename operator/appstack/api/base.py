"""Base classes and field types of the API models: frozen, strict, with the API's camelCase names."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from appstack.api.bounds import MAX_LENGTH, MAX_PROPERTIES
from appstack.api.size import MAX_SPEC_BYTES
from appstack.k8s.metadata import MAX_NAME_LENGTH, Manifest

MODEL_CONFIG = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, use_attribute_docstrings=True)

OMITTED_FIELD_ERROR: Final = "omitted_field"
"""The pydantic error type of a field in `OMITTED_FIELDS`; its context has the fields under `names`."""

ATOMIC_LIST: Final[dict[str, Any]] = {"x-kubernetes-list-type": "atomic"}
SET_LIST: Final[dict[str, Any]] = {"x-kubernetes-list-type": "set"}

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)]
StackName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=MAX_NAME_LENGTH)]
PortNumber = Annotated[int, Field(ge=1, le=65535, strict=True)]
ShortText = Annotated[str, Field(max_length=MAX_LENGTH)]
FreeText = Annotated[str, Field(max_length=MAX_SPEC_BYTES)]
Seconds = Annotated[int, Field(ge=1, le=31_536_000, strict=True)]


class Model(BaseModel):
    """A type that AppStack defines."""

    model_config = MODEL_CONFIG

    def dump(self) -> Manifest:
        """Return the fields that are set, as JSON."""
        return self.model_dump(by_alias=True, exclude_none=True)


class KubernetesModel(Model):
    """Mixin for a subclass of a Kubernetes type; removes the fields that AppStack manages."""

    OMITTED_FIELDS: ClassVar[frozenset[str]] = frozenset()
    """API names of the fields that an AppStack cannot set on this type."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_omitted_fields(cls, value: Any) -> Any:
        if names := sorted(cls.OMITTED_FIELDS & value.keys()) if isinstance(value, dict) else []:
            raise PydanticCustomError(
                OMITTED_FIELD_ERROR, "cannot be set here: AppStack manages this field", {"names": names}
            )
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the JSON schema without the omitted fields; the CRD is generated from it."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        schema["properties"] = {k: v for k, v in schema["properties"].items() if k not in cls.OMITTED_FIELDS}
        schema["required"] = [name for name in schema.get("required", []) if name not in cls.OMITTED_FIELDS]
        return schema


class ObjectMetadata(Model):
    """Labels and annotations that are added to a generated object."""

    labels: Annotated[dict[str, ShortText] | None, Field(max_length=MAX_PROPERTIES)] = None
    """Labels to add. They replace AppStack's `app.kubernetes.io/*`; keys under `appstack.dev/` are reserved."""
    annotations: Annotated[dict[str, FreeText] | None, Field(max_length=MAX_PROPERTIES)] = None
    """Annotations to add."""

"""What every type of the model shares: frozen, strict, named as the API names things. PURE."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from appstack.k8s.metadata import Manifest

FROZEN = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, use_attribute_docstrings=True)

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)]
AbsolutePath = Annotated[str, Field(pattern=r"^/", max_length=1024)]
PortNumber = Annotated[int, Field(ge=1, le=65535, strict=True)]
Seconds = Annotated[int, Field(ge=1, le=31_536_000, strict=True)]


class Model(BaseModel):
    """A type of ours."""

    model_config = FROZEN

    def dump(self) -> Manifest:
        """Return what the author wrote, as JSON has it, unset fields left out."""
        return self.model_dump(by_alias=True, exclude_none=True)


class Kubernetes(BaseModel):
    """Mixed into a subclass of one of Kubernetes' types: takes away the fields that AppStack decides itself."""

    model_config = FROZEN

    LESS: ClassVar[frozenset[str]] = frozenset()
    """The fields, as the API names them, that an author can't set here."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_less(cls, value: Any) -> Any:
        if names := sorted(cls.LESS & value.keys()) if isinstance(value, dict) else []:
            raise PydanticCustomError("less", "can't be set here: AppStack decides it", {"names": names})
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Leave the same fields out of the schema, and so out of the CRD."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        schema["properties"] = {k: v for k, v in schema["properties"].items() if k not in cls.LESS}
        schema["required"] = [name for name in schema.get("required", []) if name not in cls.LESS]
        return schema

    def dump(self) -> Manifest:
        """Return what the author wrote, as JSON has it, unset fields left out."""
        return self.model_dump(by_alias=True, exclude_none=True)


class ObjectMetadata(Model):
    """Labels and annotations for an object that AppStack makes."""

    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None

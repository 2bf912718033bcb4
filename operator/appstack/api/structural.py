"""A model becomes a structural schema: no references, no null, one type for each node. PURE.

pydantic gives a JSON schema in which Kubernetes' own types are marked, so that `openapi` can add what the Python models
lack, and take away what the oldest supported server does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from appstack.api import openapi

Schema = dict[str, Any]

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "initContainers": ("name",),
    "sidecars": ("name",),
    "volumes": ("name",),
    "static": ("path",),
    "files": ("container", "path"),
}
"""How lists of ours merge, by the field's name; a list that is not here must say so itself."""

MARK: Final = "x-appstack-type"
"""The keyword by which pydantic's schema tells the type of Kubernetes that a type of the model is or extends."""

NO_FIELDS: Final[Schema] = {"maxProperties": 0, "x-kubernetes-preserve-unknown-fields": True}
"""An object without fields: server-side apply would drop what is in it without a word, so it is kept and refused."""

_KEPT: Final = frozenset({"type", "enum", "pattern", "format", "minimum", "maximum", "minLength", "maxLength"}) | {
    *("minItems", "maxItems", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
}
_HANDLED: Final = frozenset({"title", "description", "default", "required", "properties", "$defs"}) | {
    *("items", "additionalProperties", "const", MARK),
}
_INT_OR_STRING: Final[Schema] = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "x-kubernetes-int-or-string": True,
}
_NUMBER: Final = r"[0-9]+(\.[0-9]*)?|\.[0-9]+"
_FORMATS: Final[Mapping[str, Schema]] = {
    "quantity": {
        **_INT_OR_STRING,
        "pattern": rf"^[+-]?({_NUMBER})([KMGTPE]i|[numkMGTPE]|[eE][+-]?({_NUMBER}))?$",
    },
    "int-or-string": _INT_OR_STRING,
}
_MAX_THEIR_TEXT: Final = 200
_MAX_THEIR_LEVEL: Final = 3  # as far as spec.backend.livenessProbe.httpGet: the whole would double the size
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z])|\n\n")


def structural(model: type[BaseModel]) -> Schema:
    """Return the structural schema of a model."""
    schema = model.model_json_schema(schema_generator=Marked)
    return _Converter(schema.get("$defs", {})).node(schema, level=0)


def kubernetes_types(model: type[BaseModel]) -> frozenset[str]:
    """Return the Python names of Kubernetes' types that a model is made of."""
    definitions = model.model_json_schema(schema_generator=Marked)["$defs"].values()
    return frozenset(one[MARK]["name"] for one in definitions if MARK in one)


class Marked(GenerateJsonSchema):
    """pydantic's schema, in which a type tells which of Kubernetes' types it is or extends, and by what fields."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Return the schema of a model with its mark: that type, its fields, and those that ours says anew."""
        found = super().model_schema(schema)
        lineage = schema["cls"].__mro__
        for place, base in enumerate(lineage):
            if base.__module__.startswith("kubernetes.") and issubclass(base, BaseModel):
                names = {name: f.serialization_alias or name for name, f in base.model_fields.items()}
                anew = {names[n] for own in lineage[:place] for n in own.__annotations__ if n in names}
                mark = {"name": base.__name__, "fields": list(names.values()), "anew": sorted(anew)}
                return {**found, MARK: mark}
        return found


def is_ours(schema: Schema) -> bool:
    """Tell whether the schema of a type, made by `Marked`, is of a type that is ours, or extends Kubernetes'."""
    return MARK not in schema or str(schema["title"]) != schema[MARK]["name"]


class _Converter:
    """From pydantic's JSON schema to a structural one."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def node(self, schema: Schema, *, level: int, theirs: bool = False) -> Schema:
        """Return the structural form of a schema, which stands so many fields deep."""
        flat = self._flat(schema)
        text = _text(flat.get("description", ""), level=level, theirs=theirs)
        described = {"description": text} if text else {}
        if "anyOf" in flat:
            return {**described, **_either(flat["anyOf"])}
        if flat.get("properties"):
            return {**described, **self._object(flat, level=level)}
        return {**described, **self._plain(flat, level=level, theirs=theirs)}

    def _flat(self, schema: Schema) -> Schema:
        """Return the schema without references and null branches; what stands beside them wins."""
        inner = self._inner(schema)
        if inner is None:
            return schema
        beside = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf")}
        return {**self._flat(inner), **beside}

    def _inner(self, schema: Schema) -> Schema | None:
        if "$ref" in schema:
            return self._definitions[schema["$ref"].rpartition("/")[2]]
        branches = [branch for branch in schema.get("anyOf", ()) if branch.get("type") != "null"]
        if len(branches) == len(schema.get("anyOf", ())):
            return None
        return branches[0] if len(branches) == 1 else {"anyOf": branches}

    def _plain(self, flat: Schema, *, level: int, theirs: bool) -> Schema:
        unknown = flat.keys() - _KEPT - _HANDLED
        if unknown:
            raise TypeError(f"no structural form of {sorted(unknown)} is known: {flat}")
        kept = {key: value for key, value in flat.items() if key in _KEPT}
        if "const" in flat:
            kept["enum"] = [flat["const"]]
        if "items" in flat:
            kept["items"] = self.node(flat["items"], level=level, theirs=theirs)
            if theirs:
                kept["items"].pop("description", None)  # the list has told it
        more = flat.get("additionalProperties", False)
        if flat.get("type") == "object" and not more:
            kept |= NO_FIELDS
        elif more is True:
            kept["x-kubernetes-preserve-unknown-fields"] = True
        elif more:
            kept["additionalProperties"] = self.node(more, level=level, theirs=theirs)
        return kept

    def _object(self, flat: Schema, *, level: int) -> Schema:
        mark = flat.get(MARK, {"name": "", "fields": ()})
        known = _known(mark["name"])
        properties: Schema = {}
        for name, property_ in sorted(flat["properties"].items()):
            if name not in mark["fields"]:
                properties[name] = self._ours(name, property_, level=level + 1)
            elif name in known.fields and property_.get("type") != "null":
                properties[name] = self._theirs(known.fields[name], property_, level=level + 1)
        required = sorted(properties.keys() & flat.get("required", ()))
        whole = {"x-kubernetes-map-type": "atomic"} if known.atomic else {}
        return {
            "type": "object",
            "properties": properties,
            **({"required": required} if required else {}),
            **whole,
        }

    def _ours(self, name: str, property_: Schema, *, level: int) -> Schema:
        """Return the schema of a field of ours, its default told."""
        node = self.node(property_, level=level)
        default = property_.get("default")
        text = node.get("description", "")
        if isinstance(default, str | int) and default != "" and "efault" not in text:
            told = default if isinstance(default, str) else json.dumps(default)
            node["description"] = f"{text} Default: {told}.".lstrip()
        if node.get("type") == "array" and "x-kubernetes-list-type" not in node:
            keys = KEYS[name]
            node |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
            for key in sorted(set(keys) - set(node["items"]["required"])):
                item = self._flat(property_["items"])["properties"][key]
                node["items"]["properties"][key]["default"] = item["default"]
        return node

    def _theirs(self, word: openapi.Field, property_: Schema, *, level: int) -> Schema:
        """Return the schema of a field of Kubernetes', with what its API server says of it."""
        node = self.node(property_, level=level, theirs=True) | _merging(word)
        if word.values:
            (node["items"] if word.list_type else node)["enum"] = list(word.values)
        if word.list_type == "map":
            self._default_keys(node["items"], word, self._flat(property_))
        if word.format not in _FORMATS:
            return node | ({"format": word.format} if word.format else {})
        form = _FORMATS[word.format]
        if "additionalProperties" in node:
            return {**node, "additionalProperties": form}
        return {**{k: v for k, v in node.items() if k != "type"}, **form}

    def _default_keys(self, items: Schema, word: openapi.Field, flat: Schema) -> None:
        """Give defaults to the keys of a list's items that are not required, as Kubernetes itself does."""
        fields = _known(self._flat(flat["items"])[MARK]["name"]).fields
        for key in word.keys:
            if key not in items.get("required", ()):
                items["properties"][key]["default"] = fields[key].default


_NOT_THEIRS: Final = openapi.Type({})


def _known(name: str) -> openapi.Type:
    known = openapi.type_named(name) if name else _NOT_THEIRS
    if known is None:
        raise TypeError(f"the oldest supported server's {name} is not in the table: run make openapi-table")
    return known


def _either(branches: list[Schema]) -> Schema:
    if [branch.get("type") for branch in branches] != ["integer", "string"]:
        raise TypeError(f"no structural form of this choice is known: {branches}")
    return dict(_INT_OR_STRING)


def _merging(word: openapi.Field) -> Schema:
    lists = {"x-kubernetes-list-type": word.list_type} if word.list_type else {}
    keys = {"x-kubernetes-list-map-keys": list(word.keys)} if word.keys else {}
    return {**lists, **keys, **({"x-kubernetes-map-type": "atomic"} if word.atomic else {})}


def _text(description: str, *, level: int, theirs: bool) -> str:
    """Return a description on one line: ours whole; the first sentence of Kubernetes', and none far down."""
    own, generated, _ = description.partition("Attributes:\n")
    if not (theirs or generated):
        return " ".join(own.split())
    return _first_sentence(own) if level <= _MAX_THEIR_LEVEL else ""


def _first_sentence(description: str) -> str:
    first = " ".join(_SENTENCE_END.split(description.strip())[0].split())
    if len(first) <= _MAX_THEIR_TEXT:
        return first
    return first[: _MAX_THEIR_TEXT - 1].rpartition(" ")[0] + "…"

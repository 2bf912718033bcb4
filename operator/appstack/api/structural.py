"""Conversion of a pydantic model to a structural OpenAPI schema: no references, no null, one type per node.

The pydantic JSON schema is generated with a tag on each Kubernetes type. Rules from `openapi` are then added to
those types, and fields that the oldest supported server does not know are removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from appstack.api import openapi
from appstack.api.bounds import Schema, with_bounds

LIST_MAP_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "initContainers": ("name",),
    "sidecars": ("name",),
    "volumes": ("name",),
    "static": ("path",),
    "routes": ("path", "pathType"),
    "set": ("name",),
    "files": ("container", "path"),
    "services": ("name",),
    "dependsOn": ("name",),
}
"""Merge keys of the lists that AppStack defines, by field name. A list that is not here sets its own list type."""

TYPE_TAG: Final = "x-appstack-type"
"""The JSON schema keyword that names the Kubernetes type which a model is or extends.

Its value has the Python `name` of the type, its `fields`, and those `overridden` by the model.
"""

DEFAULT_PREFIX: Final = "Default: "
"""The words before the default in a description; a description without them gets a sentence with the default."""

OWN_BLOCK: Final = "x-appstack-own-block"
"""The key of an object that AppStack defines and not Kubernetes. It is not part of the CRD."""

EMPTY_OBJECT: Final[Schema] = {"maxProperties": 0, "x-kubernetes-preserve-unknown-fields": True}
"""An object without fields. Unknown fields are preserved to be refused: server-side apply would drop them silently."""

_COPIED_KEYWORDS: Final = frozenset(
    {
        *("type", "enum", "pattern", "format", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"),
        *("maxProperties", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
    }
)
_CONVERTED_KEYWORDS: Final = frozenset(
    {
        *("title", "description", "default", "required", "properties", "$defs", "items", "additionalProperties"),
        *("const", TYPE_TAG),
    }
)
_INT_OR_STRING: Final[Schema] = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "x-kubernetes-int-or-string": True,
}
_DECIMAL: Final = r"[0-9]+(\.[0-9]*)?|\.[0-9]+"
QUANTITY: Final[Schema] = {
    "pattern": rf"^[+-]?({_DECIMAL})([KMGTPE]i|[numkMGTPE]|[eE][+-]?({_DECIMAL}))?$",
    "x-kubernetes-preserve-unknown-fields": True,
}
"""A string, an integer or a fraction such as `cpu: 0.5`. It has no type: int-or-string refuses fractions."""

_FORMATS: Final[Mapping[str, Schema]] = {"quantity": QUANTITY, "int-or-string": _INT_OR_STRING}
_MAX_UPSTREAM_CHARACTERS: Final = 200
"""Maximum length of a description that is copied from Kubernetes."""

_MAX_UPSTREAM_LEVEL: Final = 3
"""Nesting depth down to which Kubernetes descriptions are copied, for example spec.backend.livenessProbe.httpGet.

All of them would double the size of the CRD.
"""
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z])|\n\n")


def structural_schema(model: type[BaseModel]) -> Schema:
    """Return the structural schema of a model. Raise TypeError if a field has no structural form."""
    schema = model.model_json_schema(schema_generator=TaggedJsonSchema)
    return _Converter(schema.get("$defs", {})).node(schema, level=0)


def kubernetes_types(model: type[BaseModel]) -> frozenset[str]:
    """Return the Python names of the Kubernetes types that a model uses, directly or nested."""
    definitions = model.model_json_schema(schema_generator=TaggedJsonSchema)["$defs"].values()
    return frozenset(definition[TYPE_TAG]["name"] for definition in definitions if TYPE_TAG in definition)


class TaggedJsonSchema(GenerateJsonSchema):
    """Generator of JSON schemas in which models that are or extend a Kubernetes type have a `TYPE_TAG`."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Return the schema of a model, with a `TYPE_TAG` if it is or extends a Kubernetes type."""
        json_schema = super().model_schema(schema)
        mro = schema["cls"].__mro__
        for index, base in enumerate(mro):
            if base.__module__.startswith("kubernetes.") and issubclass(base, BaseModel):
                names = {name: f.serialization_alias or name for name, f in base.model_fields.items()}
                overridden = {names[n] for cls in mro[:index] for n in cls.__annotations__ if n in names}
                tag = {"name": base.__name__, "fields": list(names.values()), "overridden": sorted(overridden)}
                return {**json_schema, TYPE_TAG: tag}
        return json_schema


def is_own_type(schema: Schema) -> bool:
    """Return whether a schema made by `TaggedJsonSchema` is of a type that AppStack defines or extends."""
    return TYPE_TAG not in schema or str(schema["title"]) != schema[TYPE_TAG]["name"]


class _Converter:
    """Converter of the nodes of a pydantic JSON schema; `definitions` has the targets of references."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def node(self, schema: Schema, *, level: int, upstream: bool = False) -> Schema:
        """Return the structural form of a schema at a nesting level; `upstream` if Kubernetes defines the field."""
        flat = self._flat(schema)
        text = _description(flat.get("description", ""), level=level, upstream=upstream)
        described = {"description": text} if text else {}
        if "anyOf" in flat:
            return {**described, **_int_or_string(flat["anyOf"])}
        if flat.get("properties"):
            return {**described, **self._object(flat, level=level)}
        return {**described, **self._plain(flat, level=level, upstream=upstream)}

    def _flat(self, schema: Schema) -> Schema:
        """Return the schema with its reference resolved and null removed; its own keywords take precedence."""
        target = self._target(schema)
        if target is None:
            return schema
        own = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf")}
        return {**self._flat(target), **own}

    def _target(self, schema: Schema) -> Schema | None:
        if "$ref" in schema:
            return self._definitions[schema["$ref"].rpartition("/")[2]]
        branches = [branch for branch in schema.get("anyOf", ()) if branch.get("type") != "null"]
        if len(branches) == len(schema.get("anyOf", ())):
            return None
        return branches[0] if len(branches) == 1 else {"anyOf": branches}

    def _plain(self, flat: Schema, *, level: int, upstream: bool) -> Schema:
        unknown = flat.keys() - _COPIED_KEYWORDS - _CONVERTED_KEYWORDS
        if unknown:
            raise TypeError(f"JSON schema keywords {sorted(unknown)} have no structural form: {flat}")
        node = {key: value for key, value in flat.items() if key in _COPIED_KEYWORDS}
        if "const" in flat:
            node["enum"] = [flat["const"]]
        if "items" in flat:
            node["items"] = self.node(flat["items"], level=level, upstream=upstream)
            if upstream:
                node["items"].pop("description", None)  # repeats that of the list
        values = flat.get("additionalProperties", False)
        if flat.get("type") == "object" and not values:
            node |= EMPTY_OBJECT
        elif values is True:
            node["x-kubernetes-preserve-unknown-fields"] = True
        elif values:
            node["additionalProperties"] = self.node(values, level=level, upstream=upstream)
        return node

    def _object(self, flat: Schema, *, level: int) -> Schema:
        tag = flat.get(TYPE_TAG, {"name": "", "fields": ()})
        rules = _rules(tag["name"])
        properties: Schema = {}
        for name, property_ in sorted(flat["properties"].items()):
            if name not in tag["fields"]:
                properties[name] = self._own_field(name, property_, level=level + 1)
            elif name in rules.fields and property_.get("type") != "null":
                properties[name] = self._upstream_field(
                    rules.fields[name], property_, level=level + 1, required=name in flat.get("required", ())
                )
        required = sorted(properties.keys() & flat.get("required", ()))
        map_type = {"x-kubernetes-map-type": "atomic"} if rules.atomic else {}
        return {
            "type": "object",
            "properties": properties,
            **({"required": required} if required else {}),
            **map_type,
        }

    def _own_field(self, name: str, property_: Schema, *, level: int) -> Schema:
        """Return the schema of a field that AppStack defines; its description names the default.

        The schema has no `default`: it would be written into every AppStack.
        """
        node = self.node(property_, level=level)
        default = property_.get("default")
        text = node.get("description", "")
        if isinstance(default, str | int) and default != "" and DEFAULT_PREFIX not in text:
            shown = default if isinstance(default, str) else json.dumps(default)
            node["description"] = f"{text} {DEFAULT_PREFIX}{shown}.".lstrip()
        if node.get("type") == "object" and "additionalProperties" not in node:
            node[OWN_BLOCK] = True
        if node.get("type") == "array" and "x-kubernetes-list-type" not in node:
            node |= _list_keywords("map", LIST_MAP_KEYS[name], node["items"])
        return node

    def _upstream_field(self, rule: openapi.FieldRule, property_: Schema, *, level: int, required: bool) -> Schema:
        """Return the schema of a field that Kubernetes defines, with the rules of its API server.

        An optional enum may be empty, which Kubernetes reads as unset.
        """
        node = self.node(property_, level=level, upstream=True)
        node |= _list_keywords(rule.list_type, rule.keys, node.get("items", {}))
        node |= {"x-kubernetes-map-type": "atomic"} if rule.atomic else {}
        if rule.list_type:
            node["items"] |= {"enum": list(rule.values)} if rule.values else {}
        elif rule.values:
            node["enum"] = list(rule.values if required else dict.fromkeys(("", *rule.values)))
        return with_bounds(rule.name, _formatted(node, rule.format))


def _formatted(node: Schema, name: str) -> Schema:
    """Return a node with a format; a quantity and an int-or-string have no type."""
    if name not in _FORMATS:
        return node | ({"format": name} if name else {})
    if "additionalProperties" in node:
        return {**node, "additionalProperties": _FORMATS[name]}
    return {**{key: value for key, value in node.items() if key != "type"}, **_FORMATS[name]}


_NO_RULES: Final = openapi.TypeRules({})


def _rules(name: str) -> openapi.TypeRules:
    rules = openapi.rules_of_type(name) if name else _NO_RULES
    if rules is None:
        raise TypeError(f"Kubernetes type {name} is not in kubernetes_1_33.TYPES: run make openapi-table")
    return rules


def _int_or_string(branches: list[Schema]) -> Schema:
    if [branch.get("type") for branch in branches] != ["integer", "string"]:
        raise TypeError(f"This union has no structural form, only integer or string has one: {branches}")
    return dict(_INT_OR_STRING)


def _list_keywords(list_type: str, keys: Sequence[str], items: Schema) -> Schema:
    """Return the keywords that say how a list is merged; a list with an optional key is atomic.

    The API server accepts an optional key only with a default, and a default inside a list would be written into
    every AppStack: `kubectl apply` of an unchanged file would then report a change. Validation keeps the keys unique.
    """
    if not list_type:
        return {}
    if set(keys) - set(items.get("required", ())):
        return {"x-kubernetes-list-type": "atomic"}
    return {"x-kubernetes-list-type": list_type, **({"x-kubernetes-list-map-keys": list(keys)} if keys else {})}


def _description(docstring: str, *, level: int, upstream: bool) -> str:
    """Return a description on one line: AppStack's in full, of Kubernetes' the first sentence.

    Kubernetes' descriptions below `_MAX_UPSTREAM_LEVEL` are empty.
    """
    text, generated, _ = docstring.partition("Attributes:\n")
    if not (upstream or generated):
        return " ".join(text.split())
    return _first_sentence(text) if level <= _MAX_UPSTREAM_LEVEL else ""


def _first_sentence(text: str) -> str:
    sentence = " ".join(_SENTENCE_END.split(text.strip())[0].split())
    if len(sentence) <= _MAX_UPSTREAM_CHARACTERS:
        return sentence
    return sentence[: _MAX_UPSTREAM_CHARACTERS - 1].rpartition(" ")[0] + "…"

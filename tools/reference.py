"""docs/reference.md: every field of ours with its type, default and meaning; Kubernetes' own types by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from appstack.api import AppStackSpec, openapi, structural
from appstack.api.status import Status
from appstack.settings import Settings

Schema = dict[str, Any]

KUBERNETES = "https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.33/"
GROUPS = {"V1DeploymentSpec": "apps", "V1DeploymentStrategy": "apps"}
"""The API group in the anchor of a type; `core` where none is named."""

INTRODUCTION = """\
# Reference

`apiVersion: appstack.dev/v1alpha1`, `kind: AppStack`, short name `aps`. What the parts mean together stands in
[concepts.md](concepts.md); `kubectl explain appstack.spec` has the same fields.

A type that links to Kubernetes is Kubernetes' own, as version 1.33 has it. A section that extends one of Kubernetes'
types lists only what AppStack adds or defines otherwise: all other fields are as there.
"""


def text(note: str) -> str:
    """Return the whole document."""
    parts = [
        f"<!-- {note} -->\n",
        INTRODUCTION,
        *_part("spec", AppStackSpec),
        *_part("status", Status),
        *_part("The operator's settings", Settings),
    ]
    return "\n".join(parts)


def _part(title: str, model: type[BaseModel]) -> Iterator[str]:
    schema = model.model_json_schema(schema_generator=structural.Marked)
    definitions = schema.get("$defs", {})
    yield f"## {title}\n"
    yield from _section(schema, definitions)
    for name in _order(schema, definitions):
        yield f"### {name}\n"
        yield from _section(definitions[name], definitions)


def _section(schema: Schema, definitions: Mapping[str, Schema]) -> Iterator[str]:
    yield f"{_line(schema.get('description', ''))}\n"
    mark = schema.get(structural.MARK)
    if mark:
        yield f"{_extends(mark, schema['properties'])}\n"
    rows = list(_rows(schema, definitions))
    if rows:
        yield "\n".join(["| field | type | default | meaning |", "|---|---|---|---|", *rows]) + "\n"


def _extends(mark: Mapping[str, Any], properties: Schema) -> str:
    known = openapi.type_named(mark["name"])
    offered = known.fields if known else {}
    less = [f"`{name}`" for name in sorted(mark["fields"]) if name in offered and name not in properties]
    but = f", less {', '.join(less)}" if less else ""
    return f"It has the fields of Kubernetes' {_kubernetes(mark['name'])}{but}."


def _rows(schema: Schema, definitions: Mapping[str, Schema]) -> Iterator[str]:
    required = schema.get("required", ())
    mark = schema.get(structural.MARK, {"fields": (), "anew": ()})
    for name, property_ in schema.get("properties", {}).items():
        if name not in mark["fields"] or name in mark["anew"]:
            meaning = _line(property_.get("description") or "").replace("|", "\\|")
            default = "required" if name in required else _default(property_.get("default"), meaning)
            yield f"| `{name}` | {_type(property_, definitions)} | {default} | {meaning} |"


def _order(schema: Schema, definitions: Mapping[str, Schema]) -> list[str]:
    """Return the names of our types in the order in which a reader meets them."""
    found: list[str] = []
    waiting = [schema]
    while waiting:
        one = waiting.pop(0)
        for property_ in one.get("properties", {}).values():
            for name in _references(property_):
                if name not in found and structural.is_ours(definitions[name]) and "properties" in definitions[name]:
                    found.append(name)
                    waiting.append(definitions[name])
    return found


def _references(schema: Schema) -> Iterator[str]:
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
    for inner in [*schema.get("anyOf", ()), schema.get("items"), schema.get("additionalProperties")]:
        if isinstance(inner, dict):
            yield from _references(inner)


def _type(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(one, definitions) for one in schema["anyOf"] if one.get("type") != "null")
    if "$ref" in schema:
        return _named(schema["$ref"].rpartition("/")[2], definitions)
    if "items" in schema:
        return f"list of {_type(schema['items'], definitions)}"
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map of {_type(schema['additionalProperties'], definitions)}"
    return str(schema.get("type", "any"))


def _named(name: str, definitions: Mapping[str, Schema]) -> str:
    definition = definitions[name]
    if "enum" in definition:
        return " or ".join(f"`{value}`" for value in definition["enum"])
    if not structural.is_ours(definition):
        return _kubernetes(definition[structural.MARK]["name"])
    return f"[{name}](#{name.lower()})" if "properties" in definition else "object without fields"


def _kubernetes(python_name: str) -> str:
    name = python_name.removeprefix("V1")
    return f"[{name}]({KUBERNETES}#{name.lower()}-v1-{GROUPS.get(python_name, 'core')})"


def _default(value: Any, meaning: str) -> str:
    """Return the default, unless the meaning tells it."""
    if not isinstance(value, str | int) or value == "" or "efault" in meaning:
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _line(description: str) -> str:
    return " ".join(description.partition("Attributes:\n")[0].split())

"""Generator of docs/reference.md: type, default and description of each field that AppStack defines."""

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
"""API groups in the anchors of Kubernetes' reference, by type; `core` for all others."""

INTRODUCTION = """\
# Reference

`apiVersion: appstack.dev/v1alpha1`, `kind: AppStack`, short name `aps`. [concepts.md](concepts.md) explains how the
fields work together; `kubectl explain appstack.spec` shows the same descriptions.

Types that link to the Kubernetes reference are those of Kubernetes 1.33. A section that extends a Kubernetes type lists
only the fields that AppStack adds or overrides; all other fields are as in Kubernetes.
"""


def text(note: str) -> str:
    """Return the complete document; `note` names the command that generates it."""
    parts = [
        f"<!-- {note} -->\n",
        INTRODUCTION,
        *_part("spec", AppStackSpec),
        *_part("status", Status),
        *_part("Operator settings", Settings),
    ]
    return "\n".join(parts)


def _part(title: str, model: type[BaseModel]) -> Iterator[str]:
    schema = model.model_json_schema(schema_generator=structural.TaggedJsonSchema)
    definitions = schema.get("$defs", {})
    yield f"## {title}\n"
    yield from _section(schema, definitions)
    for name in _order(schema, definitions):
        yield f"### {name}\n"
        yield from _section(definitions[name], definitions)


def _section(schema: Schema, definitions: Mapping[str, Schema]) -> Iterator[str]:
    yield f"{_line(schema.get('description', ''))}\n"
    tag = schema.get(structural.TYPE_TAG)
    if tag:
        yield f"{_inherited_fields(tag, schema['properties'])}\n"
    rows = list(_rows(schema, definitions))
    if rows:
        yield "\n".join(["| field | type | default | description |", "|---|---|---|---|", *rows]) + "\n"


def _inherited_fields(tag: Mapping[str, Any], properties: Schema) -> str:
    rules = openapi.rules_of_type(tag["name"])
    supported = rules.fields if rules else {}
    omitted = [f"`{name}`" for name in sorted(tag["fields"]) if name in supported and name not in properties]
    exception = f", except {', '.join(omitted)}" if omitted else ""
    return f"Has the fields of the Kubernetes {_kubernetes_link(tag['name'])}{exception}."


def _rows(schema: Schema, definitions: Mapping[str, Schema]) -> Iterator[str]:
    required = schema.get("required", ())
    tag = schema.get(structural.TYPE_TAG, {"fields": (), "overridden": ()})
    for name, property_ in schema.get("properties", {}).items():
        if name not in tag["fields"] or name in tag["overridden"]:
            description = _line(property_.get("description") or "").replace("|", "\\|")
            default = "required" if name in required else _default(property_.get("default"), description)
            yield f"| `{name}` | {_type(property_, definitions)} | {default} | {description} |"


def _order(schema: Schema, definitions: Mapping[str, Schema]) -> list[str]:
    """Return the names of the types that AppStack defines or extends, in the order of their first use."""
    names: list[str] = []
    queue = [schema]
    while queue:
        for property_ in queue.pop(0).get("properties", {}).values():
            for name in _references(property_):
                definition = definitions[name]
                if name not in names and structural.is_own_type(definition) and "properties" in definition:
                    names.append(name)
                    queue.append(definition)
    return names


def _references(schema: Schema) -> Iterator[str]:
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
    for inner in [*schema.get("anyOf", ()), schema.get("items"), schema.get("additionalProperties")]:
        if isinstance(inner, dict):
            yield from _references(inner)


def _type(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(branch, definitions) for branch in schema["anyOf"] if branch.get("type") != "null")
    if "$ref" in schema:
        return _referenced_type(schema["$ref"].rpartition("/")[2], definitions)
    if "items" in schema:
        return f"list of {_type(schema['items'], definitions)}"
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map of {_type(schema['additionalProperties'], definitions)}"
    return str(schema.get("type", "any"))


def _referenced_type(name: str, definitions: Mapping[str, Schema]) -> str:
    definition = definitions[name]
    if "enum" in definition:
        return " or ".join(f"`{value}`" for value in definition["enum"])
    if not structural.is_own_type(definition):
        return _kubernetes_link(definition[structural.TYPE_TAG]["name"])
    return f"[{name}](#{name.lower()})" if "properties" in definition else "object without fields"


def _kubernetes_link(python_name: str) -> str:
    name = python_name.removeprefix("V1")
    return f"[{name}]({KUBERNETES}#{name.lower()}-v1-{GROUPS.get(python_name, 'core')})"


def _default(value: Any, description: str) -> str:
    """Return the default, or nothing if the description names it."""
    if not isinstance(value, str | int) or value == "" or structural.DEFAULT_PREFIX in description:
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _line(description: str) -> str:
    return " ".join(description.partition("Attributes:\n")[0].split())

"""Generate operator/appstack/api/kubernetes_1_33.py: schema rules of the Kubernetes types that the models use.

The source is the OpenAPI v3 document in the repository of Kubernetes, downloaded as a Go module. That document lacks
the enum values of strings; they are read from the Go code that the API server generates its own document from.
Run it when a model uses another Kubernetes type, and when the oldest supported version changes:

    make openapi-table
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from appstack.api import AppStackSpec, openapi
from appstack.api.structural import kubernetes_types

MODULE = "k8s.io/kubernetes"
VERSION = "v1.33.5"
TABLE = Path("operator/appstack/api/kubernetes_1_33.py")
SOURCES = "api__v1 apis__apps__v1 apis__batch__v1 apis__autoscaling__v2 apis__networking.k8s.io__v1 apis__policy__v1"
CODE = "pkg/generated/openapi/zz_generated.openapi.go"
_FUNCTION = re.compile(r"^func schema_k8sio_api_(?P<group>\w+)_(?P<version>v\w+)_(?P<kind>\w+)\(")
_PROPERTY = re.compile(r'^\t{5}"(?P<name>\w+)": \{$')
_ENUM = re.compile(r"^\t+Enum: +\[\]interface\{\}\{(?P<values>.*)\},$")
TEMPLATE_METADATA_FIELDS = ("annotations", "labels")
"""Fields of the metadata of an embedded template; the API server ignores or refuses all others."""

Schema = dict[str, Any]


def main() -> int:
    """Write the table and print its size and the types that the oldest server lacks. Return 0."""
    folder = _module_folder()
    schemas = _by_python_name(_documents(folder), _enums((folder / CODE).read_text(encoding="utf-8")))
    names = sorted(kubernetes_types(AppStackSpec))
    types = {name: _type_rules(schemas[name], schemas) for name in names if name in schemas}
    TABLE.write_text(_module_text(types), encoding="utf-8")
    print(f"Wrote {TABLE}: {len(types)} types of Kubernetes {VERSION}")
    for name in sorted(set(names) - types.keys()):
        print(f"Kubernetes {VERSION} has no type {name}: fields of this type are left out of the CRD")
    return 0


def _module_folder() -> Path:
    command = ["go", "mod", "download", "-json", f"{MODULE}@{VERSION}"]
    process = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd="/")
    return Path(json.loads(process.stdout)["Dir"])


def _documents(folder: Path) -> Iterator[Mapping[str, Schema]]:
    """Yield the schemas of each OpenAPI document, by schema name."""
    for name in SOURCES.split():
        file = folder / "api" / "openapi-spec" / "v3" / f"{name}_openapi.json"
        yield json.loads(file.read_text(encoding="utf-8"))["components"]["schemas"]


def _enums(code: str) -> dict[str, Schema]:
    """Return the enum values of strings and of list items, by schema name and property."""
    enums: dict[str, Schema] = {}
    kind = name = ""
    for line in code.splitlines():
        if match := _FUNCTION.match(line):
            kind = f"io.k8s.api.{match['group']}.{match['version']}.{match['kind']}"
        elif match := _PROPERTY.match(line):
            name = match["name"]
        elif match := _ENUM.match(line):
            enums.setdefault(kind, {})[name] = json.loads(f"[{match['values']}]")
    return enums


def _by_python_name(documents: Iterable[Mapping[str, Schema]], enums: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return the schemas by the names of the Python models: version and kind, also with the group as prefix."""
    by_name: dict[str, Schema] = {}
    for schemas in documents:
        for name, schema in schemas.items():
            for field, values in enums.get(name, {}).items():
                schema["properties"][field]["enum"] = values
            group, version, kind = name.split(".")[-3:]
            short = f"{version.capitalize()}{kind}"
            by_name.setdefault(short, schema)
            by_name.setdefault(f"{group.capitalize()}{short}", schema)
    return by_name


def _type_rules(schema: Schema, schemas: Mapping[str, Schema]) -> openapi.TypeRules:
    properties = schema["properties"]
    names = TEMPLATE_METADATA_FIELDS if "managedFields" in properties else sorted(properties)
    keys = _optional_keys(schema, schemas)
    fields = {
        name: _field_rule(name, properties[name], default=properties[name].get("default", "") if name in keys else None)
        for name in names
    }
    return openapi.TypeRules(fields, atomic=schema.get("x-kubernetes-map-type") == "atomic")


def _optional_keys(schema: Schema, schemas: Mapping[str, Schema]) -> set[str]:
    """Return the optional fields of a type that are merge keys of a list of that type."""
    lists = (
        property_
        for owner in schemas.values()
        for property_ in owner.get("properties", {}).values()
        if property_.get("x-kubernetes-list-type") == "map" and _item_schema(property_, schemas) is schema
    )
    keys = {key for property_ in lists for key in property_["x-kubernetes-list-map-keys"]}
    return keys - set(schema.get("required", ()))


def _reference(schema: Schema) -> str:
    return next((part["$ref"] for part in [schema, *schema.get("allOf", ())] if "$ref" in part), "")


def _item_schema(property_: Schema, schemas: Mapping[str, Schema]) -> Schema | None:
    parts = _reference(property_["items"]).rpartition("/")[2].split(".")[-3:]
    return schemas.get(f"{parts[0].capitalize()}{parts[1].capitalize()}{parts[2]}") if len(parts) == 3 else None


def _field_rule(name: str, property_: Schema, *, default: str | None) -> openapi.FieldRule:
    values = property_.get("additionalProperties", {}) if property_.get("type") == "object" else {}
    return openapi.FieldRule(
        name,
        list_type=property_.get("x-kubernetes-list-type", ""),
        keys=tuple(property_.get("x-kubernetes-list-map-keys", ())),
        atomic=property_.get("x-kubernetes-map-type") == "atomic",
        format=_format(property_) or _format(values),
        default=default,
        values=tuple(property_.get("enum", ())),
    )


_FORMATS = {"Quantity": "quantity", "IntOrString": "int-or-string", "Time": "date-time", "MicroTime": "date-time"}


def _format(schema: Schema) -> str:
    type_name = _reference(schema).rpartition(".")[2]
    return _FORMATS.get(type_name) or str(schema.get("format", ""))


def _module_text(types: Mapping[str, openapi.TypeRules]) -> str:
    lines = "".join(f'    "{name}": "{rules}",\n' for name, rules in sorted(types.items()))
    return f'''"""Schema rules of the types of Kubernetes {VERSION}; `openapi` documents the format.

Generated by `make openapi-table` from {MODULE}. Do not edit: change tools/openapi_table.py.
"""

# ruff: noqa: E501

from __future__ import annotations

from typing import Final

# fmt: off
TYPES: Final[dict[str, str]] = {{
{lines}}}
'''


if __name__ == "__main__":
    sys.exit(main())

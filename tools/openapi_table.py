"""Write operator/appstack/api/kubernetes_1_33.py: what the oldest supported API server says of the types that we embed.

The source is the OpenAPI v3 document that Kubernetes' own repository carries, taken as a Go module: the way in which
this project gets every program of Kubernetes. What values a string may have is left out there, and stands in the Go
code that the API server serves its own document from. Run it after the model took in another of Kubernetes' types, or
when the oldest supported version moves:

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
KIND = re.compile(r"^func schema_k8sio_api_(?P<group>\w+)_(?P<version>v\w+)_(?P<kind>\w+)\(")
PROPERTY = re.compile(r'^\t{5}"(?P<name>\w+)": \{$')
VALUES = re.compile(r"^\t+Enum: +\[\]interface\{\}\{(?P<values>.*)\},$")
IN_TEMPLATES = ("annotations", "labels")
"""All that the metadata of a template inside a spec may have: the API server refuses the rest there."""

Schema = dict[str, Any]


def main() -> int:
    """Write the table and say what is in it."""
    folder = _module_folder()
    schemas = _by_python_name(_documents(folder), _enums((folder / CODE).read_text(encoding="utf-8")))
    wanted = sorted(kubernetes_types(AppStackSpec))
    types = {name: _type(schemas[name], schemas) for name in wanted if name in schemas}
    TABLE.write_text(_module(types), encoding="utf-8")
    print(f"{TABLE}: {len(types)} types of Kubernetes {VERSION}")
    for name in sorted(set(wanted) - types.keys()):
        print(f"{name} is unknown to it: fields of that type are not offered")
    return 0


def _module_folder() -> Path:
    command = ["go", "mod", "download", "-json", f"{MODULE}@{VERSION}"]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd="/")
    return Path(json.loads(answer.stdout)["Dir"])


def _documents(folder: Path) -> Iterator[Mapping[str, Schema]]:
    """Yield the schemas of each OpenAPI document, by their names there."""
    for name in SOURCES.split():
        file = folder / "api" / "openapi-spec" / "v3" / f"{name}_openapi.json"
        yield json.loads(file.read_text(encoding="utf-8"))["components"]["schemas"]


def _enums(code: str) -> dict[str, Schema]:
    """Return, by type as the documents name it and by property, the values that a string, or a list's items, may be."""
    found: dict[str, Schema] = {}
    kind = name = ""
    for line in code.splitlines():
        if match := KIND.match(line):
            kind = f"io.k8s.api.{match['group']}.{match['version']}.{match['kind']}"
        elif match := PROPERTY.match(line):
            name = match["name"]
        elif match := VALUES.match(line):
            found.setdefault(kind, {})[name] = json.loads(f"[{match['values']}]")
    return found


def _by_python_name(documents: Iterable[Mapping[str, Schema]], enums: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return the schemas by the names that the Python client gives them: version and kind, then with the group."""
    found: dict[str, Schema] = {}
    for schemas in documents:
        for name, schema in schemas.items():
            for field, values in enums.get(name, {}).items():
                schema["properties"][field]["enum"] = values
            group, version, kind = name.split(".")[-3:]
            short = f"{version.capitalize()}{kind}"
            found.setdefault(short, schema)
            found.setdefault(f"{group.capitalize()}{short}", schema)
    return found


def _type(schema: Schema, schemas: Mapping[str, Schema]) -> openapi.Type:
    properties = schema["properties"]
    names = IN_TEMPLATES if "managedFields" in properties else sorted(properties)
    keys = _keys_without_requirement(schema, schemas)
    fields = {
        name: _field(name, properties[name], default=properties[name].get("default", "") if name in keys else None)
        for name in names
    }
    return openapi.Type(fields, atomic=schema.get("x-kubernetes-map-type") == "atomic")


def _keys_without_requirement(schema: Schema, schemas: Mapping[str, Schema]) -> set[str]:
    """Return the fields of a type that are keys of some list of it, and may be left out."""
    lists = (
        property_
        for other in schemas.values()
        for property_ in other.get("properties", {}).values()
        if property_.get("x-kubernetes-list-type") == "map" and _target(property_, schemas) is schema
    )
    keys = {key for property_ in lists for key in property_["x-kubernetes-list-map-keys"]}
    return keys - set(schema.get("required", ()))


def _reference(schema: Schema) -> str:
    return next((one["$ref"] for one in [schema, *schema.get("allOf", ())] if "$ref" in one), "")


def _target(property_: Schema, schemas: Mapping[str, Schema]) -> Schema | None:
    parts = _reference(property_["items"]).rpartition("/")[2].split(".")[-3:]
    return schemas.get(f"{parts[0].capitalize()}{parts[1].capitalize()}{parts[2]}") if len(parts) == 3 else None


def _field(name: str, property_: Schema, *, default: str | None) -> openapi.Field:
    values = property_.get("additionalProperties", {}) if property_.get("type") == "object" else {}
    return openapi.Field(
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
    kind = _reference(schema).rpartition(".")[2]
    return _FORMATS.get(kind) or str(schema.get("format", ""))


def _module(types: Mapping[str, openapi.Type]) -> str:
    lines = "".join(f'    "{name}": "{type_}",\n' for name, type_ in sorted(types.items()))
    return f'''"""What Kubernetes {VERSION} says of its types; `openapi` tells how to read it. PURE.

Written by `make openapi-table` from {MODULE}: change tools/openapi_table.py, not this file.
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

"""The JSON schema of the chart's values, generated from the operator's settings: `python -m tools.chart`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from appstack.settings import Settings

CHART = Path(__file__).resolve().parent.parent / "deploy/appstack"
SCHEMA = CHART / "values.schema.json"


_BOUNDS = {
    "specSize": {
        "type": "boolean",
        "description": "A spec has at most 64 KiB without the contents of files and nginx texts.",
    },
    "leases": {
        "type": "boolean",
        "description": "Leases with the label of an operator are written by operators only.",
    },
}
"""Values of the admission policies in bounds.yaml."""


def settings_schema() -> dict[str, Any]:
    """Return the schema of `settings:`, which is that of the operator's settings model."""
    schema: dict[str, Any] = _without_titles(Settings.model_json_schema(by_alias=True))
    schema["description"] = "The operator's own settings, one to one."
    return schema


def values_schema() -> str:
    """Return the content of values.schema.json: written by hand but for `settings`, its definitions and `_BOUNDS`."""
    schema = json.loads(SCHEMA.read_text())
    settings = settings_schema()
    schema["$defs"] = settings.pop("$defs")  # references start at the root of the document
    schema["properties"]["settings"] = settings
    schema["properties"]["admission"]["properties"] |= _BOUNDS
    return json.dumps(schema, indent=2) + "\n"


def _without_titles(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_titles(value) for key, value in node.items() if key != "title"}
    if isinstance(node, list):
        return [_without_titles(value) for value in node]
    return node


if __name__ == "__main__":
    SCHEMA.write_text(values_schema())

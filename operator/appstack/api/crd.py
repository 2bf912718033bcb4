"""The AppStack CustomResourceDefinition, generated from the models."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from appstack.api.bounds import Schema
from appstack.api.files import MAX_CONTENT_BYTES
from appstack.api.normalization import spec_schema
from appstack.api.status import Status
from appstack.api.structural import OWN_BLOCK, structural_schema
from appstack.k8s import metadata as meta

UNOBSERVED: Final = {"observedGeneration": -1}
"""Default status of an AppStack before its first reconcile: kstatus takes an object without status for Current."""

_MAX_FILE_CHARACTERS: Final = MAX_CONTENT_BYTES * 33 // 32  # 3 % more, for the line ends of base64
FILE_CONTENTS_RULE: Final = {
    "rule": "!has(self.files) || self.files.map(f, (has(f.content) ? f.content.size() * 4 : 0) + "
    f"(has(f.base64) ? f.base64.size() * 3 : 0)).sum() <= {4 * _MAX_FILE_CHARACTERS}",
    "message": f"files: the contents of all files have more than {MAX_CONTENT_BYTES} bytes",
}
"""The CEL rule that bounds the size of an AppStack at admission. CEL counts characters; validation counts bytes."""

PRINTER_COLUMNS: Final = (
    # name, type, jsonPath, priority: 0 is always shown, 1 only with `-o wide`
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 0),
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', 0),
    ("Pods", "integer", ".status.replicas", 0),
    ("Pods Ready", "integer", ".status.readyReplicas", 0),
    ("URL", "string", ".status.endpoints[0].url", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Image", "string", ".spec.backend.image", 1),
    ("Message", "string", '.status.conditions[?(@.type=="Ready")].message', 1),
)


def definition() -> Schema:
    """Return the CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{meta.PLURAL}.{meta.GROUP}"},
        "spec": {
            "group": meta.GROUP,
            "names": {
                "kind": meta.KIND,
                "listKind": f"{meta.KIND}List",
                "plural": meta.PLURAL,
                "singular": meta.KIND.lower(),
                "shortNames": ["aps"],
                "categories": ["all", "appstack"],
            },
            "scope": "Namespaced",
            "versions": [_version()],
        },
    }


def _version() -> Schema:
    columns = (dict(zip(("name", "type", "jsonPath", "priority"), column, strict=True)) for column in PRINTER_COLUMNS)
    return {
        "name": meta.VERSION,
        "served": True,
        "storage": True,
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [_without_default_priority(column) for column in columns],
        "schema": {"openAPIV3Schema": root_schema()},
    }


def _without_default_priority(column: Schema) -> Schema:
    return {key: value for key, value in column.items() if value != 0}


def _without_marks(schema: Any) -> Any:
    """Return a schema without the keys that only AppStack understands."""
    if isinstance(schema, list):
        return [_without_marks(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _without_marks(value) for key, value in schema.items() if key != OWN_BLOCK}


@cache
def root_schema() -> Schema:
    """Return the structural schema of an AppStack, with metadata, spec and status."""
    return {
        "description": "An AppStack runs one application: a workload with its files, volumes, Service and routes.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": {**_without_marks(spec_schema()), "x-kubernetes-validations": [FILE_CONTENTS_RULE]},
            "status": {**_without_marks(structural_schema(Status)), "default": UNOBSERVED},
        },
        "x-kubernetes-validations": [
            {
                "rule": f"self.metadata.name.size() <= {meta.MAX_NAME_LENGTH}",
                "message": f"metadata.name: must have at most {meta.MAX_NAME_LENGTH} characters",
            }
        ],
    }

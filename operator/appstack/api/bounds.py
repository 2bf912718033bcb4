"""Maximum lengths of the strings, lists and maps of Kubernetes types, which Kubernetes itself leaves open.

They bound the cost of a spec at admission. Each is far above what Kubernetes runs, and together they exceed the limit
of a whole spec in `size`, so that a spec is refused by one of them only if it is made to be expensive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from appstack.api.size import MAX_SPEC_BYTES

Schema = dict[str, Any]

MAX_LENGTH: Final = 1024
"""Maximum length of names, paths and other short texts, for example of a mountPath; Kubernetes' names have 253."""

MAX_ITEMS: Final = 2048
"""Maximum number of items of a list."""

MAX_PROPERTIES: Final = 1024
"""Maximum number of keys of a map."""

_FREE_TEXTS: Final = frozenset(
    {"annotations", "args", "command", "gmsaCredentialSpec", "options", "value", "volumeAttributes"}
)
"""Fields that may hold a text as long as a spec, for example a script."""

_MAX_ITEMS_OF: Final[Mapping[str, int]] = {"metrics": 64}  # each applies to each of 64 containers


def with_bounds(name: str, node: Schema) -> Schema:
    """Return the structural schema of a field of a Kubernetes type, with a maximum where the schema has none."""
    match node.get("type"):
        case "string" if not {"enum", "maxLength"} & node.keys():
            return {**node, "maxLength": MAX_SPEC_BYTES if name in _FREE_TEXTS else MAX_LENGTH}
        case "array":
            bound = {} if "maxItems" in node else {"maxItems": _MAX_ITEMS_OF.get(name, MAX_ITEMS)}
            return {**node, **bound, "items": with_bounds(name, node["items"])}
        case "object" if "additionalProperties" in node:
            values = with_bounds(name, node["additionalProperties"])
            return {**node, "maxProperties": MAX_PROPERTIES, "additionalProperties": values}
        case _:
            return node

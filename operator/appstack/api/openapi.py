"""Schema rules of Kubernetes types that the Python client's models lack: list merging, formats, enums, defaults.

The rules come from the oldest supported API server. `make openapi-table` writes them to `kubernetes_1_33.TYPES`, one
line for each type. A line has one token for each field, the field's name followed by its rules:

    ports[containerPort,protocol]   a list that merges by these keys; `[]` is an atomic list, `[=]` a set
    nodeSelector{}                  a map that is replaced as a whole; a lone `{}` says so of the type itself
    periodSeconds:int32             a format: also quantity, int-or-string and date-time
    whenScaled<Delete|Retain>       the allowed values of a string, or of a list's items
    protocol=TCP                    a default, only of list map keys: a key must be required or have a default
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from appstack.api.kubernetes_1_33 import TYPES

_TOKEN: Final = re.compile(
    r"(?P<name>\w+)(?:\[(?P<keys>[^\]]*)\])?(?P<atomic>\{\})?(?::(?P<format>[\w-]+))?"
    r"(?:<(?P<values>[^>]*)>)?(?:=(?P<default>.*))?"
)
_ATOMIC: Final = "{}"


@dataclass(frozen=True, slots=True)
class FieldRule:
    """The API server's schema rules for a field."""

    name: str
    list_type: str = ""  # atomic, set or map; empty if the field is not a list
    keys: tuple[str, ...] = ()
    atomic: bool = False  # a map that is replaced as a whole
    format: str = ""
    default: str | None = None
    values: tuple[str, ...] = ()  # allowed values of a string, or of a list's items

    def __str__(self) -> str:
        """Return the rule as a token of the table."""
        brackets = {"": "", "atomic": "[]", "set": "[=]", "map": f"[{','.join(self.keys)}]"}[self.list_type]
        format_ = f":{self.format}" if self.format else ""
        values = f"<{'|'.join(self.values)}>" if self.values else ""
        default = "" if self.default is None else f"={self.default}"
        return f"{self.name}{brackets}{_ATOMIC if self.atomic else ''}{format_}{values}{default}"

    @classmethod
    def parse(cls, token: str) -> FieldRule:
        """Return the rule that a token of the table stands for; raise ValueError if it is malformed."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise ValueError(f"Malformed token {token!r} in the table of Kubernetes types: run make openapi-table")
        keys = match["keys"]
        has_keys = keys not in (None, "", "=")
        return cls(
            match["name"],
            list_type={None: "", "": "atomic", "=": "set"}.get(keys, "map"),
            keys=tuple(keys.split(",")) if has_keys else (),
            atomic=match["atomic"] is not None,
            format=match["format"] or "",
            default=match["default"],
            values=tuple(match["values"].split("|")) if match["values"] is not None else (),
        )


@dataclass(frozen=True, slots=True)
class TypeRules:
    """The API server's schema rules for a type, by field name."""

    fields: Mapping[str, FieldRule]
    atomic: bool = False  # replaced as a whole

    def __str__(self) -> str:
        """Return the rules as a line of the table."""
        return " ".join([*([_ATOMIC] if self.atomic else []), *map(str, self.fields.values())])

    @classmethod
    def parse(cls, line: str) -> TypeRules:
        """Return the rules that a line of the table stands for."""
        tokens = line.split()
        fields = [FieldRule.parse(token) for token in tokens if token != _ATOMIC]
        return cls({field.name: field for field in fields}, atomic=_ATOMIC in tokens)


@cache
def rules_of_type(name: str) -> TypeRules | None:
    """Return the rules of a type, given the name of its Python model; None if the oldest server lacks the type."""
    return TypeRules.parse(TYPES[name]) if name in TYPES else None

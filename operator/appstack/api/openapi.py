"""What the oldest supported API server says of Kubernetes' types that the client's Python models don't. PURE.

`kubernetes_1_33.TYPES` is the table, written by `make openapi-table`: one line of words for each type. A word is a
field's name and what its schema needs beyond that name:

    ports[containerPort,protocol]   a list that merges by these keys; `[]` is atomic and `[=]` a set
    nodeSelector{}                  a map that is replaced as a whole; alone, `{}` says so of the type itself
    periodSeconds:int32             a format: also quantity, int-or-string and date-time
    whenScaled<Delete|Retain>       the values that a string, or a list's items, may have
    protocol=TCP                    a default: only of a field that is a key, as keys need one or must be required
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from appstack.api.kubernetes_1_33 import TYPES

_WORD: Final = re.compile(
    r"(?P<name>\w+)(?:\[(?P<keys>[^\]]*)\])?(?P<atomic>\{\})?(?::(?P<format>[\w-]+))?"
    r"(?:<(?P<values>[^>]*)>)?(?:=(?P<default>.*))?"
)
_WHOLE: Final = "{}"


@dataclass(frozen=True, slots=True)
class Field:
    """What the API server's schema says of a field."""

    name: str
    list_type: str = ""  # atomic, set or map; empty when it is no list
    keys: tuple[str, ...] = ()
    atomic: bool = False  # a map that is replaced as a whole
    format: str = ""
    default: str | None = None
    values: tuple[str, ...] = ()  # all that a string, or a list's items, may be

    def __str__(self) -> str:
        """Return the word of the table."""
        brackets = {"": "", "atomic": "[]", "set": "[=]", "map": f"[{','.join(self.keys)}]"}[self.list_type]
        form = f":{self.format}" if self.format else ""
        values = f"<{'|'.join(self.values)}>" if self.values else ""
        default = "" if self.default is None else f"={self.default}"
        return f"{self.name}{brackets}{_WHOLE if self.atomic else ''}{form}{values}{default}"

    @classmethod
    def parse(cls, word: str) -> Field:
        """Return what a word of the table says."""
        match = _WORD.fullmatch(word)
        if match is None:
            raise ValueError(f"{word!r} is no word of the table: run make openapi-table")
        keys = match["keys"]
        named = keys not in (None, "", "=")
        return cls(
            match["name"],
            list_type={None: "", "": "atomic", "=": "set"}.get(keys, "map"),
            keys=tuple(keys.split(",")) if named else (),
            atomic=match["atomic"] is not None,
            format=match["format"] or "",
            default=match["default"],
            values=tuple(match["values"].split("|")) if match["values"] is not None else (),
        )


@dataclass(frozen=True, slots=True)
class Type:
    """What the API server's schema says of a type."""

    fields: Mapping[str, Field]
    atomic: bool = False

    def __str__(self) -> str:
        """Return the line of the table."""
        return " ".join([*([_WHOLE] if self.atomic else []), *map(str, self.fields.values())])

    @classmethod
    def parse(cls, line: str) -> Type:
        """Return what a line of the table says."""
        words = line.split()
        fields = [Field.parse(word) for word in words if word != _WHOLE]
        return cls({field.name: field for field in fields}, atomic=_WHOLE in words)


@cache
def type_named(name: str) -> Type | None:
    """Return a type by the name of its Python model; None when the oldest server does not have it."""
    return Type.parse(TYPES[name]) if name in TYPES else None

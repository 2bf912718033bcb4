"""Notes of a conversion: one for each field that is not rendered exactly as the source has it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydantic_core import to_json

from appstack.k8s.text import truncate

_MAX_VALUE: Final = 60  # characters of a value in a note


class NoteKind(StrEnum):
    """The reason for a note."""

    CHANGED = "changed"
    """The AppStack has the field in another form."""
    ADDED = "added"
    """AppStack renders a field that the source does not have."""
    OMITTED = "omitted"
    """Nothing depends on the field any more."""
    KEPT = "kept"
    """The object stays outside the AppStack: continue to apply it."""
    UNSUPPORTED = "not converted"
    """An AppStack cannot contain the field or the object."""
    REQUIRED = "required"
    """The author has to provide a value."""
    REFUSED = "refused"
    """AppStack refuses the result."""


@dataclass(frozen=True, slots=True)
class Note:
    """One line about a conversion, with the field of the source and the field of the AppStack."""

    kind: NoteKind
    source: str  # for example `Deployment/web spec.strategy`
    target: str  # for example `AppStack/web spec.workload.deployment.strategy`; empty if there is none
    message: str

    def __str__(self) -> str:
        """Return the note as one line."""
        fields = f"{self.source} -> {self.target}" if self.target else self.source
        return f"{self.kind}: {fields}: {self.message}"


def short_value(value: Any) -> str:
    """Return a value as compact JSON, cut to a length that fits into a line."""
    text = value if isinstance(value, str) else to_json(value, serialize_unknown=True).decode()
    return truncate(" ".join(text.split()), limit=_MAX_VALUE)

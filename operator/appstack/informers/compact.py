"""Compact forms of stored objects: shared strings are interned, spec and status are kept as JSON text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from sys import intern
from typing import Any, Final

from pydantic_core import from_json, to_json

from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child


class CompactJSON(Mapping[str, Any]):
    """A JSON object as text, in a fifth of the memory. Each access parses it: `expand` it first."""

    __slots__ = ("_text",)

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._text = to_json(value)

    def __getitem__(self, key: str) -> Any:
        """Return a member."""
        return self.expand()[key]

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the members."""
        return iter(self.expand())

    def __len__(self) -> int:
        """Return the number of members."""
        return len(self.expand())

    def __eq__(self, other: object) -> bool:
        """Return whether both are the same JSON object, compact or not."""
        return self._text == other._text if isinstance(other, CompactJSON) else self.expand() == other

    __hash__ = None  # type: ignore[assignment]  # like a dict

    def expand(self) -> dict[str, Any]:
        """Return the object as a dict."""
        value: dict[str, Any] = from_json(self._text)
        return value


_EMPTY: Final = CompactJSON({})


def compact(child: Child) -> Child:
    """Return the object in its compact form."""
    ref = child.ref
    return replace(
        child,
        ref=Ref(ref.api_version, ref.kind, intern(ref.namespace), intern(ref.name)),
        stack=intern(child.stack),
        owner_uid=intern(child.owner_uid),
        owner_stack=intern(child.owner_stack),
        created=intern(child.created),
        fields=intern(child.fields),
        files=intern(child.files),
        spec=_compact(child.spec),
        status=_compact(child.status),
    )


def expand(child: Child) -> Child:
    """Return the object with spec and status as dicts."""
    if child.spec is _EMPTY and child.status is _EMPTY:
        return child
    return replace(child, spec=_expand(child.spec), status=_expand(child.status))


def _compact(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return value if isinstance(value, CompactJSON) else CompactJSON(value) if value else _EMPTY


def _expand(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return value.expand() if isinstance(value, CompactJSON) else value

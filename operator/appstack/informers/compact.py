"""Children in little memory: what many of them share is held once, and what is seldom read is held as text. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from sys import intern
from typing import Any, Final

from pydantic_core import from_json, to_json

from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child


class CompactJSON(Mapping[str, Any]):
    """A JSON object as its text: a fifth of the memory. Every access reads it anew, so `whole` it first."""

    __slots__ = ("_text",)

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._text = to_json(value)

    def __getitem__(self, key: str) -> Any:
        """Return a member."""
        return self.expand()[key]

    def __iter__(self) -> Iterator[str]:
        """Yield the members' names."""
        return iter(self.expand())

    def __len__(self) -> int:
        """How many members it has."""
        return len(self.expand())

    def __eq__(self, other: object) -> bool:
        """Tell whether it is the same object, packed or not."""
        return self._text == other._text if isinstance(other, CompactJSON) else self.expand() == other

    __hash__ = None  # type: ignore[assignment]  # as a dict

    def expand(self) -> dict[str, Any]:
        """Return it as it was."""
        value: dict[str, Any] = from_json(self._text)
        return value


_EMPTY: Final = CompactJSON({})


def compact(child: Child) -> Child:
    """Return the same child in little memory."""
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
    """Return the same child, quick to read."""
    if child.spec is _EMPTY and child.status is _EMPTY:
        return child
    return replace(child, spec=_expand(child.spec), status=_expand(child.status))


def _compact(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return value if isinstance(value, CompactJSON) else CompactJSON(value) if value else _EMPTY


def _expand(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return value.expand() if isinstance(value, CompactJSON) else value

"""Children in little memory: what many of them share is held once, and what is seldom read is held as text. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from sys import intern
from typing import Any, Final

from pydantic_core import from_json, to_json

from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child


class Packed(Mapping[str, Any]):
    """A JSON object as its text: a fifth of the memory. Every access reads it anew, so `whole` it first."""

    __slots__ = ("_text",)

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._text = to_json(value)

    def __getitem__(self, key: str) -> Any:
        """Return a member."""
        return self.whole()[key]

    def __iter__(self) -> Iterator[str]:
        """Yield the members' names."""
        return iter(self.whole())

    def __len__(self) -> int:
        """How many members it has."""
        return len(self.whole())

    def __eq__(self, other: object) -> bool:
        """Tell whether it is the same object, packed or not."""
        return self._text == other._text if isinstance(other, Packed) else self.whole() == other

    __hash__ = None  # type: ignore[assignment]  # as a dict

    def whole(self) -> dict[str, Any]:
        """Return it as it was."""
        value: dict[str, Any] = from_json(self._text)
        return value


_EMPTY: Final = Packed({})


def packed(child: Child) -> Child:
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
        spec=_packed(child.spec),
        status=_packed(child.status),
    )


def whole(child: Child) -> Child:
    """Return the same child, quick to read."""
    if child.spec is _EMPTY and child.status is _EMPTY:
        return child
    return replace(child, spec=_whole(child.spec), status=_whole(child.status))


def _packed(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return value if isinstance(value, Packed) else Packed(value) if value else _EMPTY


def _whole(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return value.whole() if isinstance(value, Packed) else value

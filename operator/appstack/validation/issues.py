"""Constructors for the issues that several checks report."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

from appstack.errors import ValidationIssue
from appstack.k8s.metadata import RESERVED_PREFIX

Item = TypeVar("Item")


def duplicate_issues(
    items: Iterable[tuple[str, Item]], *, key: Callable[[Item], Hashable], describe: Callable[[Item], str]
) -> Iterator[ValidationIssue]:
    """Yield an issue for each item with the key of an earlier item; `items` are pairs of field and item."""
    first_fields: dict[Hashable, str] = {}
    for field, item in items:
        first_field = first_fields.setdefault(key(item), field)
        if first_field != field:
            message = f"{describe(item)} is already defined at {first_field}"
            yield ValidationIssue(field, message, "remove one of the two")


def enum_issues(field: str, value: str | None, allowed: tuple[str, ...], *, noun: str) -> Iterator[ValidationIssue]:
    """Yield an issue if the value is set and is not one of the allowed values; `noun` names it: "a strategy"."""
    if value is not None and value not in allowed:
        hint = f"use {', '.join(allowed[:-1])} or {allowed[-1]}"
        yield ValidationIssue(field, f"{value!r} is not {noun}", hint)


def reserved_name_issue(field: str) -> ValidationIssue:
    """Return the issue for a name with the prefix that AppStack keeps for its own containers, volumes and ports."""
    return ValidationIssue(
        field, f"names that start with {RESERVED_PREFIX!r} are reserved for AppStack", "choose another name"
    )


def available_hint(names: Iterable[str], *, if_none: str) -> str:
    """Return a hint that lists the names that exist, or `if_none` if the list is empty."""
    listed = ", ".join(dict.fromkeys(names))
    return f"use one of: {listed}" if listed else if_none

"""Constructors for the issues that several checks report."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Final, TypeVar

from appstack.errors import ValidationIssue
from appstack.k8s.metadata import RESERVED_PREFIX

Item = TypeVar("Item")

MAX_LISTED_NAMES: Final = 20
"""A hint is part of every issue of its kind, so a long one would be repeated often."""


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
    """Return a hint that lists names that exist, and the number of those it leaves out, or `if_none` without a name."""
    distinct = list(dict.fromkeys(names))
    omitted = len(distinct) - MAX_LISTED_NAMES
    listed = ", ".join(distinct[:MAX_LISTED_NAMES])
    more = f" and {omitted} more" if omitted > 0 else ""
    return f"use one of: {listed}{more}" if listed else if_none

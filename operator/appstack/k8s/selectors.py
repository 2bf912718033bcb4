"""Label selectors: parsing, matching, and whether two of them are disjoint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_ABSENT: Final = None  # the value of a label that an object does not have
_NAME: Final = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_KEY: Final = rf"(?:{_NAME}/)?{_NAME}"
_SET_BASED: Final = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)")
_EQUALITY_BASED: Final = re.compile(rf"({_KEY})\s*(=|==|!=)\s*((?:{_NAME})?)")
_EXISTS: Final = re.compile(rf"(!?)\s*({_KEY})")
_COMMA: Final = re.compile(r",(?![^()]*\))")  # not within the parentheses of a set


@dataclass(frozen=True, slots=True)
class Requirement:
    """Condition on one label: its value is among `values`, or is not; None stands for an absent label."""

    key: str
    values: frozenset[str | None]
    included: bool

    def matches(self, value: str | None) -> bool:
        """Return whether a value of the label meets the requirement."""
        return (value in self.values) is self.included


Selector = tuple[Requirement, ...]
"""An object must meet all requirements; a selector without any matches every object."""


def parse(text: str) -> Selector:
    """Return the selector in the notation of `kubectl get --selector`; raise ValueError for any other text."""
    return tuple(_requirement(part.strip()) for part in _COMMA.split(text)) if text.strip() else ()


def _requirement(part: str) -> Requirement:
    if found := _SET_BASED.fullmatch(part):
        values = frozenset(value.strip() for value in found[3].split(","))
        invalid = [value for value in values if not re.fullmatch(rf"(?:{_NAME})?", value)]
        if not invalid:
            return Requirement(found[1], frozenset[str | None](values), included=found[2] == "in")
    elif found := _EQUALITY_BASED.fullmatch(part):
        return Requirement(found[1], frozenset({found[3]}), included=found[2] != "!=")
    elif found := _EXISTS.fullmatch(part):
        return Requirement(found[2], frozenset({_ABSENT}), included=found[1] == "!")
    raise ValueError(
        f"{part!r} is not a requirement of a label selector: "
        "write key=value, key!=value, key in (a,b), key notin (a,b), key or !key"
    )


def matches(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Return whether a selector matches an object with these labels."""
    return all(requirement.matches(labels.get(requirement.key, _ABSENT)) for requirement in selector)


def disjoint(one: Selector, other: Selector) -> bool:
    """Return whether no object can match both selectors: their requirements leave no value for some label."""
    return any(not _satisfiable(requirements) for requirements in _by_key((*one, *other)))


def _by_key(selector: Selector) -> Iterator[list[Requirement]]:
    for key in {requirement.key for requirement in selector}:
        yield [requirement for requirement in selector if requirement.key == key]


def _satisfiable(requirements: Iterable[Requirement]) -> bool:
    """Return whether a value meets all requirements; exclusions alone always leave one."""
    requirements = tuple(requirements)
    inclusion = next((each for each in requirements if each.included), None)
    return inclusion is None or any(all(each.matches(value) for each in requirements) for value in inclusion.values)

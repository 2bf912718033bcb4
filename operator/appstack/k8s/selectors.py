"""Kubernetes' label selectors: what they match, and whether two can match one object. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_ABSENT: Final = None  # the value of a label that is not there
_NAME: Final = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_KEY: Final = rf"(?:{_NAME}/)?{_NAME}"
_SET: Final = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)")
_EQUALS: Final = re.compile(rf"({_KEY})\s*(=|==|!=)\s*((?:{_NAME})?)")
_EXISTS: Final = re.compile(rf"(!?)\s*({_KEY})")
_COMMA: Final = re.compile(r",(?![^()]*\))")  # not within the parentheses of a set


@dataclass(frozen=True, slots=True)
class Requirement:
    """Which values of a label are taken: these, or all but these; no label at all is a value, too."""

    key: str
    values: frozenset[str | None]
    inside: bool

    def takes(self, value: str | None) -> bool:
        """Tell whether it takes a value."""
        return (value in self.values) is self.inside


Selector = tuple[Requirement, ...]
"""All of them must take what is there; none: everything is taken."""


def parse(text: str) -> Selector:
    """Return the selector that a text says, as `kubectl get --selector` takes it; raise ValueError where it is none."""
    return tuple(_requirement(part.strip()) for part in _COMMA.split(text)) if text.strip() else ()


def _requirement(part: str) -> Requirement:
    if found := _SET.fullmatch(part):
        values = frozenset(value.strip() for value in found[3].split(","))
        wrong = [value for value in values if not re.fullmatch(rf"(?:{_NAME})?", value)]
        if not wrong:
            return Requirement(found[1], frozenset[str | None](values), inside=found[2] == "in")
    elif found := _EQUALS.fullmatch(part):
        return Requirement(found[1], frozenset({found[3]}), inside=found[2] != "!=")
    elif found := _EXISTS.fullmatch(part):
        return Requirement(found[2], frozenset({_ABSENT}), inside=found[1] == "!")
    raise ValueError(f"{part!r} is no part of a label selector: write key=value, key in (a,b), key notin (a,b) or !key")


def matches(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Tell whether an object with these labels is selected."""
    return all(each.takes(labels.get(each.key, _ABSENT)) for each in selector)


def disjoint(one: Selector, other: Selector) -> bool:
    """Tell whether no object can ever be selected by both: for one label they leave no value."""
    return any(not _possible(requirements) for requirements in _by_key((*one, *other)))


def _by_key(selector: Selector) -> Iterator[list[Requirement]]:
    for key in {each.key for each in selector}:
        yield [each for each in selector if each.key == key]


def _possible(requirements: Iterable[Requirement]) -> bool:
    """Tell whether a value is left; where nothing is asked to be inside, there is always another one."""
    requirements = tuple(requirements)
    inside = next((each for each in requirements if each.inside), None)
    return inside is None or any(all(each.takes(value) for each in requirements) for value in inside.values)

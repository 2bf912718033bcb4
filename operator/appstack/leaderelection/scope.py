"""The namespaces that an operator reconciles, and whether two such scopes overlap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from appstack.k8s.selectors import Selector, disjoint, parse

_ANY_CHARACTER: Final = ""  # the token of `?` and `[…]`
_STAR: Final = "*"


@dataclass(frozen=True, slots=True)
class Scope:
    """Namespace patterns and label selector from the settings. An empty `namespaces` selects all namespaces."""

    namespaces: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    selector: str = ""  # label selector for namespaces

    def __str__(self) -> str:
        """Return the scope as a noun phrase for messages."""
        names = ", ".join(self.namespaces) if self.namespaces else "all namespaces"
        named = f"{names} except {', '.join(self.excluded)}" if self.excluded else names
        return f"{named} labelled {self.selector}" if self.selector else named

    @property
    def labels(self) -> Selector:
        """The parsed selector. An invalid selector selects every namespace, so that a conflict is not overlooked."""
        try:
            return parse(self.selector)
        except ValueError:
            return ()

    @property
    def patterns(self) -> tuple[str, ...]:
        """The name patterns, at least one."""
        return self.namespaces or (_STAR,)


def overlap(one: Scope, other: Scope) -> bool:
    """Return whether a namespace could be in both scopes. Scopes overlap unless it is certain that they do not."""
    if disjoint(one.labels, other.labels):
        return False
    excluded = (*one.excluded, *other.excluded)
    return any(
        patterns_overlap(left, right) and not _is_excluded(left, excluded) and not _is_excluded(right, excluded)
        for left in one.patterns
        for right in other.patterns
    )


def _is_excluded(pattern: str, exclusions: Iterable[str]) -> bool:
    """Return whether it is certain that every name that matches the pattern is excluded."""
    return any(exclusion == pattern or _contains(exclusion, pattern) for exclusion in exclusions)


def _contains(outer: str, inner: str) -> bool:
    """Return whether `outer` matches every name that `inner` matches; False if that is uncertain.

    The text of `inner` is matched as if it were a name: a star of `outer` covers any part of it, including its stars.
    """
    if "?" in outer or "[" in outer:
        return False
    return _matches(outer.split(_STAR), inner)


def _matches(parts: Sequence[str], text: str) -> bool:
    if len(parts) == 1:
        return parts[0] == text
    first, *middle, last = parts
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    position, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def patterns_overlap(one: str, other: str) -> bool:
    """Return whether a name could match both patterns. A `[…]` counts as any one character."""
    left, right = _tokens(one), _tokens(other)

    @cache
    def tails_overlap(i: int, j: int) -> bool:
        if i == len(left) and j == len(right):
            return True
        if i < len(left) and left[i] == _STAR:
            return tails_overlap(i + 1, j) or (j < len(right) and tails_overlap(i, j + 1))
        if j < len(right) and right[j] == _STAR:
            return tails_overlap(i, j + 1) or (i < len(left) and tails_overlap(i + 1, j))
        if i == len(left) or j == len(right):
            return False
        same = left[i] == right[j] or _ANY_CHARACTER in (left[i], right[j])
        return same and tails_overlap(i + 1, j + 1)

    return tails_overlap(0, 0)


def _tokens(pattern: str) -> list[str]:
    tokens, position = [], 0
    while position < len(pattern):
        end = pattern.find("]", position + 2) if pattern[position] == "[" else -1
        if end > 0 or pattern[position] == "?":
            tokens.append(_ANY_CHARACTER)
            position = max(end, position)
        else:
            tokens.append(pattern[position])
        position += 1
    return tokens

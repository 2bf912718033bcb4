"""Which namespaces an operator reconciles, and whether two operators could meet in one. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from appstack.k8s.selectors import Selector, disjoint, parse

_SINGLE: Final = ""  # a token for any one character
_STAR: Final = "*"


@dataclass(frozen=True, slots=True)
class Scope:
    """Patterns of namespaces, as the settings have them: no `namespaces` means all."""

    namespaces: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    selector: str = ""  # of the namespaces' labels

    def __str__(self) -> str:
        """The scope as a part of a sentence."""
        names = ", ".join(self.namespaces) if self.namespaces else "all namespaces"
        named = f"{names} except {', '.join(self.excluded)}" if self.excluded else names
        return f"{named} labelled {self.selector}" if self.selector else named

    @property
    def labels(self) -> Selector:
        """The selector; one that can't be read selects everything."""
        try:
            return parse(self.selector)
        except ValueError:
            return ()

    @property
    def patterns(self) -> tuple[str, ...]:
        """At least one pattern."""
        return self.namespaces or (_STAR,)


def overlap(one: Scope, other: Scope) -> bool:
    """Tell whether a namespace may exist that both reconcile; in doubt, yes."""
    if disjoint(one.labels, other.labels):
        return False
    excluded = (*one.excluded, *other.excluded)
    return any(
        meet(left, right) and not _covered(left, excluded) and not _covered(right, excluded)
        for left in one.patterns
        for right in other.patterns
    )


def _covered(pattern: str, by: Iterable[str]) -> bool:
    """Tell whether all that `pattern` matches is excluded: for sure, not perhaps."""
    return any(exclusion == pattern or _contains(exclusion, pattern) for exclusion in by)


def _contains(outer: str, inner: str) -> bool:
    """Tell whether `outer` matches whatever `inner` does: its stars swallow the text of the other, stars too."""
    if "?" in outer or "[" in outer:
        return False
    return _matches(outer.split(_STAR), inner)


def _matches(parts: Sequence[str], text: str) -> bool:
    if len(parts) == 1:
        return parts[0] == text
    first, *middle, last = parts
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    place, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def meet(one: str, other: str) -> bool:
    """Tell whether a name may exist that both patterns match; a `[…]` counts as any one character."""
    left, right = _tokens(one), _tokens(other)

    @cache
    def meets(i: int, j: int) -> bool:
        if i == len(left) and j == len(right):
            return True
        if i < len(left) and left[i] == _STAR:
            return meets(i + 1, j) or (j < len(right) and meets(i, j + 1))
        if j < len(right) and right[j] == _STAR:
            return meets(i, j + 1) or (i < len(left) and meets(i + 1, j))
        if i == len(left) or j == len(right):
            return False
        same = left[i] == right[j] or _SINGLE in (left[i], right[j])
        return same and meets(i + 1, j + 1)

    return meets(0, 0)


def _tokens(pattern: str) -> list[str]:
    tokens, place = [], 0
    while place < len(pattern):
        end = pattern.find("]", place + 2) if pattern[place] == "[" else -1
        if end > 0 or pattern[place] == "?":
            tokens.append(_SINGLE)
            place = max(end, place)
        else:
            tokens.append(pattern[place])
        place += 1
    return tokens

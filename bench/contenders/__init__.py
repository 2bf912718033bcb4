"""Who is compared, and in what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from bench.contender import Contender
from bench.contenders.appstack import AppStack
from bench.contenders.bare import Bare

LIFE: Final = ("backlog", "edit", "drift", "restart", "idle", "delete")
"""Suites that follow each other on one control plane, with N stacks."""
STREAMS: Final = ("streams", "noisy")
"""Suites that begin with none."""
SUITES: Final = (*LIFE, *STREAMS)

_LOOP: Final[Mapping[str, frozenset[str]]] = {
    "bare": frozenset({"backlog"}),
    "bare-status": frozenset({"backlog", "edit", "delete", *STREAMS}),
}
"""The loop repairs nothing, keeps nothing, and without a status nobody can say when an edit is done."""


def contenders(*, in_flight: int) -> list[Contender]:
    """Return all of them, the loops with so many requests at once."""
    return [Bare(status=False, in_flight=in_flight), Bare(status=True, in_flight=in_flight), AppStack()]


def taking_part(contender: Contender, suites: Iterable[str]) -> list[str]:
    """Return those of the suites that make sense for a contender, in the order in which they are run."""
    asked = set(suites)
    return [suite for suite in SUITES if suite in asked and suite in _LOOP.get(contender.name, SUITES)]

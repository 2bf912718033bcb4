"""Who is compared, and in what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from bench.contender import Contender
from bench.contenders.appstack import AppStack
from bench.contenders.bare import Bare
from bench.contenders.go import Go
from bench.contenders.kro import Kro

LIFE: Final = ("backlog", "edit", "drift", "restart", "idle", "delete")
"""Suites that follow each other on one control plane, with N stacks."""
STREAMS: Final = ("streams", "noisy")
"""Suites that begin with none."""
PODS: Final = ("ready",)
"""Suites in which each stack wants a pod: for the loop and for AppStack."""
TIMED: Final = ("callbacks",)
"""Suites in which AppStack runs with a clock at its event loop, which costs time itself."""
SUITES: Final = (*LIFE, *STREAMS, *PODS, *TIMED)

_SUITES: Final[Mapping[str, frozenset[str]]] = {
    "bare": frozenset({"backlog"}),
    "bare-status": frozenset({"backlog", "edit", "delete", *STREAMS, *PODS}),
    "appstack": frozenset(SUITES),
}
"""All others take part in all but the suites with pods and with a clock. The loop repairs nothing and keeps nothing,
and without a status nobody can say when an edit is done."""


def contenders(*, in_flight: int) -> list[Contender]:
    """Return all of them, the loops with so many requests at once."""
    loops = (Bare(status=False, in_flight=in_flight), Bare(status=True, in_flight=in_flight))
    return [*loops, AppStack(), Kro(), Go()]


def fit(contender: Contender, suite: str) -> Contender:
    """Return a contender as a suite wants it: with a clock at its event loop, with stacks that want a pod each."""
    if suite in TIMED:
        return AppStack(timed=True)
    if suite not in PODS:
        return contender
    if isinstance(contender, Bare):
        return Bare(status=True, in_flight=contender.in_flight, pods=1)
    return AppStack(pods=1)


def taking_part(contender: Contender, suites: Iterable[str]) -> list[str]:
    """Return those of the suites that make sense for a contender, in the order in which they are run."""
    asked = set(suites)
    return [suite for suite in SUITES if suite in asked and suite in _SUITES.get(contender.name, {*LIFE, *STREAMS})]

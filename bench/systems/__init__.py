"""The systems under test, and the suites that each of them supports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.checkout import Checkout
from bench.system import System
from bench.systems.appstack import BEFORE, AppStack
from bench.systems.bare import Bare
from bench.systems.go import Go
from bench.systems.kro import Kro

LIFECYCLE: Final = ("backlog", "edit", "drift", "restart", "idle", "delete")
"""Suites that follow each other on one control plane, with the same N stacks."""
STREAMS: Final = ("streams", "noisy")
"""Suites that begin without stacks."""
PODS: Final = ("ready",)
"""Suites in which each stack has a pod: for the bare loop and for AppStack."""
INSTRUMENTED: Final = ("callbacks",)
"""Suites in which AppStack runs with a timer around each callback, which takes CPU time itself."""
SUITES: Final = (*LIFECYCLE, *STREAMS, *PODS, *INSTRUMENTED)

NAMES: Final = ("bare", "bare-status", "appstack", "go", "kro")
"""Systems of this checkout, in the order of the tables."""
_SUITES: Final[Mapping[str, frozenset[str]]] = {
    "bare": frozenset({"backlog"}),
    "bare-status": frozenset({"backlog", "edit", "delete", *STREAMS, *PODS}),
    "appstack": frozenset(SUITES),
    BEFORE: frozenset(SUITES),
}
"""Suites by system; the baseline controllers support LIFECYCLE and STREAMS. The bare loop neither repairs drift nor
keeps state, and without a status the end of an edit can't be observed."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The systems to measure, and the checkout of `appstack-before` if it is one of them."""

    names: tuple[str, ...] = NAMES
    before: Checkout | None = None


def select(text: str) -> Selection:
    """Parse names separated by commas or spaces, `appstack@PATH` among them; raise ValueError for any other name."""
    names: list[str] = []
    before = None
    for token in text.replace(",", " ").split():
        name, at, path = token.partition("@")
        if at and name == "appstack" and before is None:
            before = Checkout(Path(path).expanduser().absolute())
            if not before.complete:
                raise ValueError(f"{path} is no checkout of AppStack: it needs operator/appstack and crds")
            names.append(BEFORE)
        elif token in NAMES:
            names.append(token)
        else:
            raise ValueError(f"unknown system {token}; choose from {', '.join(NAMES)} and one appstack@PATH")
    return Selection(tuple(names), before)


def all_systems(*, in_flight: int, before: Checkout | None = None) -> list[System]:
    """Return all systems; the bare loops send `in_flight` concurrent requests."""
    bare_loops = (Bare(status=False, in_flight=in_flight), Bare(status=True, in_flight=in_flight))
    earlier = [] if before is None else [AppStack(before, name=BEFORE)]
    return [*bare_loops, AppStack(), *earlier, Kro(), Go()]


def configured(system: System, suite: str) -> System:
    """Return the system as the suite needs it: instrumented, with a pod for each stack, or unchanged."""
    match system:
        case AppStack() if suite in INSTRUMENTED:
            return system.variant(instrumented=True)
        case AppStack() if suite in PODS:
            return system.variant(pods=1)
        case Bare() if suite in PODS:
            return Bare(status=True, in_flight=system.in_flight, pods=1)
        case _:
            return system


def supported_suites(system: System, suites: Iterable[str]) -> list[str]:
    """Return the suites that a system supports, in the order in which they run."""
    requested = set(suites) & _SUITES.get(system.name, frozenset({*LIFECYCLE, *STREAMS}))
    return [suite for suite in SUITES if suite in requested]

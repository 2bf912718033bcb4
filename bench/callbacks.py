"""What a callback of an event loop took: written by the process that is timed, read by the bench. PURE but for read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

LEAST: Final = 1.0
"""Milliseconds: what took less is not written down."""
NOTED: Final = 3


@dataclass(frozen=True, slots=True)
class Turn:
    """One callback, or one full garbage collection, which most often is a part of one."""

    kind: Literal["callback", "collection"]
    at: float
    """When it ended, in seconds since 1970."""
    ms: float
    """Of thread CPU."""
    what: str

    @property
    def line(self) -> str:
        """It as a line of a file."""
        return json.dumps(asdict(self)) + "\n"


def read(file: Path) -> list[Turn]:
    """Return what was written so far."""
    return [Turn(**json.loads(line)) for line in file.read_text().splitlines()]


@dataclass(frozen=True, slots=True)
class Phase:
    """The callbacks and collections of a stretch of time."""

    callbacks: Sequence[Turn]
    collections: Sequence[Turn]

    @classmethod
    def of(cls, turns: Iterable[Turn], *, since: float, until: float) -> Phase:
        """Take those between two times, the longest first."""
        within = sorted((one for one in turns if since <= one.at < until), key=lambda one: -one.ms)
        callbacks, collections = ([one for one in within if one.kind == kind] for kind in ("callback", "collection"))
        return cls(callbacks, collections)

    def numbers(self) -> dict[str, float]:
        """Return how many took how long."""
        return {
            "longest ms": max((one.ms for one in self.callbacks), default=0.0),
            **{f"over {bound} ms": float(sum(one.ms > bound for one in self.callbacks)) for bound in (10, 50, 100)},
            "collections": float(len(self.collections)),
            "longest collection ms": max((one.ms for one in self.collections), default=0.0),
        }

    def told(self) -> str:
        """Return what the longest were."""
        return "; ".join(f"{one.ms:.1f} ms {one.what}" for one in self.callbacks[:NOTED])

"""Slow event-loop callbacks: the records that an instrumented process writes and the bench reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

MIN_MILLISECONDS: Final = 1.0
"""Shorter callbacks are not recorded."""
_LONGEST_IN_SUMMARY: Final = 3


@dataclass(frozen=True, slots=True)
class SlowCallback:
    """One callback, or one full garbage collection, which is usually a part of a callback."""

    kind: Literal["callback", "collection"]
    ended_at: float
    """Seconds since 1970."""
    milliseconds: float
    """Thread CPU time."""
    description: str

    @property
    def json_line(self) -> str:
        """The record as a line of a JSON Lines file."""
        return json.dumps(asdict(self)) + "\n"


def read(file: Path) -> list[SlowCallback]:
    """Return the records written so far."""
    return [SlowCallback(**json.loads(line)) for line in file.read_text().splitlines()]


@dataclass(frozen=True, slots=True)
class Phase:
    """The slow callbacks and full garbage collections of an interval, the longest first."""

    callbacks: Sequence[SlowCallback]
    collections: Sequence[SlowCallback]

    @classmethod
    def of(cls, records: Iterable[SlowCallback], *, since: float, until: float) -> Phase:
        """Return the phase of the records that ended in [since, until)."""
        selected = sorted((one for one in records if since <= one.ended_at < until), key=lambda one: -one.milliseconds)
        callbacks, collections = ([one for one in selected if one.kind == kind] for kind in ("callback", "collection"))
        return cls(callbacks, collections)

    def numbers(self) -> dict[str, float]:
        """Return the longest durations in milliseconds, and the number of callbacks above each bound."""
        return {
            "longest ms": max((one.milliseconds for one in self.callbacks), default=0.0),
            **{
                f"over {bound} ms": float(sum(one.milliseconds > bound for one in self.callbacks))
                for bound in (10, 50, 100)
            },
            "collections": float(len(self.collections)),
            "longest collection ms": max((one.milliseconds for one in self.collections), default=0.0),
        }

    def summary(self) -> str:
        """Return durations and descriptions of the longest callbacks."""
        longest = self.callbacks[:_LONGEST_IN_SUMMARY]
        return "; ".join(f"{one.milliseconds:.1f} ms {one.description}" for one in longest)

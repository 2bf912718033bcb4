"""The figures of a suite, and the names under which recorded results have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bench.cost import Cost
from bench.stats import Latencies

# Names in recorded results differ from today's terms, and have to stay.
STATUSES_BEFORE_LAST_CHILD: Final = "told before the last child"
READY_DELAY: Final = "told after"
RECONCILED: Final = "all looked at"
DELETED: Final = "last child gone"
CLIENT_WRITES: Final = "user's writes"
CALM: Final = "alone"


@dataclass(frozen=True)
class Figures:
    """Durations in seconds, distributions of latencies, numbers, explanatory notes, and the cost of a suite."""

    seconds: Mapping[str, float] = field(default_factory=dict)
    latencies: Mapping[str, Latencies] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    cost: Cost | None = None

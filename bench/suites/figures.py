"""What a suite has found. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.measure import Cost
from bench.stats import Latencies


@dataclass(frozen=True)
class Figures:
    """Durations in seconds, distributions, plain numbers, what words it takes to explain one, and what it cost."""

    seconds: Mapping[str, float] = field(default_factory=dict)
    latencies: Mapping[str, Latencies] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    cost: Cost | None = None

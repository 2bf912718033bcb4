"""Prometheus' text format, as far as sums of series need it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping


def sums(text: str) -> Mapping[str, float]:
    """Return the sum over all series of each metric."""
    found: dict[str, float] = defaultdict(float)
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        series, _, value = line.rpartition(" ")
        found[series.partition("{")[0]] += float(value)
    return found

"""Prometheus' text format, as far as sums need it. PURE."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping


def sums(text: str) -> Mapping[str, float]:
    """Return the sum of all series of each metric."""
    found: dict[str, float] = defaultdict(float)
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        head, _, value = line.rpartition(" ")
        found[head.partition("{")[0]] += float(value)
    return found

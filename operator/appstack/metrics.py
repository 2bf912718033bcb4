"""What is counted, in Prometheus' conventions; the number of series does not grow with the number of stacks."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from appstack import __version__

REGISTRY: Final = CollectorRegistry()

REQUESTS: Final = Counter(
    "appstack_requests",
    "Requests to the API server; the code is `none` where no answer came.",
    ("verb", "resource", "code"),
    registry=REGISTRY,
)
RECONCILES: Final = Counter(
    "appstack_reconciles",
    "Looks at a stack, by what came of them.",
    ("result",),
    registry=REGISTRY,
)
DURATION: Final = Histogram(
    "appstack_reconcile_duration_seconds",
    "How long a look at a stack takes.",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30),
    registry=REGISTRY,
)
CHANGES: Final = Counter(
    "appstack_changes",
    "What became of children, by action and kind; what was left alone is not counted.",
    ("action", "kind"),
    registry=REGISTRY,
)
DRIFT_REPAIRED: Final = Counter(
    "appstack_drift_repaired",
    "Children that somebody had changed or deleted and that were put right.",
    registry=REGISTRY,
)
QUEUE_DEPTH: Final = Gauge(
    "appstack_queue_depth",
    "Stacks that wait for a worker.",
    registry=REGISTRY,
)
STACKS: Final = Gauge(
    "appstack_stacks",
    "AppStacks of this operator.",
    registry=REGISTRY,
)
BUILD: Final = Gauge("appstack_build_info", "Always 1.", ("version",), registry=REGISTRY)
BUILD.labels(__version__).set(1)


def exposition() -> bytes:
    """Return everything in the text format."""
    return generate_latest(REGISTRY)

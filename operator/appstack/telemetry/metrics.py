"""What is counted, in Prometheus' conventions; the number of series does not grow with the number of stacks."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from appstack import __version__

disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the series and tell nothing that `up` doesn't

REGISTRY: Final = CollectorRegistry()

RESULTS: Final = ("done", "failed", "crashed")
VERBS: Final = ("list", "get", "apply", "create", "update", "delete")
CONDITIONS: Final = ("Ready", "Reconciling", "Stalled")
STATES: Final = ("True", "False", "Unknown")

Conditions = Iterable[tuple[str, str]]
"""The conditions that a status holds, each with its state."""

REQUESTS: Final = Counter(
    "appstack_requests_total",
    "Requests to the API server; the code is `none` where no answer came.",
    ("verb", "resource", "code"),
    registry=REGISTRY,
)
REQUEST_DURATION: Final = Histogram(
    "appstack_request_duration_seconds",
    "How long requests to the API server take, watches aside, with the wait for the answer's end.",
    ("verb",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
RECONCILES: Final = Counter(
    "appstack_reconciles_total",
    "Looks at a stack, by what came of them: done, failed (tried again), crashed (a defect of AppStack).",
    ("result",),
    registry=REGISTRY,
)
RECONCILE_DURATION: Final = Histogram(
    "appstack_reconcile_duration_seconds",
    "How long a look at a stack takes.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
CHANGES: Final = Counter(
    "appstack_changes_total",
    "What became of children, by action and kind; what was left alone is not counted.",
    ("action", "kind"),
    registry=REGISTRY,
)
DRIFT_REPAIRED: Final = Counter(
    "appstack_drift_repaired_total",
    "Children that somebody had changed or deleted and that were put right.",
    registry=REGISTRY,
)
QUEUE_DEPTH: Final = Gauge(
    "appstack_queue_depth",
    "Stacks that wait for a worker.",
    registry=REGISTRY,
)
QUEUE_AGE: Final = Gauge(
    "appstack_queue_age_seconds",
    "How long the stack that waits longest has waited for a worker.",
    registry=REGISTRY,
)
LEADER: Final = Gauge(
    "appstack_leader",
    "1 where this process holds the Lease and may write, 0 where it stands by.",
    registry=REGISTRY,
)
WATCH_AGE: Final = Gauge(
    "appstack_watch_age_seconds",
    "How long ago a watch last showed that it is alive: a healthy one does each minute.",
    ("resource",),
    registry=REGISTRY,
)
WATCH_EVENTS: Final = Counter(
    "appstack_watch_events_total",
    "Events that watches brought, bookmarks included.",
    ("resource",),
    registry=REGISTRY,
)
LOOP_LAG: Final = Histogram(
    "appstack_event_loop_lag_seconds",
    "How late the event loop came to what was due, found out each second: so long does whatever happens wait for it.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
BUILD: Final = Gauge(
    "appstack_build_info",
    "Always 1; the labels say what runs.",
    ("version", "python_version"),
    registry=REGISTRY,
)


class StackCounts(Collector):
    """Counts the stacks by condition, when it is asked: every state is a series, also one of no stack."""

    _labelnames = ("condition", "status")

    def __init__(self) -> None:
        self._conditions: Callable[[], Iterable[Conditions]] = tuple

    def set_function(self, conditions: Callable[[], Iterable[Conditions]]) -> None:
        """Take in where the conditions of every stack are found."""
        self._conditions = conditions

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield what it is, without a count."""
        yield self._family()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the count."""
        counts = {(condition, state): 0 for condition in CONDITIONS for state in STATES}
        for conditions in self._conditions():
            for found in states(conditions).items():
                counts[found] = counts.get(found, 0) + 1
        family = self._family()
        for labels, count in counts.items():
            family.add_metric(labels, count)
        yield family

    def _family(self) -> GaugeMetricFamily:
        about = "AppStacks of this operator by condition; Unknown where it has said nothing yet."
        return GaugeMetricFamily("appstack_stacks", about, labels=self._labelnames)


STACKS: Final = StackCounts()
REGISTRY.register(STACKS)
ProcessCollector(registry=REGISTRY)
BUILD.labels(__version__, platform.python_version()).set(1)
for _result in RESULTS:
    RECONCILES.labels(_result)  # a rate needs a beginning
for _verb in VERBS:
    REQUEST_DURATION.labels(_verb)


def states(conditions: Conditions) -> dict[str, str]:
    """Return each condition's state: those that are not there while they don't hold are False."""
    told = dict(conditions)
    absent = "False" if told else "Unknown"
    return {condition: told.get(condition, absent) for condition in CONDITIONS}


_requests = cache(REQUESTS.labels)


def requested(verb: str, resource: str, *, code: str, seconds: float) -> None:
    """Take in that a request has ended."""
    _requests(verb, resource, code).inc()
    if verb != "watch":
        REQUEST_DURATION.labels(verb).observe(seconds)


def exposition() -> bytes:
    """Return everything in the text format."""
    return generate_latest(REGISTRY)

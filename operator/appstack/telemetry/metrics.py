"""Prometheus metrics of the operator. The number of series does not depend on the number of AppStacks."""

from __future__ import annotations

import platform
from collections import Counter as Counts
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
from appstack.policy.evaluation import SETTINGS
from appstack.policy.model import Enforcement

disable_created_metrics()  # type: ignore[no-untyped-call]  # `_created` series double the number of series

REGISTRY: Final = CollectorRegistry()

RESULTS: Final = ("done", "failed", "crashed")
VERBS: Final = ("list", "get", "apply", "create", "update", "delete")
CONDITIONS: Final = ("Ready", "Reconciling", "Stalled")
CONDITION_STATUSES: Final = ("True", "False", "Unknown")

Conditions = Iterable[tuple[str, str]]
"""Type and status of each condition of an AppStack."""

REQUESTS: Final = Counter(
    "appstack_requests_total",
    "Total requests to the API server; the code is `none` if there was no response.",
    ("verb", "resource", "code"),
    registry=REGISTRY,
)
REQUEST_DURATION: Final = Histogram(
    "appstack_request_duration_seconds",
    "Duration of requests to the API server until the end of the response, without watches.",
    ("verb",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
RECONCILES: Final = Counter(
    "appstack_reconciles_total",
    "Total reconciles, and failed status writes, by result: done, failed (retried), "
    "crashed (unhandled error, retried).",
    ("result",),
    registry=REGISTRY,
)
RECONCILE_DURATION: Final = Histogram(
    "appstack_reconcile_duration_seconds",
    "Duration of reconciles in seconds; crashed ones are not observed.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
CHANGES: Final = Counter(
    "appstack_changes_total",
    "Total changes of child objects by action and kind; unchanged objects are not counted.",
    ("action", "kind"),
    registry=REGISTRY,
)
DRIFT_REPAIRED: Final = Counter(
    "appstack_drift_repaired_total",
    "Total child objects restored after a change or deletion by another client.",
    registry=REGISTRY,
)
QUEUE_DEPTH: Final = Gauge(
    "appstack_queue_depth",
    "AppStacks waiting for a reconcile and statuses waiting to be written.",
    registry=REGISTRY,
)
QUEUE_AGE: Final = Gauge(
    "appstack_queue_age_seconds",
    "Seconds that the oldest reconcile or status write has been waiting.",
    registry=REGISTRY,
)
LEADER: Final = Gauge(
    "appstack_leader",
    "1 if this process is the leader, 0 if it is a standby.",
    registry=REGISTRY,
)
WATCH_AGE: Final = Gauge(
    "appstack_watch_age_seconds",
    "Seconds since the last list, event or bookmark of a watch; a bookmark arrives every minute.",
    ("resource",),
    registry=REGISTRY,
)
WATCH_EVENTS: Final = Counter(
    "appstack_watch_events_total",
    "Total watch events, including bookmarks.",
    ("resource",),
    registry=REGISTRY,
)
LOOP_LAG: Final = Histogram(
    "appstack_event_loop_lag_seconds",
    "Scheduling delay of the event loop, sampled every second.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
BUILD: Final = Gauge(
    "appstack_build_info",
    "Always 1; the labels are the versions of the operator and of Python.",
    ("version", "python_version"),
    registry=REGISTRY,
)


class AppStackCollector(Collector):
    """Counts the AppStacks by condition at each scrape. Every condition status is a series, also if its count is 0."""

    _labelnames = ("condition", "status")

    def __init__(self) -> None:
        self._conditions: Callable[[], Iterable[Conditions]] = tuple

    def set_function(self, conditions: Callable[[], Iterable[Conditions]]) -> None:
        """Set the function that returns the conditions of every AppStack."""
        self._conditions = conditions

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metric family without samples."""
        yield self._family()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metric family with a sample for each condition and status."""
        counts = {(condition, status): 0 for condition in CONDITIONS for status in CONDITION_STATUSES}
        for conditions in self._conditions():
            for labels in condition_statuses(conditions).items():
                counts[labels] = counts.get(labels, 0) + 1
        family = self._family()
        for labels, count in counts.items():
            family.add_metric(labels, count)
        yield family

    def _family(self) -> GaugeMetricFamily:
        documentation = "AppStacks by condition and status; Unknown before the first status write."
        return GaugeMetricFamily("appstack_stacks", documentation, labels=self._labelnames)


class ViolationCollector(Collector):
    """Counts the AppStacks by violated field of the policy at each scrape. Every combination is a series."""

    _labelnames = ("field", "enforcement")

    def __init__(self) -> None:
        self._violations: Callable[[], Iterable[Iterable[tuple[str, str]]]] = tuple

    def set_function(self, violations: Callable[[], Iterable[Iterable[tuple[str, str]]]]) -> None:
        """Set the function that returns the violations of every AppStack: fields with their enforcement."""
        self._violations = violations

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metric family without samples."""
        yield self._family()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metric family with a sample for each field and enforcement."""
        counts = Counts(labels for violations in self._violations() for labels in violations)
        family = self._family()
        for field in SETTINGS:
            for enforcement in Enforcement:
                family.add_metric((field, enforcement.value), counts[field, enforcement.value])
        yield family

    def _family(self) -> GaugeMetricFamily:
        documentation = "AppStacks that violate a field of the policy, by enforcement: Enforce (refused), Warn."
        return GaugeMetricFamily("appstack_policy_violations", documentation, labels=self._labelnames)


STACKS: Final = AppStackCollector()
VIOLATIONS: Final = ViolationCollector()
REGISTRY.register(STACKS)
REGISTRY.register(VIOLATIONS)
ProcessCollector(registry=REGISTRY)
BUILD.labels(__version__, platform.python_version()).set(1)
for _result in RESULTS:
    RECONCILES.labels(_result)  # exported with 0, since `rate` needs a first sample
for _verb in VERBS:
    REQUEST_DURATION.labels(_verb)


def condition_statuses(conditions: Conditions) -> dict[str, str]:
    """Return the status of each of `CONDITIONS`: False if absent, Unknown if there are no conditions at all."""
    present = dict(conditions)
    absent = "False" if present else "Unknown"
    return {condition: present.get(condition, absent) for condition in CONDITIONS}


_requests_with_labels = cache(REQUESTS.labels)


def record_request(verb: str, resource: str, *, code: str, seconds: float) -> None:
    """Count a request that has ended, and observe its duration unless it is a watch."""
    _requests_with_labels(verb, resource, code).inc()
    if verb != "watch":
        REQUEST_DURATION.labels(verb).observe(seconds)


def exposition() -> bytes:
    """Return all metrics in the text exposition format."""
    return generate_latest(REGISTRY)

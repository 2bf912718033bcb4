"""Quantiles, audit records, timelines and metric sums of the bench."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import audit, prometheus
from bench.audit import Log, Record
from bench.stats import Latencies, Spread, quantile
from bench.system import CONFIG_MAPS, DEPLOYMENTS, Child
from bench.timeline import Key, Timeline


def record(verb: str, resource: str, name: str = "a", *, at: float = 0.0, code: int = 200, user: str = "u") -> Record:
    """Return a request that was completed one second after it was received."""
    return Record(user, verb, resource, "ns", name, code, received=at, completed=at + 1)


def line(**changed: Any) -> str:
    """Return a line of an audit log with some fields replaced."""
    entry = {
        "stage": "ResponseComplete",
        "verb": "patch",
        "user": {"username": "u"},
        "objectRef": {"resource": "appstacks", "subresource": "status", "namespace": "ns", "name": "a"},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2026-11-21T00:00:01.500000Z",
        "stageTimestamp": "2026-11-21T00:00:01.750000Z",
    }
    return json.dumps(entry | changed)


@pytest.mark.parametrize(
    ("q", "expected"),
    [(0.0, 1), (0.5, 2), (0.51, 3), (0.99, 4), (1.0, 4)],
)
def test_quantile_is_the_smallest_value_that_a_share_does_not_exceed(q: float, expected: float) -> None:
    assert expected == quantile([1, 2, 3, 4], q)


def test_quantile_of_no_values_is_an_error() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_latencies_are_in_milliseconds_and_independent_of_order() -> None:
    found = Latencies.of([0.3, 0.1, 0.2])

    assert (3, 200, 300, 300) == (found.count, round(found.p50), round(found.p99), round(found.worst))
    assert found.curve[0] == 100
    assert found.curve[-1] == 300


def test_spread_has_median_minimum_and_maximum() -> None:
    assert Spread(median=2, low=1, high=9) == Spread.of([9, 1, 2])
    assert Spread.of([]) is None


def test_line_of_the_audit_log_becomes_a_record() -> None:
    found = audit.parse(line())

    assert found is not None
    assert ("patch appstacks/status 200", "ns", "a", 0.25) == (
        found.key,
        found.namespace,
        found.name,
        found.completed - found.received,
    )


@pytest.mark.parametrize(
    ("verb", "stage", "counted"),
    [
        ("get", "ResponseComplete", True),
        ("get", "ResponseStarted", False),
        ("watch", "ResponseStarted", True),
        ("watch", "ResponseComplete", False),
        ("get", "Panic", False),
    ],
)
def test_request_is_counted_once_and_a_watch_when_it_begins(verb: str, stage: str, *, counted: bool) -> None:
    assert counted == (audit.parse(line(verb=verb, stage=stage)) is not None)


def test_growing_log_is_read_from_the_last_complete_line(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    log = Log(file)
    entry = line()

    file.write_text(f"{entry}\n{entry[:40]}")
    assert len(log.read()) == 1

    with file.open("a") as more:
        more.write(f"{entry[40:]}\n")
    assert len(log.read()) == 2


def test_requests_are_counted_by_kind_without_leases() -> None:
    own = audit.requests_of(
        [
            record("get", "configmaps"),
            record("list", "configmaps", ""),
            record("watch", "configmaps", ""),
            record("get", "", ""),
            record("patch", "configmaps", code=409),
            record("update", "leases"),
            record("patch", "configmaps", user="another"),
        ],
        "u",
    )

    assert (1, 2, 1) == (audit.count_writes(own), audit.count_reads(own), audit.count_single_reads(own))
    assert {"get configmaps 200", "list configmaps 200", "watch configmaps 200", "get (path) 200"} < set(
        audit.count_requests(own)
    )


def test_all_children_are_written_when_the_last_write_completes() -> None:
    timeline = Timeline([record("patch", "configmaps", at=1), record("patch", "deployments", at=5)])
    both = [Child(CONFIG_MAPS, "ns", "a"), Child(DEPLOYMENTS, "ns", "a")]

    assert timeline.all_written(both) == 6
    assert timeline.all_written([*both, Child(DEPLOYMENTS, "ns", "b")]) is None


def test_first_write_ignores_other_resources() -> None:
    timeline = Timeline([record("patch", "definitions/status", at=1), record("patch", "deployments", at=5)])

    assert timeline.first_write_of({"configmaps", "deployments"}) == 5
    assert timeline.first_write_of({"configmaps"}) is None


def test_child_is_written_by_the_first_successful_write_since_a_time() -> None:
    child = Child(CONFIG_MAPS, "ns", "a")
    timeline = Timeline(
        [
            record("patch", "configmaps", at=1),
            record("patch", "configmaps", at=3, code=409),
            record("patch", "configmaps", at=4),
        ]
    )

    assert timeline.child_written(child, since=2) == 5
    assert timeline.child_written(child, since=4.5) is None


def test_observed_status_is_the_last_one_written_before() -> None:
    timeline = Timeline([record("patch", "appstacks/status", at=1), record("patch", "appstacks/status", at=10)])

    assert timeline.status_written("appstacks", Key("ns", "a"), observed=8) == 2
    assert timeline.status_written("appstacks", Key("ns", "a"), observed=1.5) == 1.5, (
        "the watch may be faster than the response"
    )
    assert timeline.status_written("appstacks", Key("ns", "b"), observed=8) == 8, (
        "a status without a logged write counts from the observation"
    )


def test_series_of_a_metric_are_summed() -> None:
    text = '# HELP a_total x\na_total{b="1"} 2\na_total{b="2 3"} 3.5\nother 1\n'

    assert {"a_total": 5.5, "other": 1.0} == prometheus.sums(text)

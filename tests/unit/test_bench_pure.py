"""The bench's arithmetic: what it says must follow from what was logged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import audit, prometheus
from bench.audit import Log, Record
from bench.contender import CONFIG_MAPS, DEPLOYMENTS, Child
from bench.stats import Latencies, Spread, quantile
from bench.timeline import Key, Timeline


def record(verb: str, resource: str, name: str = "a", *, at: float = 0.0, code: int = 200, user: str = "u") -> Record:
    """Return a request that was answered a second after it came in."""
    return Record(user, verb, resource, "ns", name, code, received=at, completed=at + 1)


def line(**changed: Any) -> str:
    """Return a line of an audit log."""
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
def test_a_quantile_is_the_smallest_value_that_the_share_does_not_exceed(q: float, expected: float) -> None:
    assert expected == quantile([1, 2, 3, 4], q)


def test_there_is_no_quantile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_latencies_are_told_in_milliseconds_whatever_their_order() -> None:
    found = Latencies.of([0.3, 0.1, 0.2])

    assert (3, 200, 300, 300) == (found.count, round(found.p50), round(found.p99), round(found.worst))
    assert found.curve[0] == 100
    assert found.curve[-1] == 300


def test_a_spread_has_the_median_and_both_ends() -> None:
    assert Spread(median=2, low=1, high=9) == Spread.of([9, 1, 2])
    assert Spread.of([]) is None


def test_a_line_of_the_audit_log_becomes_a_record() -> None:
    found = audit.parse(line())

    assert found is not None
    assert ("patch appstacks/status 200", "ns", "a", 0.25) == (
        found.word,
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
def test_a_request_is_counted_once_and_a_watch_when_it_begins(verb: str, stage: str, *, counted: bool) -> None:
    assert counted == (audit.parse(line(verb=verb, stage=stage)) is not None)


def test_a_log_that_grows_is_read_on_from_the_last_whole_line(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    log = Log(file)
    expand = line()

    file.write_text(f"{expand}\n{expand[:40]}")
    assert len(log.read()) == 1

    with file.open("a") as more:
        more.write(f"{expand[40:]}\n")
    assert len(log.read()) == 2


def test_requests_are_counted_by_what_they_are_and_leases_are_left_out() -> None:
    mine = audit.of(
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

    assert (1, 2, 1) == (audit.writes(mine), audit.reads(mine), audit.single_reads(mine))
    assert {"get configmaps 200", "list configmaps 200", "watch configmaps 200", "get (path) 200"} < set(
        audit.count(mine)
    )


def test_a_stack_is_complete_with_the_answer_to_its_last_child() -> None:
    mine = Timeline([record("patch", "configmaps", at=1), record("patch", "deployments", at=5)])
    both = [Child(CONFIG_MAPS, "ns", "a"), Child(DEPLOYMENTS, "ns", "a")]

    assert mine.complete(both) == 6
    assert mine.complete([*both, Child(DEPLOYMENTS, "ns", "b")]) is None


def test_work_begins_with_a_write_that_is_part_of_it() -> None:
    mine = Timeline([record("patch", "definitions/status", at=1), record("patch", "deployments", at=5)])

    assert mine.begin({"configmaps", "deployments"}) == 5
    assert mine.begin({"configmaps"}) is None


def test_a_child_counts_from_a_moment_on_and_a_refused_write_does_not() -> None:
    child = Child(CONFIG_MAPS, "ns", "a")
    mine = Timeline(
        [
            record("patch", "configmaps", at=1),
            record("patch", "configmaps", at=3, code=409),
            record("patch", "configmaps", at=4),
        ]
    )

    assert mine.child(child, since=2) == 5
    assert mine.child(child, since=4.5) is None


def test_a_status_became_true_with_the_last_write_before_it_was_seen() -> None:
    mine = Timeline([record("patch", "appstacks/status", at=1), record("patch", "appstacks/status", at=10)])

    assert mine.truth("appstacks", Key("ns", "a"), seen=8) == 2
    assert mine.truth("appstacks", Key("ns", "a"), seen=1.5) == 1.5, "the watch may be faster than the answer"
    assert mine.truth("appstacks", Key("ns", "b"), seen=8) == 8, "it was written some other way"


def test_series_of_a_metric_are_summed() -> None:
    text = '# HELP a_total x\na_total{b="1"} 2\na_total{b="2 3"} 3.5\nother 1\n'

    assert {"a_total": 5.5, "other": 1.0} == prometheus.sums(text)

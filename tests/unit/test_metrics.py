"""The exposition keeps Prometheus' conventions, as promtool would check them; the stacks are counted by condition."""

from __future__ import annotations

import re

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families as parse

from appstack.telemetry import metrics

TEXT = metrics.exposition().decode()
FAMILIES = list(parse(TEXT))
TYPES = dict(re.findall(r"^# TYPE (\S+) (\S+)$", TEXT, re.MULTILINE))
HELP = dict(re.findall(r"^# HELP (\S+) (.+)$", TEXT, re.MULTILINE))
NOT_BASE = ("milliseconds", "_ms", "minutes", "hours", "kilobytes", "megabytes", "_mib", "percent")


@pytest.mark.parametrize("name", TYPES)
def test_a_metric_keeps_the_conventions(name: str) -> None:
    assert re.fullmatch(r"(appstack|process)_[a-z][a-z0-9_]*[a-z0-9]", name)
    assert HELP[name].endswith(".")
    assert not name.removesuffix("_total").endswith(NOT_BASE), "base units"
    assert (TYPES[name] == "counter") == name.endswith("_total")
    assert not name.endswith("_created")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: str(family.name))
def test_labels_are_of_a_bounded_set(family: Metric) -> None:
    labels = {label for sample in family.samples for label in sample.labels}

    known = {"verb", "resource", "code", "result", "action", "kind", "condition", "status", "le"}
    assert labels <= known | {"version", "python_version"}


def told(**conditions: str) -> metrics.Conditions:
    """Return the conditions of a status, each with its state."""
    return tuple(conditions.items())


def test_a_condition_that_is_not_there_does_not_hold() -> None:
    assert {"Ready": "True", "Reconciling": "False", "Stalled": "False"} == metrics.states(told(Ready="True"))


def test_of_a_stack_that_has_no_status_nothing_is_known() -> None:
    assert {"Unknown"} == set(metrics.states(()).values())


def test_stacks_are_counted_by_condition_and_what_no_stack_has_is_0() -> None:
    counted = metrics.StackCounts()
    counted.set_function(lambda: [told(Ready="True"), told(Ready="True"), told(Ready="False", Stalled="True"), ()])

    (family,) = counted.collect()

    counts = {(sample.labels["condition"], sample.labels["status"]): sample.value for sample in family.samples}
    assert len(metrics.CONDITIONS) * len(metrics.STATES) == len(counts)
    assert [2, 1, 1] == [counts["Ready", state] for state in metrics.STATES]
    assert [1, 2, 1] == [counts["Stalled", state] for state in metrics.STATES]
    assert 0 == counts["Reconciling", "True"]

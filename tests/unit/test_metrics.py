"""Prometheus naming conventions of the metrics, as promtool checks them, and the count of AppStacks by condition."""

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
def test_metric_follows_the_naming_conventions(name: str) -> None:
    assert re.fullmatch(r"(appstack|process)_[a-z][a-z0-9_]*[a-z0-9]", name)
    assert HELP[name].endswith(".")
    assert not name.removesuffix("_total").endswith(NOT_BASE), "base units"
    assert (TYPES[name] == "counter") == name.endswith("_total")
    assert not name.endswith("_created")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: str(family.name))
def test_labels_have_a_bounded_number_of_values(family: Metric) -> None:
    labels = {label for sample in family.samples for label in sample.labels}

    known = {"verb", "resource", "code", "result", "action", "kind", "condition", "status", "le"}
    assert labels <= known | {"version", "python_version", "field", "enforcement"}


def conditions(**statuses: str) -> metrics.Conditions:
    """Return conditions by type and status."""
    return tuple(statuses.items())


def test_absent_condition_is_false() -> None:
    assert {"Ready": "True", "Reconciling": "False", "Stalled": "False"} == metrics.condition_statuses(
        conditions(Ready="True")
    )


def test_conditions_are_unknown_without_a_status() -> None:
    assert {"Unknown"} == set(metrics.condition_statuses(()).values())


def test_appstacks_are_counted_by_condition_and_absent_statuses_are_zero() -> None:
    collector = metrics.AppStackCollector()
    collector.set_function(
        lambda: [conditions(Ready="True"), conditions(Ready="True"), conditions(Ready="False", Stalled="True"), ()]
    )

    (family,) = collector.collect()

    counts = {(sample.labels["condition"], sample.labels["status"]): sample.value for sample in family.samples}
    assert len(metrics.CONDITIONS) * len(metrics.CONDITION_STATUSES) == len(counts)
    assert [2, 1, 1] == [counts["Ready", state] for state in metrics.CONDITION_STATUSES]
    assert [1, 2, 1] == [counts["Stalled", state] for state in metrics.CONDITION_STATUSES]
    assert 0 == counts["Reconciling", "True"]

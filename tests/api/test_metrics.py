"""Metrics with a bounded number of series, and logs in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.api.cluster import CHILD_COUNT, Cluster, Namespace, eventually
from tests.api.conftest import OPERATOR_NAMESPACE, RUN_ID, temporary_namespace
from tests.api.operator_process import OperatorProcess

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def series(operator: OperatorProcess) -> Series:
    """Return the value of every series."""
    families = parse(operator.fetch(operator.metrics_port, "/metrics"))
    samples = (sample for family in families for sample in family.samples)
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}


def value(operator: OperatorProcess, name: str, **labels: str) -> float:
    """Return the sum of a metric's series that have these labels."""
    return sum(
        value
        for (series_name, series_labels), value in series(operator).items()
        if series_name == name and labels.items() <= dict(series_labels).items()
    )


def create_edit_and_repair(namespace: Namespace, name: str) -> None:
    """Create an AppStack, edit it, delete a child and wait for the repair."""
    namespace.create_stack(name)
    namespace.wait_until_ready(name)
    namespace.edit_stack(name, backend={"image": "busybox:1.36.0"})
    namespace.delete("Service", name)
    eventually(lambda: namespace.exists("Service", name))
    namespace.wait_until_ready(name)


def test_number_of_series_does_not_depend_on_the_number_of_stacks(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    create_edit_and_repair(namespace, "first")
    before = set(series(operator))

    for number in range(3):
        create_edit_and_repair(namespace, f"stack-{number}")

    codes = {"201", "200", "409", "404"}  # the order in which they occur first depends on timing
    new = {(name, labels) for name, labels in set(series(operator)) - before if dict(labels).get("code") not in codes}
    assert set() == new


def test_metrics_count_the_work_of_the_operator(namespace: Namespace, operator: OperatorProcess) -> None:
    # AppStacks of an earlier test are counted until their namespace is deleted.
    eventually(lambda: value(operator, "appstack_stacks", condition="Ready", status="True") == 0, within=120)
    repaired = value(operator, "appstack_drift_repaired_total")
    status_writes = value(operator, "appstack_requests_total", verb="apply", resource="appstacks/status", code="200")
    reconciles = value(operator, "appstack_reconcile_duration_seconds_count")
    watch_events = value(operator, "appstack_watch_events_total", resource="appstacks")

    create_edit_and_repair(namespace, "shop")

    eventually(lambda: value(operator, "appstack_stacks", condition="Ready", status="True") == 1)
    assert value(operator, "appstack_drift_repaired_total") >= repaired + 1
    assert value(operator, "appstack_requests_total", resource="appstacks/status", code="200") > status_writes
    assert value(operator, "appstack_reconcile_duration_seconds_count") > reconciles
    assert value(operator, "appstack_watch_events_total", resource="appstacks") > watch_events
    assert value(operator, "appstack_reconciles_total", result="crashed") == 0
    assert value(operator, "appstack_leader") == 1
    assert 0 <= value(operator, "appstack_watch_age_seconds", resource="appstacks") < 100
    assert value(operator, "appstack_queue_age_seconds") < 5
    assert value(operator, "appstack_event_loop_lag_seconds_count") > 0
    assert value(operator, "process_resident_memory_bytes") > 1 << 20


@pytest.fixture
def json_operator(
    cluster: Cluster, operator_namespace: Namespace, kubeconfig: Path, tmp_path: Path
) -> Iterator[tuple[OperatorProcess, Namespace]]:
    """Return an operator that logs JSON and the namespace that it reconciles."""
    name = f"json-{RUN_ID}"
    operator = OperatorProcess(
        tmp_path, kubeconfig, operatorNamespace=OPERATOR_NAMESPACE, namespaces=[name], logFormat="json"
    )
    with temporary_namespace(cluster, name) as namespace:
        operator.start()
        yield operator, namespace
        assert 0 == operator.stop(), operator.log_text()


def log_lines(operator: OperatorProcess) -> list[dict[str, Any]]:
    """Return the log of an operator, one JSON object per line."""
    lines = [json.loads(line) for line in operator.log_text().splitlines()]
    assert all({"ts", "level", "logger", "msg"} <= set(line) for line in lines)
    return lines


def test_change_of_a_child_is_logged_and_an_unchanged_reconcile_is_not(
    json_operator: tuple[OperatorProcess, Namespace],
) -> None:
    operator, namespace = json_operator
    namespace.create_stack()
    namespace.wait_until_ready()
    stack_lines = [line for line in log_lines(operator) if line.get("appstack") == f"{namespace.name}/shop"]
    assert [f"{kind} {change}" for kind, change in sorted(_kind_and_change(line) for line in stack_lines)] == [
        "ConfigMap created",
        "Deployment created",
        "Service created",
        "ServiceAccount created",
    ]
    assert CHILD_COUNT == len(stack_lines)

    before, reconciles = len(log_lines(operator)), value(operator, "appstack_reconciles_total")
    namespace.patch("AppStack", "shop", {"metadata": {"labels": {"reconcile": "again"}}})
    eventually(lambda: value(operator, "appstack_reconciles_total") > reconciles)
    namespace.edit_stack(backend={"image": "busybox:1.36.0"})
    namespace.wait_until_ready()

    (changed,) = log_lines(operator)[before:]
    assert ("Deployment shop configured", "info") == (changed["msg"], changed["level"])
    fields = {"kind": "Deployment", "namespace": namespace.name, "name": "shop", "action": "Configured"}
    assert fields.items() <= changed.items()
    assert changed["appstack"] == f"{namespace.name}/shop"


def _kind_and_change(line: dict[str, Any]) -> tuple[str, str]:
    kind, _, change = line["msg"].split()
    return kind, change

"""What the operator tells of itself while it works: metrics whose number stays, and lines that a program can read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.api.conftest import SYSTEM, WORKER, namespace
from tests.api.harness import CHILDREN, Cluster, Operator, Space, eventually

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def series(operator: Operator) -> Series:
    """Return every series with its value."""
    families = parse(operator.fetch(operator.metrics, "/metrics"))
    samples = (sample for family in families for sample in family.samples)
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}


def value(operator: Operator, name: str, **labels: str) -> float:
    """Return the sum of the series of this name that bear these labels."""
    found = (
        each
        for (known, held), each in series(operator).items()
        if known == name and labels.items() <= dict(held).items()
    )
    return sum(found)


def live(space: Space, name: str) -> None:
    """Let a stack come, change, be spoilt and go."""
    space.stack(name)
    space.ready(name)
    space.edit(name, backend={"image": "busybox:1.36.0"})
    space.delete("Service", name)
    eventually(lambda: space.exists("Service", name))
    space.ready(name)


def test_the_number_of_series_does_not_depend_on_the_number_of_stacks(space: Space, operator: Operator) -> None:
    live(space, "first")
    before = set(series(operator))

    for number in range(3):
        live(space, f"stack-{number}")

    codes = {"201", "200", "409", "404"}  # which of them come first is a matter of time
    new = {(name, labels) for name, labels in set(series(operator)) - before if dict(labels).get("code") not in codes}
    assert set() == new


def test_what_is_counted_is_what_happened(space: Space, operator: Operator) -> None:
    # those of another test's namespace go with it, and are counted until then
    eventually(lambda: value(operator, "appstack_stacks", condition="Ready", status="True") == 0, within=120)
    repaired = value(operator, "appstack_drift_repaired_total")
    written = value(operator, "appstack_requests_total", verb="apply", resource="appstacks/status", code="200")
    looks = value(operator, "appstack_reconcile_duration_seconds_count")
    seen = value(operator, "appstack_watch_events_total", resource="appstacks")

    live(space, "shop")

    eventually(lambda: value(operator, "appstack_stacks", condition="Ready", status="True") == 1)
    assert value(operator, "appstack_drift_repaired_total") >= repaired + 1
    assert value(operator, "appstack_requests_total", resource="appstacks/status", code="200") > written
    assert value(operator, "appstack_reconcile_duration_seconds_count") > looks
    assert value(operator, "appstack_watch_events_total", resource="appstacks") > seen
    assert value(operator, "appstack_reconciles_total", result="crashed") == 0
    assert value(operator, "appstack_leader") == 1
    assert 0 <= value(operator, "appstack_watch_age_seconds", resource="appstacks") < 100
    assert value(operator, "appstack_queue_age_seconds") < 5
    assert value(operator, "appstack_event_loop_lag_seconds_count") > 0
    assert value(operator, "process_resident_memory_bytes") > 1 << 20


@pytest.fixture
def spoken(cluster: Cluster, system: Space, kubeconfig: Path, tmp_path: Path) -> Iterator[tuple[Operator, Space]]:
    """Give an operator that writes JSON, and a namespace of its own."""
    name = f"json-{WORKER}"
    operator = Operator(tmp_path, kubeconfig, operatorNamespace=SYSTEM, namespaces=[name], logFormat="json")
    with namespace(cluster, name) as space:
        operator.start()
        yield operator, space
        assert 0 == operator.stop(), operator.words()


def lines(operator: Operator) -> list[dict[str, Any]]:
    """Return what it has said: each line is an object."""
    said = [json.loads(line) for line in operator.words().splitlines()]
    assert all({"ts", "level", "logger", "msg"} <= set(line) for line in said)
    return said


def test_a_change_is_a_line_and_a_look_is_none(spoken: tuple[Operator, Space]) -> None:
    operator, space = spoken
    space.stack()
    space.ready()
    about = {"namespace": space.name, "name": "shop"}
    of_the_stack = [line for line in lines(operator) if about.items() <= line.items()]
    assert [f"{kind} {what}" for kind, what in sorted(_told(line) for line in of_the_stack)] == [
        "ConfigMap created",
        "Deployment created",
        "Service created",
        "ServiceAccount created",
    ]
    assert CHILDREN == len(of_the_stack)

    before, looks = len(lines(operator)), value(operator, "appstack_reconciles_total")
    space.patch("AppStack", "shop", {"metadata": {"labels": {"look": "again"}}})
    eventually(lambda: value(operator, "appstack_reconciles_total") > looks)
    space.edit(backend={"image": "busybox:1.36.0"})
    space.ready()

    (changed,) = lines(operator)[before:]
    assert ("Deployment shop configured", "info") == (changed["msg"], changed["level"])
    assert about.items() <= changed.items()


def _told(line: dict[str, Any]) -> tuple[str, str]:
    kind, _, what = line["msg"].split()
    return kind, what

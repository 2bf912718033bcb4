"""Drift back-off: delays between repairs of a child, the cause of its drift, and the problem that status reports."""

from __future__ import annotations

from typing import Any

import pytest

from appstack.client.resource_kinds import kind_of
from appstack.informers.transform import child_of
from appstack.k8s.managed_fields import contains, leaf_paths
from appstack.k8s.metadata import Manifest, Ref
from appstack.planning.changes import Action, Cause, Change
from appstack.planning.drift import RESET_AFTER_SECONDS, DriftBackoff, drift_cause, drift_problems, requeue_after

SERVICE = Ref("v1", "Service", "team", "shop")
DEPLOYMENT = Ref("apps/v1", "Deployment", "team", "shop")
CAUSE = Cause("was changed by kubectl-edit (spec.selector)", "Stop it")
OWN_ENTRY = {"manager": "appstack", "operation": "Apply", "time": "2026-01-01T00:00:10Z"}
MANIFEST: Manifest = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {
        "replicas": 2,
        "template": {
            "spec": {
                "containers": [{"name": "backend", "image": "shop:1", "args": ["a"], "ports": [{"containerPort": 1}]}]
            }
        },
    },
}


def repaired_backoff(repairs: int, *, interval: float = 0.125, generation: int = 1) -> tuple[DriftBackoff, float]:
    """Return a back-off after so many repairs of the Service, and the time of the last one."""
    backoff, now = DriftBackoff(), 0.0
    for index in range(repairs):
        now = 1024.0 + index * interval
        backoff = backoff.with_repairs({SERVICE: CAUSE}, generation=generation, now=now)
    return backoff, now


@pytest.mark.parametrize(
    ("repairs", "delay"),
    [(0, None), (1, None), (7, None), (8, 1), (9, 2), (10, 4), (14, 64), (15, 120), (2000, 120)],
)
def test_first_repairs_are_immediate_and_further_ones_are_delayed_exponentially(
    repairs: int, delay: float | None
) -> None:
    backoff, last = repaired_backoff(repairs)

    records = backoff.persistent(generation=1, now=last)

    assert ([] if delay is None else [delay]) == [record.next_repair_at - last for record in records.values()]
    assert delay is None or records[SERVICE].is_backing_off(last + delay - 0.01)
    assert delay is None or not records[SERVICE].is_backing_off(last + delay)


@pytest.mark.parametrize(
    ("sentence", "generation", "after", "persistent"),
    [
        ("before the reset", 1, RESET_AFTER_SECONDS - 1, True),
        ("reset after a time without repairs", 1, RESET_AFTER_SECONDS, False),
        ("reset by an edit", 2, 0, False),
        ("clock set back", 1, -60, False),
    ],
)
def test_backoff_is_reset(sentence: str, generation: int, after: float, persistent: bool) -> None:
    backoff, last = repaired_backoff(9)

    assert persistent is bool(backoff.persistent(generation=generation, now=last + after)), sentence


def test_first_repairs_after_an_edit_are_immediate_again() -> None:
    backoff, last = repaired_backoff(9)

    backoff = backoff.with_repairs({SERVICE: CAUSE}, generation=2, now=last)

    assert {} == backoff.persistent(generation=2, now=last)


def test_slow_drift_is_reported_and_repaired_immediately() -> None:
    backoff, last = repaired_backoff(9, interval=RESET_AFTER_SECONDS - 1)
    (record,) = backoff.persistent(generation=1, now=last + RESET_AFTER_SECONDS - 1).values()

    assert not record.is_backing_off(last + RESET_AFTER_SECONDS - 1)


def test_expired_records_take_no_memory() -> None:
    backoff = DriftBackoff()
    for number in range(1000):
        ref = Ref("v1", "Service", "team", f"shop-{number}")
        backoff = backoff.with_repairs({ref: CAUSE}, generation=1, now=float(number))

    assert RESET_AFTER_SECONDS == len(backoff.records)


@pytest.mark.parametrize(
    ("repairs", "action", "at", "seconds"),
    [
        (7, Action.BACKING_OFF, 0, None),
        (9, Action.BACKING_OFF, 0.5, 1.5),
        (9, Action.BACKING_OFF, 2.1, 0),  # the delay ended during the reconcile
        (9, Action.UNCHANGED, 2, RESET_AFTER_SECONDS - 2),
    ],
)
def test_reconcile_is_requeued_for_the_next_repair_or_the_reset(
    repairs: int, action: Action, at: float, seconds: float | None
) -> None:
    backoff, last = repaired_backoff(repairs)
    records = backoff.persistent(generation=1, now=last + at)

    assert pytest.approx(seconds) == requeue_after(records, [Change(SERVICE, action)], last + at)


def entry(manager: str, time: str, fields: object, **more: str) -> Manifest:
    return {"manager": manager, "operation": "Update", "time": f"2026-01-01T00:00:{time}Z", "fieldsV1": fields} | more


IMAGE: Manifest = {
    "f:spec": {
        "f:template": {"f:spec": {"f:containers": {'k:{"name":"backend"}': {".": {}, "f:image": {}, "f:tty": {}}}}}
    }
}
PORT: Manifest = {
    "f:spec": {
        "f:template": {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"backend"}': {
                        "f:ports": {'k:{"containerPort":1,"protocol":"TCP"}': {"f:containerPort": {}}}
                    }
                }
            }
        }
    }
}
FORGED: Manifest = {
    "f:spec": {
        "f:template": {
            "f:spec": {"f:containers": {'k:{"name":"backend"}': {"f:args": {'k:{"name":[["a"]]}': {"f:b": {}}}}}}
        }
    }
}
REPLICAS: Manifest = {"f:spec": {"f:replicas": {}}}


@pytest.mark.parametrize(
    ("sentence", "own_fields", "other_managers", "message"),
    [
        ("no entry: a field was removed", {}, [], "was changed by an unknown client"),
        (
            "field of a list item",
            REPLICAS,
            [entry("kubectl-edit", "11", IMAGE)],
            "was changed by kubectl-edit (spec.template.spec.containers[name=backend].image)",
        ),
        (
            "list key with a default",
            {},
            [entry("kubectl-edit", "11", PORT)],
            "was changed by kubectl-edit (spec.template.spec.containers[name=backend]"
            ".ports[containerPort=1,protocol=TCP].containerPort)",
        ),
        (
            "scale subresource",
            {},
            [entry("kube-controller-manager", "10", REPLICAS, subresource="scale")],
            "was changed by kube-controller-manager (spec.replicas)",
        ),
        ("both own the same value", REPLICAS, [entry("other", "11", REPLICAS)], "was changed by an unknown client"),
        ("written before the own apply", {}, [entry("other", "09", REPLICAS)], "was changed by an unknown client"),
        (
            "field that the manifest does not set",
            {},
            [entry("mesh", "12", {"f:metadata": {"f:labels": {"f:c": {}}}}), entry("scaler", "11", REPLICAS)],
            "was changed by scaler (spec.replicas)",
        ),
        (
            "latest of two",
            {},
            [entry("first", "11", REPLICAS), entry("second", "12", REPLICAS)],
            "was changed by second (spec.replicas)",
        ),
        (
            "forged managedFields",
            {},
            [entry("forger", "11", FORGED)],
            "was changed by an unknown client",
        ),
        (
            "status subresource",
            {},
            [entry("controller", "11", REPLICAS, subresource="status")],
            "was changed by an unknown client",
        ),
    ],
)
def test_cause_names_the_field_manager_and_its_fields(
    sentence: str, own_fields: Any, other_managers: list[Manifest], message: str
) -> None:
    metadata = {"name": "shop", "namespace": "team", "uid": "u9", "resourceVersion": "1"}
    child = child_of(
        kind_of(DEPLOYMENT),
        {"metadata": metadata | {"managedFields": [OWN_ENTRY | {"fieldsV1": own_fields}, *other_managers]}},
    )

    assert message == drift_cause(child, MANIFEST).message, sentence


def test_forged_managed_fields_are_truncated() -> None:
    deep: Manifest = {f"f:{number}": {} for number in range(1_000)}
    for _ in range(180):  # deeper than paths are read
        deep = {"f:a": deep}
    wide: Manifest = {"f:spec": {f"f:{number}": {} for number in range(1_000)}}
    long: Manifest = {"f:" + "a" * 10_000: {}, "f:b": {}}
    entries = [entry(f"m{number}", "11", fields) for number, fields in enumerate([deep, wide, long] * 300)]
    metadata = {"name": "shop", "namespace": "team", "uid": "u9", "resourceVersion": "1"}

    other_managers = child_of(
        kind_of(DEPLOYMENT), {"metadata": metadata | {"managedFields": [OWN_ENTRY | {"fieldsV1": {}}, *entries]}}
    ).other_managers

    assert 10 == len(other_managers)
    assert {1, 50} == {len(other.fields) for other in other_managers}
    assert 41 == max(len(path) for other in other_managers for path in other.fields)
    assert ("f:b",) in other_managers[2].fields


@pytest.mark.parametrize("own_fields", [IMAGE, PORT, {}, {"f:a": {}, "f:b": {".": {}, "f:c": None}}])
def test_field_is_contained_if_its_path_is_a_leaf(own_fields: Manifest) -> None:
    leaves = set(leaf_paths(own_fields))
    paths = {*leaves, *leaf_paths(IMAGE), *leaf_paths(PORT), ("f:b",), ("f:b", "f:c"), ("f:b", "f:c", "f:d"), ("f:a",)}

    assert leaves == {path for path in paths if contains(own_fields, path)}


def test_cause_of_a_missing_child_is_its_deletion_or_a_removed_label() -> None:
    assert "was deleted, or lost the label appstack.dev/stack" == drift_cause(None, MANIFEST).message


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (
            Action.BACKING_OFF,
            "Service shop was changed by kubectl-edit (spec.selector), after it was repaired 10 times within 90 s; "
            "next repair at 00:18:38Z",
        ),
        (
            Action.UNCHANGED,
            "Service shop was repaired 10 times within 90 s; before the last repair it was changed by kubectl-edit "
            "(spec.selector)",
        ),
    ],
)
def test_problem_names_cause_repairs_and_next_repair(action: Action, message: str) -> None:
    backoff, last = repaired_backoff(10, interval=10)
    (problem,) = drift_problems(backoff.persistent(generation=1, now=last), [Change(SERVICE, action, cause=CAUSE)])

    assert {"resource": "Service/shop", "reason": "Contested", "message": message, "hint": "Stop it"} == (
        problem.model_dump(exclude_defaults=True)
    )

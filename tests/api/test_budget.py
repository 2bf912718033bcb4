"""What a reconcile costs, counted by the API server itself."""

from __future__ import annotations

import time
from collections import Counter

from tests.api.harness import CHILDREN, Audit, Operator, Space, eventually

APPLY_ALL = {
    "patch serviceaccounts 201": 1,
    "patch configmaps 201": 1,
    "patch services 201": 1,
    "patch deployments 201": 1,
}
STATUS = "patch appstacks/status 200"


def without_status(count: Counter[str]) -> dict[str, int]:
    """Return all but the status writes."""
    return {word: number for word, number in count.items() if word != STATUS}


def test_create_is_one_apply_per_child_and_a_status_that_follows_the_rollout(
    space: Space, audit: Audit, operator: Operator
) -> None:
    with audit.counting(space.name) as count:
        started = time.monotonic()
        space.stack()
        space.ready()
        took = time.monotonic() - started

    assert without_status(count) == APPLY_ALL, "and no read: what is not there is found out by the apply itself"
    assert 1 <= count[STATUS] <= 2 + int(took), "one at once, one a second at most while it rolls"
    assert len(space.status()["resources"]) == CHILDREN


def test_an_edit_is_one_apply_per_child_that_changes_and_a_status(
    space: Space, audit: Audit, operator: Operator
) -> None:
    space.stack()
    space.ready()

    with audit.counting(space.name) as count:
        space.edit(service={"metadata": {"annotations": {"a": "b"}}})
        eventually(lambda: space.get("Service", "shop")["metadata"]["annotations"]["a"] == "b")
        space.ready()

    assert count == {"patch services 200": 1, STATUS: 1}


def test_an_edit_that_changes_nothing_in_the_cluster_is_a_status_alone(
    space: Space, audit: Audit, operator: Operator
) -> None:
    space.stack()
    space.ready()

    with audit.counting(space.name) as count:
        space.edit(paused=False)
        space.ready()

    assert set(count) <= {STATUS}
    assert count[STATUS] <= 1


def test_a_second_look_costs_nothing(space: Space, audit: Audit, operator: Operator) -> None:
    space.stack()
    space.ready()

    with audit.counting(space.name) as count:
        space.patch("AppStack", "shop", {"metadata": {"annotations": {"look": "again"}}})
        space.patch("Service", "shop", {"metadata": {"annotations": {"look": "again"}}})

    assert count == {}


def test_a_restart_costs_nothing(space: Space, audit: Audit, operator: Operator) -> None:
    for name in ("shop", "cart"):
        space.stack(name)
        space.ready(name)
    audit.settled(space.name)
    before = len(audit.single())

    assert operator.stop() == 0
    operator.start()

    with audit.counting(space.name) as count:
        space.patch("AppStack", "shop", {"metadata": {"annotations": {"look": "again"}}})
    assert count == {}
    assert audit.single()[before:] == [], "nothing is read or written one by one, in any namespace"


def test_drift_costs_one_apply(space: Space, audit: Audit, operator: Operator) -> None:
    space.stack()
    space.ready()
    name = space.get("Service", "shop")["metadata"]["labels"]["app.kubernetes.io/name"]

    with audit.counting(space.name) as count:
        space.patch("Service", "shop", {"metadata": {"labels": {"app.kubernetes.io/name": "other"}}})
        eventually(lambda: space.get("Service", "shop")["metadata"]["labels"]["app.kubernetes.io/name"] == name)

    assert count == {"patch services 200": 1}


def test_drift_while_the_operator_is_down_costs_the_same(space: Space, audit: Audit, operator: Operator) -> None:
    space.stack()
    space.ready()
    audit.settled(space.name)

    operator.stop()
    with audit.counting(space.name) as count:
        space.patch("Service", "shop", {"spec": {"selector": {"appstack.dev/stack": "other"}}})
        operator.start()
        eventually(lambda: space.get("Service", "shop")["spec"]["selector"]["appstack.dev/stack"] == "shop")

    assert count == {"patch services 200": 1}


def test_deletion_costs_nothing(space: Space, audit: Audit, operator: Operator) -> None:
    space.stack()
    space.ready()

    with audit.counting(space.name) as count:
        space.delete("AppStack", "shop")
        eventually(lambda: not space.exists("Deployment", "shop"))
        eventually(lambda: not space.exists("Service", "shop"))

    assert count == {}

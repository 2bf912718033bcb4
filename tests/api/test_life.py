"""The operator comes and goes; what it looks after is right whenever it is there."""

from __future__ import annotations

import time

from tests.api.harness import CHILDREN, Audit, Operator, Space, eventually, stack


def test_killed_in_the_middle_and_started_again_it_gets_there(space: Space, audit: Audit, operator: Operator) -> None:
    names = [f"shop-{number}" for number in range(8)]
    for name in names:
        space.stack(name)
    eventually(lambda: space.list("Deployment", labelSelector="appstack.dev/stack"))

    operator.kill()
    left = len(space.list("Deployment", labelSelector="appstack.dev/stack"))
    operator.start()
    for name in names:
        space.ready(name)

    assert left >= 1
    assert len(space.list("Deployment")) == len(names)
    refused = [word for word in audit.settled(space.name) if word.rpartition(" ")[2] in ("409", "422")]
    assert [] == refused, "what was applied before is known when it looks again"
    writes = [word for word in audit.of(space.name) if "status" not in word]
    assert len(names) * CHILDREN <= len(writes) <= 2 * len(names) * CHILDREN


def test_deletion_needs_no_operator(space: Space, operator: Operator) -> None:
    space.stack()
    space.ready()

    operator.stop()
    space.delete("AppStack", "shop")
    eventually(lambda: not space.exists("Deployment", "shop"))
    eventually(lambda: not space.exists("Service", "shop"))
    operator.start()


def test_a_namespace_that_is_being_deleted_is_left_alone(space: Space, audit: Audit, operator: Operator) -> None:
    names = [f"shop-{number}" for number in range(4)]
    for name in names:
        space.stack(name)
    for name in names:
        space.ready(name)

    with audit.counting(space.name) as count:
        space.cluster.request("DELETE", f"/api/v1/namespaces/{space.name}")
        eventually(lambda: not space.list("AppStack"))

    refused = {word: number for word, number in count.items() if word.endswith("403")}
    assert refused == {}, "it does not repair what goes with its namespace"


def test_a_stack_with_a_wrong_spec_can_be_deleted(space: Space, operator: Operator) -> None:
    space.stack(volumes=[{"name": "a", "hostPath": {"path": "/etc"}}])
    assert eventually(lambda: space.condition("Stalled"))["reason"] == "InvalidSpec"

    space.delete("AppStack", "shop")

    eventually(lambda: not space.exists("AppStack", "shop"))


def test_deleted_and_made_anew_while_the_operator_is_down(space: Space, operator: Operator) -> None:
    space.stack()
    first = space.ready()["metadata"]["uid"]

    operator.stop()
    space.delete("AppStack", "shop")
    space.stack()
    operator.start()
    eventually(lambda: space.get("Deployment", "shop")["metadata"]["ownerReferences"][0]["uid"] != first)

    second = space.ready()["metadata"]["uid"]
    assert space.get("Deployment", "shop")["metadata"]["ownerReferences"][0]["uid"] == second


def test_deleted_and_made_anew_at_once(space: Space, operator: Operator) -> None:
    space.stack()
    space.ready()

    space.delete("AppStack", "shop")
    eventually(lambda: not space.exists("AppStack", "shop"))
    second = space.stack()["metadata"]["uid"]

    eventually(lambda: space.get("Deployment", "shop")["metadata"]["ownerReferences"][0]["uid"] == second)
    space.ready()


def test_edits_while_the_operator_is_down_are_caught_up_with(space: Space, operator: Operator) -> None:
    space.stack()
    space.ready()

    operator.stop()
    space.edit(service={"enabled": False})
    space.stack("cart")
    operator.start()

    eventually(lambda: not space.exists("Service", "shop"))
    space.ready()
    space.ready("cart")


def test_many_edits_in_a_row_end_with_the_last(space: Space, audit: Audit, operator: Operator) -> None:
    space.stack()
    space.ready()

    with audit.counting(space.name) as count:
        started = time.monotonic()
        for number in range(20):
            space.edit(service={"metadata": {"annotations": {"number": str(number)}}})
        eventually(lambda: space.get("Service", "shop")["metadata"]["annotations"]["number"] == "19")
        space.ready()
        took = time.monotonic() - started

    assert count["patch services 200"] <= 20
    assert count["patch appstacks/status 200"] <= 3 + int(took), "one a second at most"


def test_a_namespace_that_goes_takes_everything_along(space: Space, operator: Operator) -> None:
    space.stack()
    space.ready()

    space.cluster.request("DELETE", f"/api/v1/namespaces/{space.name}")

    eventually(lambda: not space.list("AppStack"), within=30)
    assert "Traceback" not in operator.words()


def test_what_it_counts_is_told(space: Space, operator: Operator) -> None:
    space.create(stack())
    space.ready()

    text = operator.fetch(operator.metrics, "/metrics")

    assert 'appstack_requests_total{code="201",resource="deployments",verb="apply"}' in text
    assert 'appstack_reconciles_total{result="done"}' in text
    assert space.name not in text, "no series of one stack's own"
    assert operator.fetch(operator.health, "/livez") == operator.fetch(operator.health, "/readyz") == "ok\n"

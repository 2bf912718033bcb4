"""A backlog of AppStacks: applies have priority over status writes, and a killed operator loses no work."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.cluster import CHILD_COUNT, Cluster, Namespace, eventually
from tests.api.conftest import REPLICA_ACCOUNTS, RUN_ID, temporary_namespace
from tests.api.replicas import AuditedRequest, Replica, replica

BATCH_SIZE = 80
WORKERS = 16  # fewer than there are AppStacks in a batch
MAX_BATCHES = 3  # attempts to kill the operator before it finishes a batch; a busy machine may miss the moment
CHILD_KINDS = ("ServiceAccount", "ConfigMap", "Service", "Deployment")


@pytest.fixture
def namespace(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return a namespace with a batch of AppStacks that no operator has reconciled."""
    with temporary_namespace(cluster, f"backlog-{RUN_ID}-{secrets.token_hex(2)}") as namespace:
        create_batch(namespace, "shop")
        yield namespace


def create_batch(namespace: Namespace, prefix: str) -> None:
    """Create BATCH_SIZE AppStacks."""
    for number in range(BATCH_SIZE):
        namespace.create_stack(f"{prefix}-{number:03}")


@pytest.fixture
def small_operator(
    cluster: Cluster, operator_namespace: Namespace, namespace: Namespace, tmp_path: Path
) -> Iterator[Replica]:
    """Return a stopped operator with few workers, which reconciles the namespace of the test."""
    settings = {"identity": f"backlog-{secrets.token_hex(3)}", "namespaces": [namespace.name], "workers": WORKERS}
    with replica(cluster, operator_namespace, REPLICA_ACCOUNTS[0], tmp_path, **settings) as stopped:
        yield stopped


def complete_count(namespace: Namespace) -> int:
    """Return the number of AppStacks whose status records every child."""
    statuses = (stack.get("status") or {} for stack in namespace.list("AppStack"))
    return sum(len(status.get("resources", ())) == CHILD_COUNT for status in statuses)


def test_applies_have_priority_over_status_writes(small_operator: Replica, namespace: Namespace) -> None:
    small_operator.operator.start()
    eventually(lambda: complete_count(namespace) == BATCH_SIZE, within=120)

    writes = [request for request in small_operator.requests() if request.namespace == namespace.name]
    writes = [request for request in writes if request.is_write]
    creations = [request for request in writes if request.code == 201 and request.subresource == ""]
    status_writes = [request for request in writes if request.subresource == "status"]
    # The first reconcile of an AppStack starts with its ServiceAccount.
    reconciled_at = {
        request.name: request.received_at for request in creations if request.resource == "serviceaccounts"
    }
    during_backlog = [request for request in status_writes if request.received_at < max(reconciled_at.values())]

    assert BATCH_SIZE * CHILD_COUNT == len([request for request in creations if request.resource != "events"])
    assert len(status_writes) >= BATCH_SIZE, "more when the status of a child changed quickly"
    assert during_backlog, "a backlog does not suspend status writes"
    assert max_concurrency(during_backlog) <= 2, "one status write is in flight during a backlog"
    assert max_concurrency(creations) > 2


def test_operator_killed_in_a_backlog_loses_no_work(small_operator: Replica, namespace: Namespace) -> None:
    stack_count = BATCH_SIZE
    while not killed_before_completion(small_operator, namespace, stack_count):
        assert stack_count < MAX_BATCHES * BATCH_SIZE, "the operator finished every batch before it was killed"
        create_batch(namespace, f"more-{stack_count}")
        stack_count += BATCH_SIZE
    before = child_versions(namespace)

    small_operator.operator.start()
    eventually(lambda: complete_count(namespace) == stack_count, within=120)

    after = child_versions(namespace)
    assert before == {child: after[child] for child in before}, "a second apply of a child changes nothing"
    assert stack_count * CHILD_COUNT == len(after)


def killed_before_completion(small_operator: Replica, namespace: Namespace, stack_count: int) -> bool:
    """Start the operator and kill it within the newest batch; return whether some statuses were still pending."""
    small_operator.operator.start()
    eventually(lambda: len(namespace.list("Deployment")) > stack_count - BATCH_SIZE * 2 / 3)
    small_operator.operator.kill()
    return complete_count(namespace) < stack_count


def max_concurrency(requests: list[AuditedRequest]) -> int:
    """Return the highest number of requests that the API server processed at the same time."""
    return max(
        sum(request.received_at <= other.received_at <= request.completed_at for other in requests)
        for request in requests
    )


def child_versions(namespace: Namespace) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the uid and the version of every child.

    The version of a Deployment is its generation, because its controller changes the resourceVersion.
    """
    objects = ((kind, child["metadata"]) for kind in CHILD_KINDS for child in namespace.list(kind))
    children = ((kind, meta) for kind, meta in objects if "appstack.dev/stack" in meta.get("labels", {}))
    return {
        (kind, meta["name"]): (meta["uid"], str(meta.get("generation") or meta["resourceVersion"]))
        for kind, meta in children
    }

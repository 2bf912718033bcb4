"""Lists of Warning Events: only of namespaces with an AppStack that is not ready, and seldom while nothing changes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.api.cluster import Cluster, Manifest, Namespace, eventually
from tests.api.conftest import REPLICA_ACCOUNTS, RUN_ID, temporary_namespace
from tests.api.operator_process import replace_constants
from tests.api.replicas import AuditedRequest, Replica, replica

INTERVAL_SECONDS, LONGEST_INTERVAL_SECONDS = 0.5, 4.0
SHORT_INTERVALS = replace_constants(
    "appstack.informers.warning_events",
    FIRST_LIST_SECONDS=str(INTERVAL_SECONDS),
    MAX_INTERVAL_SECONDS=str(LONGEST_INTERVAL_SECONDS),
    SCAN_INTERVAL_SECONDS="0.1",
    LIST_INTERVAL_SECONDS="0.05",
)
LIST_INTERVALS_SECONDS = 2.0  # several intervals
MEASURED_LISTS = 6
SILENCE_SECONDS = 3.0  # in which a namespace would be listed six times
QUOTA = "exceeded quota: none"
STATEFUL: dict[str, Any] = {"workload": {"kind": "StatefulSet"}, "replicas": 1}


@pytest.fixture
def namespace(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return a namespace that only the operator of the test reconciles."""
    with temporary_namespace(cluster, f"events-{RUN_ID}-{secrets.token_hex(2)}") as namespace:
        namespace.create(quota("none", pods="0"))
        yield namespace


def quota(name: str, **hard: str) -> Manifest:
    """Return a ResourceQuota."""
    metadata = {"name": name}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}


@pytest.fixture
def leader(cluster: Cluster, operator_namespace: Namespace, namespace: Namespace, tmp_path: Path) -> Iterator[Replica]:
    """Return a running operator with short intervals between lists."""
    settings = {"identity": namespace.name, "namespaces": [namespace.name], "setup_code": SHORT_INTERVALS}
    with replica(cluster, operator_namespace, REPLICA_ACCOUNTS[0], tmp_path, **settings) as leader:
        leader.operator.start()
        yield leader
        assert "Traceback" not in leader.operator.log_text()


def lists(leader: Replica) -> list[AuditedRequest]:
    """Return the completed lists of Events."""
    requests = (request for request in leader.requests() if (request.verb, request.resource) == ("list", "events"))
    return [request for request in requests if request.code]


def lists_during_silence(leader: Replica) -> int:
    """Return the number of lists within SILENCE_SECONDS, after those that are in flight."""
    time.sleep(LIST_INTERVALS_SECONDS)
    before = len(lists(leader))
    time.sleep(SILENCE_SECONDS)
    return len(lists(leader)) - before


def first_problem(namespace: Namespace) -> Manifest:
    """Return the first problem in the status of the AppStack, or an empty one."""
    problem: Manifest = next(iter(namespace.status().get("problems", [])), {})
    return problem


def test_events_are_listed_while_a_stack_is_not_ready(namespace: Namespace, leader: Replica) -> None:
    namespace.create_stack("well")
    namespace.wait_until_ready("well")
    assert lists_during_silence(leader) == 0, "every AppStack is ready"

    namespace.create_stack(**STATEFUL)
    problem = eventually(lambda: first_problem(namespace))

    assert (problem["reason"], problem["field"]) == ("QuotaExceeded", "spec.replicas")
    assert QUOTA in problem["message"]

    namespace.patch("ResourceQuota", "none", {"spec": {"hard": {"pods": "9"}}})
    namespace.edit_stack(**{**STATEFUL, "replicas": 0})
    namespace.wait_until_ready()
    assert not namespace.status().get("problems")
    assert lists_during_silence(leader) == 0, "every AppStack is ready again"


def test_interval_doubles_while_nothing_changes(namespace: Namespace, leader: Replica) -> None:
    namespace.create_stack(**STATEFUL)
    eventually(lambda: first_problem(namespace))

    eventually(lambda: len(lists(leader)) >= MEASURED_LISTS)
    requests = lists(leader)

    starts = [request.received_at for request in requests]
    intervals = [later - earlier for earlier, later in pairwise(starts)]
    assert max(intervals) > 2 * INTERVAL_SECONDS
    assert {request.namespace for request in requests} == {namespace.name}

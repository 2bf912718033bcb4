"""Shards: two operators share a cluster by a label of its namespaces, and a namespace moves between them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.api.cluster import MERGE, Cluster, Namespace, eventually
from tests.api.conftest import REPLICA_ACCOUNTS, RUN_ID, temporary_namespace
from tests.api.replicas import AuditedRequest, Replica, merged_requests, replica

NAMESPACE_PATTERN = f"shard-{RUN_ID}-*"
SHARD_LABEL = f"example.org/shard-{secrets.token_hex(3)}"
UNASSIGNED = "none"


def assign(namespace: Namespace, shard: str | None) -> None:
    """Label a namespace with a shard; None removes the label."""
    patch = {"metadata": {"labels": {SHARD_LABEL: shard}}}
    namespace.cluster.request("PATCH", f"/api/v1/namespaces/{namespace.name}", patch, content_type=MERGE)


@pytest.fixture
def namespaces(cluster: Cluster, operator_namespace: Namespace) -> Iterator[dict[str, Namespace]]:
    """Return one namespace for each shard and one without a shard, by the name of the shard."""
    with ExitStack() as stack:
        namespaces = {
            shard: stack.enter_context(temporary_namespace(cluster, f"shard-{RUN_ID}-{shard}-{secrets.token_hex(2)}"))
            for shard in ("a", "b", UNASSIGNED)
        }
        assign(namespaces["a"], "a")
        assign(namespaces["b"], "b")
        yield namespaces


@pytest.fixture
def operators(
    cluster: Cluster, operator_namespace: Namespace, namespaces: dict[str, Namespace], tmp_path: Path
) -> Iterator[dict[str, Replica]]:
    """Return two running operators by the name of their shard."""
    with ExitStack() as stack:
        operators = {}
        for shard, account in zip("ab", REPLICA_ACCOUNTS, strict=False):
            settings = {
                "identity": f"{SHARD_LABEL.rpartition('/')[2]}-{shard}",
                "namespaces": [NAMESPACE_PATTERN],
                "namespaceSelector": f"{SHARD_LABEL}={shard}",
            }
            operators[shard] = stack.enter_context(replica(cluster, operator_namespace, account, tmp_path, **settings))
            operators[shard].operator.start()
        yield operators
        for member in operators.values():
            assert 0 == member.operator.stop(), member.operator.log_text()[-3000:]
            assert "Traceback" not in member.operator.log_text()


def writes(operators: dict[str, Replica], namespace: Namespace) -> list[AuditedRequest]:
    """Return the writes in a namespace."""
    requests = merged_requests(list(operators.values()))
    return [request for request in requests if request.is_write and request.namespace == namespace.name]


def writers(operators: dict[str, Replica], namespace: Namespace) -> set[str]:
    """Return the accounts that have written in a namespace."""
    return {request.account for request in writes(operators, namespace)}


def test_each_operator_writes_only_in_the_namespaces_of_its_shard(
    operators: dict[str, Replica], namespaces: dict[str, Namespace]
) -> None:
    for namespace in namespaces.values():
        namespace.create_stack()
    namespaces["a"].wait_until_ready()
    namespaces["b"].wait_until_ready()

    for shard, member in operators.items():
        assert {member.account} == writers(operators, namespaces[shard])
    assert set() == writers(operators, namespaces[UNASSIGNED])

    assign(namespaces[UNASSIGNED], "b")

    namespaces[UNASSIGNED].wait_until_ready()
    assert {operators["b"].account} == writers(operators, namespaces[UNASSIGNED])


def test_namespace_changes_shard_without_a_change_of_its_objects(
    operators: dict[str, Replica], namespaces: dict[str, Namespace]
) -> None:
    namespace = namespaces["a"]
    namespace.create_stack()
    namespace.wait_until_ready()
    uid = namespace.get("Deployment", "shop")["metadata"]["uid"]

    assigned_at = time.time()  # not a position in the audit log, which may contain earlier requests late
    assign(namespace, "b")
    eventually(lambda: f"Releasing namespace {namespace.name}" in operators["a"].operator.log_text())
    namespace.edit_stack(service={"metadata": {"labels": {"moved": "yes"}}})
    eventually(lambda: "moved" in namespace.get("Service", "shop")["metadata"]["labels"], within=40)
    namespace.wait_until_ready()

    later = [request for request in writes(operators, namespace) if request.received_at > assigned_at]
    assert {operators["b"].account} == {request.account for request in later}
    assert {"services", "appstacks"} == {request.resource for request in later}, "the new owner knows the children"
    assert uid == namespace.get("Deployment", "shop")["metadata"]["uid"]

    namespace.delete("Service", "shop")
    eventually(lambda: namespace.exists("Service", "shop"))
    later = [request for request in writes(operators, namespace) if request.received_at > assigned_at]
    assert {operators["b"].account} == {request.account for request in later}


def test_operator_with_an_overlapping_selector_refuses_to_start(
    operators: dict[str, Replica], cluster: Cluster, operator_namespace: Namespace, tmp_path: Path
) -> None:
    settings = {"namespaces": [NAMESPACE_PATTERN], "namespaceSelector": f"{SHARD_LABEL} in (b,c)"}
    with replica(cluster, operator_namespace, REPLICA_ACCOUNTS[2], tmp_path, **settings) as third:
        third.operator.launch()

        assert third.operator.wait() > 0
        excluded = f"kube-*, {operator_namespace.name}"
        message = f"Another operator reconciles {NAMESPACE_PATTERN} except {excluded} labelled {SHARD_LABEL}=b"
        assert message in third.operator.log_text()

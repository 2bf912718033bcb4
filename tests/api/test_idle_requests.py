"""Requests of an idle operator: each kind once at a restart, none afterwards; and /livez reports a stuck watch."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from appstack.client.resource_kinds import WATCHED_KINDS
from tests.api.cluster import Cluster, Namespace, eventually
from tests.api.conftest import OPERATOR_NAMESPACE, REPLICA_ACCOUNTS, RUN_ID, temporary_namespace
from tests.api.operator_process import OperatorProcess, replace_constants
from tests.api.replicas import AuditedRequest, Replica, merged_requests, replica, wait_until_synced

FEW_STACKS, MORE_STACKS = 3, 12
QUIET_SECONDS = 3.0  # longer than the status debounce of one second
SILENCE_SECONDS = 12.0  # an AppStack that a list did not contain is requested after ten
YEARLY = {
    "replicas": None,
    "backend": {"image": "busybox:1.35.0", "command": ["true"]},
    "workload": {"kind": "CronJob", "cronJob": {"schedule": "0 0 1 1 *"}},
}
OPTIONAL_RESOURCES = {"httproutes", "servicemonitors"}  # another test may define them for a while

STUCK_WATCH = "; ".join(
    [
        replace_constants("appstack.client.requests", WATCH_SILENCE_SECONDS="3.0"),
        replace_constants("appstack.informers.watch_health", STALE_SECONDS="20.0"),
        replace_constants("appstack.informers.informer", DISCOVERY_BACKOFF="Backoff(first=1.0, longest=2.0)"),
        """
import asyncio
from contextlib import aclosing
from appstack.client import client
lines = client.Client.lines

async def lines_until_stuck(self, request):
    async with aclosing(lines(self, request)) as stream:
        async for line in stream:
            yield line
            if request.kind.plural == "services" and b'"namespace":"NAMESPACE"' in line:
                await asyncio.Event().wait()

client.Client.lines = lines_until_stuck""",
    ]
)
"""Setup code: intervals of seconds instead of minutes, and a watch of Services that hangs after one in NAMESPACE."""


@pytest.fixture
def namespace(cluster: Cluster, operator_namespace: Namespace) -> Iterator[Namespace]:
    """Return a namespace that only the operators of the test reconcile."""
    with temporary_namespace(cluster, f"idle-{RUN_ID}-{secrets.token_hex(2)}") as namespace:
        yield namespace


def requests_once(replicas: list[Replica]) -> list[AuditedRequest]:
    """Return one stage of each request, without Leases and without an optional kind while the cluster serves it."""
    requests = {request.audit_id: request for request in merged_requests(replicas) if request.resource != "leases"}
    served = any(request.resource in OPTIONAL_RESOURCES and request.code == 200 for request in requests.values())
    return [request for request in requests.values() if not (served and request.resource in OPTIONAL_RESOURCES)]


def is_quiet(replicas: list[Replica], *, seconds: float = QUIET_SECONDS) -> bool:
    """Return True when no replica has sent a request for that long; raise AssertionError otherwise."""
    last = max(requests_once(replicas), key=lambda request: request.received_at)
    assert seconds < time.time() - last.received_at, last
    return True


def reconcile_count(operator: OperatorProcess) -> float:
    """Return the number of reconciles of an operator."""
    families = parse(operator.fetch(operator.metrics_port, "/metrics"))
    samples = (sample for family in families for sample in family.samples)
    return sum(sample.value for sample in samples if sample.name == "appstack_reconciles_total")


def create_and_stop(namespace: Namespace, member: Replica, names: list[str]) -> None:
    """Let an operator reconcile new AppStacks and stop it when it is idle."""
    member.operator.start()
    for name in names:
        namespace.create_stack(name)
    for name in names:
        namespace.wait_until_ready(name)
    eventually(lambda: is_quiet([member]))
    assert 0 == member.operator.stop(), member.operator.log_text()[-3000:]


def requests_of_a_restart(member: Replica, *, stack_count: int) -> list[AuditedRequest]:
    """Start an operator, stop it when it has reconciled every AppStack and is idle, and return its requests."""
    since = time.time()  # the end of an earlier watch may be logged late
    member.operator.start()
    eventually(lambda: reconcile_count(member.operator) >= stack_count)
    eventually(lambda: is_quiet([member], seconds=SILENCE_SECONDS))
    assert 0 == member.operator.stop(), member.operator.log_text()[-3000:]
    return [request for request in requests_once([member]) if request.received_at > since]


def count_by_resource(requests: list[AuditedRequest]) -> Counter[tuple[str, str]]:
    """Return the number of requests by verb and resource."""
    return Counter(
        (request.verb, request.resource) for request in requests if request.resource not in OPTIONAL_RESOURCES
    )


def test_restart_reads_each_kind_once_whatever_the_number_of_stacks(
    cluster: Cluster, operator_namespace: Namespace, namespace: Namespace, tmp_path: Path
) -> None:
    names = [f"shop-{number}" for number in range(MORE_STACKS)]
    settings = {"identity": namespace.name, "namespaces": [namespace.name]}
    with replica(cluster, operator_namespace, REPLICA_ACCOUNTS[0], tmp_path, **settings) as member:
        create_and_stop(namespace, member, names[:FEW_STACKS])
        with_few = requests_of_a_restart(member, stack_count=FEW_STACKS)
        create_and_stop(namespace, member, names[FEW_STACKS:])
        with_more = requests_of_a_restart(member, stack_count=MORE_STACKS)

    assert [] == [request for request in (*with_few, *with_more) if request.is_write]
    counts = count_by_resource(with_more)
    assert count_by_resource(with_few) == counts
    plurals = [kind.plural for kind in WATCHED_KINDS if kind.plural not in OPTIONAL_RESOURCES]
    once = {(verb, plural): 1 for plural in plurals for verb in ("list", "watch")}
    assert once == {request: number for request, number in counts.items() if request in once}


@pytest.fixture
def replicas(
    cluster: Cluster, operator_namespace: Namespace, namespace: Namespace, tmp_path: Path
) -> Iterator[list[Replica]]:
    """Return a leader and a standby."""
    settings = {"identity": namespace.name, "namespaces": [namespace.name]}
    with ExitStack() as stack:
        replicas = [
            stack.enter_context(replica(cluster, operator_namespace, account, tmp_path, **settings))
            for account in REPLICA_ACCOUNTS[:2]
        ]
        leader, standby = replicas
        leader.operator.start()
        standby.operator.launch()
        wait_until_synced(standby)
        yield replicas
        assert "Traceback" not in "".join(member.operator.log_text() for member in replicas)


def test_idle_replicas_send_no_requests(replicas: list[Replica], namespace: Namespace) -> None:
    namespace.create_stack("no-pods")
    namespace.create_stack("stateful", workload={"kind": "StatefulSet"})
    namespace.create_stack("yearly", **YEARLY)
    for name in ("no-pods", "stateful", "yearly"):
        namespace.wait_until_ready(name)
    assert 0 == namespace.get("Deployment", "no-pods")["spec"]["replicas"]
    eventually(lambda: is_quiet(replicas))

    since = time.time()
    time.sleep(SILENCE_SECONDS)

    requests = [request for request in requests_once(replicas) if request.received_at > since]
    assert [] == [request for request in requests if request.verb != "watch"]
    assert 2 == sum(member.operator.running() for member in replicas)


def livez(operator: OperatorProcess) -> tuple[int, str]:
    """Return the status code and the body of the liveness probe."""
    connection = HTTPConnection("127.0.0.1", operator.health_port, timeout=5)
    try:
        connection.request("GET", "/livez")
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def livez_is(operator: OperatorProcess, status: int, message: str) -> bool:
    """Return True when the liveness probe has this result; raise AssertionError otherwise."""
    assert (status, f"{message}\n") == livez(operator)
    return True


def test_livez_fails_when_a_watch_is_stuck(namespace: Namespace, kubeconfig: Path, tmp_path: Path) -> None:
    setup_code = STUCK_WATCH.replace("NAMESPACE", namespace.name)
    settings = {"identity": namespace.name, "namespaces": [namespace.name]}
    operator = OperatorProcess(
        tmp_path, kubeconfig, setup_code=setup_code, operatorNamespace=OPERATOR_NAMESPACE, **settings
    )
    try:
        operator.start()
        eventually(lambda: livez_is(operator, 200, "ok"))

        namespace.create_stack()
        eventually(lambda: namespace.exists("Service", "shop"))

        eventually(lambda: livez_is(operator, 503, f"the watch of services in {namespace.name} is stuck"))
        assert 0 == operator.stop(), operator.log_text()[-3000:]
    finally:
        if operator.running():
            operator.kill()

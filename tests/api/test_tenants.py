"""One tenant with the most expensive and the largest AppStacks, beside another namespace, with real replicas."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.tenants import heavy_spec, largest_spec
from bench.worst_cases import WORST_CASES
from tests.api.cluster import CHILD_COUNT, Cluster, Manifest, Namespace, eventually
from tests.api.conftest import REPLICA_ACCOUNTS, RUN_ID, temporary_namespace
from tests.api.replicas import Replica, replica

HEAVY_COUNT = 32
LARGE_COUNT = 200
PARALLEL_CREATIONS = 4
OTHER_COUNT = 5
LEASE_SECONDS = 15
WITHIN_SECONDS = 600.0  # most of it is the work of the API server
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.fixture
def namespaces(cluster: Cluster, operator_namespace: Namespace) -> Iterator[tuple[Namespace, Namespace]]:
    """Return the namespace of the tenant and another one."""
    with ExitStack() as stack:
        names = (f"tenants-{RUN_ID}-{name}" for name in ("tenant", "other"))
        tenant, other = (stack.enter_context(temporary_namespace(cluster, name)) for name in names)
        yield tenant, other


@pytest.fixture
def operator(
    cluster: Cluster, operator_namespace: Namespace, namespaces: tuple[Namespace, Namespace], tmp_path: Path
) -> Iterator[Replica]:
    """Return the running operator of both namespaces, with the default duration of its Lease."""
    names = [namespace.name for namespace in namespaces]
    settings = {"identity": f"tenants-{RUN_ID}", "namespaces": names, "leaseDuration": LEASE_SECONDS}
    with replica(cluster, operator_namespace, REPLICA_ACCOUNTS[0], tmp_path, **settings) as started:
        started.operator.start()
        yield started


def stacks() -> Iterator[Manifest]:
    """Yield the AppStacks of the tenant."""
    cases = list(WORST_CASES)
    heavy = {f"heavy-{number}": heavy_spec(cases[number % len(cases)]) for number in range(HEAVY_COUNT)}
    large = {f"large-{number}": largest_spec() for number in range(LARGE_COUNT)}
    for name, spec in {**heavy, **large}.items():
        yield {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": {"name": name}, "spec": spec}


def unreconciled(namespace: Namespace) -> int:
    """Return the number of AppStacks without a status; a table spares their specs."""
    cluster = namespace.cluster
    url = f"{cluster.server}{namespace.path('AppStack')}?includeObject=None"
    table = json.loads(cluster.pool.request("GET", url, headers={"Accept": TABLE, **cluster.credentials}).data)
    reason = next(i for i, column in enumerate(table["columnDefinitions"]) if column["name"] == "Reason")
    return sum(not row["cells"][reason] for row in table["rows"])


def serve_others(other: Namespace, prefix: str) -> None:
    """Create AppStacks in the other namespace, and wait until each is reconciled."""
    for number in range(OTHER_COUNT):
        other.create_stack(f"{prefix}-{number}")
    for number in range(OTHER_COUNT):
        eventually(
            lambda number=number: len(other.status(f"{prefix}-{number}").get("resources", ())) == CHILD_COUNT,  # type: ignore[misc]
            within=WITHIN_SECONDS,
        )


@pytest.mark.timeout(1800)
def test_tenant_delays_no_other_namespace_and_does_not_stop_the_operator(
    operator: Replica, namespaces: tuple[Namespace, Namespace]
) -> None:
    tenant, other = namespaces
    with ThreadPoolExecutor(PARALLEL_CREATIONS) as pool:
        list(pool.map(tenant.create, stacks()))

    serve_others(other, "beside")
    assert unreconciled(tenant) > 0, "the other namespace is served before the backlog ends"

    operator.operator.send_signal(signal.SIGKILL)
    operator.operator.wait()
    operator.operator.start()
    serve_others(other, "after-a-restart")
    eventually(lambda: unreconciled(tenant) == 0, within=WITHIN_SECONDS)

    assert 0 == operator.operator.stop()
    log = operator.operator.log_text()
    assert 2 == log.count("Reconciling tenants-"), "no restart but that of the test"
    assert "Traceback" not in log
    assert "not renewed" not in log, "neither late nor by a loop that does not respond"

"""Kinds that the cluster does not serve: when the operator asks for them, and how it recovers when they are served."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.api.cluster import ApiError, Cluster, Manifest, Namespace, eventually
from tests.api.conftest import REPLICA_ACCOUNTS, RUN_ID, temporary_namespace
from tests.api.operator_process import OperatorProcess, replace_constants
from tests.api.replicas import Replica, lease_holder, replica, wait_until_synced

CRD_COLLECTION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ROUTE_COLLECTION = "/apis/gateway.networking.k8s.io/v1/httproutes"
CRD_NAME = "httproutes.gateway.networking.k8s.io"
BACKEND = {"image": "busybox:1.35.0", "command": ["true"], "ports": [{"containerPort": 8000}]}
ROUTE = {"parentRefs": [{"name": "gate"}], "hostnames": ["shop.example"]}
SHORT_DISCOVERY_INTERVALS = replace_constants(  # seconds instead of a minute
    "appstack.informers.informer", DISCOVERY_BACKOFF="Backoff(first=0.2, longest=1.0)", DISCOVERY_MAX_AGE_SECONDS="0.2"
)
SILENCE_SECONDS = 4.0  # in which the operator would ask three times for a kind that an AppStack uses


@pytest.fixture(autouse=True)
def _routes_not_served(cluster: Cluster) -> None:
    """Skip the tests when the cluster serves HTTPRoutes already."""
    if not _is_absent(cluster, ROUTE_COLLECTION):
        pytest.skip("not run: this cluster serves HTTPRoutes")


@contextmanager
def routes_served(cluster: Cluster) -> Iterator[None]:
    """Define HTTPRoutes in the cluster during the block."""
    eventually(lambda: cluster.request("POST", CRD_COLLECTION, _route_definition()))
    eventually(lambda: cluster.request("GET", ROUTE_COLLECTION))
    try:
        yield
    finally:
        definition = f"{CRD_COLLECTION}/{CRD_NAME}"
        cluster.request("DELETE", definition)
        # The API server serves the kind a little longer than its definition exists.
        eventually(lambda: _is_absent(cluster, definition) and _is_absent(cluster, ROUTE_COLLECTION))


def _is_absent(cluster: Cluster, path: str) -> bool:
    try:
        cluster.request("GET", path)
    except ApiError as error:
        return error.status == 404
    return False


def _route_definition() -> Manifest:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"kind": "HTTPRoute", "plural": "httproutes", "singular": "httproute", "listKind": "HTTPRouteList"}
    annotations = {"api-approved.kubernetes.io": "unapproved, of the tests"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": CRD_NAME, "annotations": annotations},
        "spec": {
            "group": "gateway.networking.k8s.io",
            "names": names,
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


@pytest.fixture
def replicas(
    cluster: Cluster, operator_namespace: Namespace, tmp_path: Path
) -> Iterator[tuple[Namespace, Replica, Replica]]:
    """Return a namespace, its leader with short discovery intervals, and a standby."""
    with ExitStack() as stack:
        name = f"missing-{RUN_ID}-{secrets.token_hex(2)}"
        namespace = stack.enter_context(temporary_namespace(cluster, name))
        settings = {
            "identity": namespace.name,
            "namespaces": [namespace.name],
            "setup_code": SHORT_DISCOVERY_INTERVALS,
        }
        leader, standby = (
            stack.enter_context(replica(cluster, operator_namespace, account, tmp_path, **settings))
            for account in REPLICA_ACCOUNTS[:2]
        )
        leader.operator.start()
        standby.operator.launch()
        wait_until_synced(standby)
        yield namespace, leader, standby
        assert "Traceback" not in leader.operator.log_text() + standby.operator.log_text()


def _route_requests(member: Replica) -> int:
    """Return the number of requests of a replica for HTTPRoutes."""
    return [request.resource for request in member.requests()].count("httproutes")


def _route_requests_during_silence(member: Replica) -> int:
    """Return the number of requests for HTTPRoutes within SILENCE_SECONDS from now."""
    before = _route_requests(member)
    time.sleep(SILENCE_SECONDS)
    return _route_requests(member) - before


def _keeps_requesting_routes(member: Replica) -> bool:
    """Wait until a replica has sent three more requests for HTTPRoutes."""
    before = _route_requests(member)
    return eventually(lambda: _route_requests(member) >= before + 3)


def _stops_requesting_routes(member: Replica) -> bool:
    """Wait until a replica has stopped sending requests for HTTPRoutes."""
    return eventually(lambda: _route_requests_during_silence(member) == 0)


def _has_missing_kind_event(namespace: Namespace, name: str) -> bool:
    """Return whether an Event has reported a missing kind for an AppStack."""
    events = namespace.list("Event")
    return any((event["reason"], event["regarding"]["name"]) == ("MissingKind", name) for event in events)


def test_stack_with_a_missing_kind_is_stalled_until_the_kind_is_served(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    namespace.create_stack(backend=BACKEND, httpRoute=ROUTE)

    stalled = eventually(lambda: namespace.condition("Stalled"))
    assert stalled["reason"] == "MissingKind"
    assert "does not serve HTTPRoute (gateway.networking.k8s.io/v1)" in stalled["message"]
    assert namespace.exists("Deployment", "shop")
    assert operator.fetch(operator.health_port, "/readyz").startswith("ok")

    with routes_served(namespace.cluster):
        namespace.wait_until_ready()
        assert namespace.exists("HTTPRoute", "shop")
        endpoint = {"name": "shop.example", "url": "http://shop.example", "scope": "External"}
        assert endpoint in namespace.status()["endpoints"]
    eventually(lambda: namespace.condition("Stalled"), within=65)

    with routes_served(namespace.cluster):
        namespace.wait_until_ready(within=65)
        assert namespace.exists("HTTPRoute", "shop")


def test_missing_kind_is_requested_only_while_a_stack_uses_it(replicas: tuple[Namespace, Replica, Replica]) -> None:
    namespace, leader, _ = replicas
    namespace.create_stack()
    namespace.wait_until_ready()
    assert _stops_requesting_routes(leader)
    assert _route_requests(leader) <= 2, "at the start, and on election when the start took a while"

    namespace.edit_stack(backend=BACKEND, httpRoute=ROUTE)
    assert "MissingKind" == eventually(lambda: namespace.condition("Stalled"))["reason"]
    assert _keeps_requesting_routes(leader)

    namespace.edit_stack(httpRoute=None)
    namespace.wait_until_ready()
    assert _stops_requesting_routes(leader)

    namespace.create_stack("other", backend=BACKEND, httpRoute=ROUTE)
    eventually(lambda: namespace.condition("Stalled", "other"))
    assert _keeps_requesting_routes(leader)
    namespace.delete("AppStack", "other")
    assert _stops_requesting_routes(leader)
    assert leader.operator.fetch(leader.operator.health_port, "/readyz").startswith("ok")


def test_kind_served_before_a_stack_uses_it_is_never_reported_missing(
    replicas: tuple[Namespace, Replica, Replica],
) -> None:
    namespace, leader, _ = replicas
    with routes_served(namespace.cluster):
        assert _stops_requesting_routes(leader)

        namespace.create_stack(backend=BACKEND, httpRoute=ROUTE)
        namespace.wait_until_ready()

        assert namespace.exists("HTTPRoute", "shop")
        assert not _has_missing_kind_event(namespace, "shop"), "the kind is requested before its absence is reported"


def test_new_leader_requests_kinds_that_were_missing_while_it_was_standby(
    replicas: tuple[Namespace, Replica, Replica], operator_namespace: Namespace
) -> None:
    namespace, leader, standby = replicas
    with routes_served(namespace.cluster):
        namespace.create_stack(backend=BACKEND, httpRoute=ROUTE)
        namespace.wait_until_ready()
        before = _route_requests(standby)
        assert 0 < before <= 3, "at the start, and no more while it is standby"

        assert 0 == leader.operator.stop()
        eventually(lambda: lease_holder([standby], operator_namespace.get("Lease", namespace.name)))
        eventually(lambda: _route_requests(standby) >= before + 2)  # a list and a watch, whether a stack uses it or not
        namespace.edit_stack(httpRoute=None)
        eventually(lambda: not namespace.exists("HTTPRoute", "shop"))

        namespace.wait_until_ready()
        assert not _has_missing_kind_event(namespace, "shop")

"""A kind that the cluster does not know, against a real API server: who asks for it, when, and what comes of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.api.conftest import CREW, WORKER, namespace
from tests.api.crew import Member, leader, member, standing_by
from tests.api.harness import Cluster, Failure, Manifest, Operator, Space, eventually

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SERVED = "/apis/gateway.networking.k8s.io/v1/httproutes"
NAME = "httproutes.gateway.networking.k8s.io"
BACKEND = {"image": "busybox:1.35.0", "command": ["true"], "ports": [{"containerPort": 8000}]}
ROUTE = {"parentRefs": [{"name": "gate"}], "hostnames": ["shop.example"]}
OFTEN = (  # within seconds what else takes a minute
    "from appstack.informers import informer; from appstack.workqueue.queue import Backoff; "
    "informer._ANEW = Backoff(first=0.2, longest=1.0); informer._LATELY = 0.2"
)
WHILE = 4.0  # seconds: one that is wanted is asked for three times in it


@pytest.fixture(autouse=True)
def _missing(cluster: Cluster) -> None:
    """Go without where the cluster has HTTPRoutes of its own."""
    if not _gone(cluster, SERVED):
        pytest.skip("not run: this cluster has HTTPRoutes")


@contextmanager
def known(cluster: Cluster) -> Iterator[None]:
    """Let the cluster know HTTPRoutes for as long as the block lasts."""
    eventually(lambda: cluster.request("POST", CRD, _definition()))
    eventually(lambda: cluster.request("GET", SERVED))
    try:
        yield
    finally:
        cluster.request("DELETE", f"{CRD}/{NAME}")
        eventually(lambda: _gone(cluster, f"{CRD}/{NAME}") and _gone(cluster, SERVED))  # it is served a little longer


def _gone(cluster: Cluster, path: str) -> bool:
    try:
        cluster.request("GET", path)
    except Failure as error:
        return error.status == 404
    return False


def _definition() -> Manifest:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"kind": "HTTPRoute", "plural": "httproutes", "singular": "httproute", "listKind": "HTTPRouteList"}
    approved = {"api-approved.kubernetes.io": "unapproved, of the tests"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME, "annotations": approved},
        "spec": {
            "group": "gateway.networking.k8s.io",
            "names": names,
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


@pytest.fixture
def crew(cluster: Cluster, system: Space, tmp_path: Path) -> Iterator[tuple[Space, Member, Member]]:
    """Give a namespace, who works in it and asks often, and who stands by."""
    with ExitStack() as stack:
        home = stack.enter_context(namespace(cluster, f"missing-{WORKER}-{secrets.token_hex(2)}"))
        settings = {"identity": home.name, "namespaces": [home.name], "before": OFTEN}
        made = [stack.enter_context(member(cluster, system, name, tmp_path, **settings)) for name in CREW[:2]]
        made[0].operator.start()
        made[1].operator.launch()
        standing_by(made[1])
        yield home, made[0], made[1]
        assert "Traceback" not in "".join(one.operator.words() for one in made)


def _asked(who: Member) -> int:
    """Return how often somebody has asked for HTTPRoutes."""
    return [one.resource for one in who.sent()].count("httproutes")


def _asked_in_a_while(who: Member) -> int:
    time.sleep(WHILE / 4)  # what is under way or not logged yet is of the time before
    before = _asked(who)
    time.sleep(WHILE)
    return _asked(who) - before


def _asks(who: Member) -> bool:
    """Wait until somebody has asked for HTTPRoutes again and again."""
    before = _asked(who)
    return eventually(lambda: _asked(who) >= before + 3)


def _rests(who: Member) -> bool:
    """Wait until somebody asks for HTTPRoutes no more."""
    return eventually(lambda: _asked_in_a_while(who) == 0)


def _told(space: Space, name: str) -> bool:
    """Tell whether an Event has said of a stack that the cluster does not know what it wants."""
    return any((one["reason"], one["regarding"]["name"]) == ("MissingKind", name) for one in space.list("Event"))


def test_a_kind_that_the_cluster_does_not_know_waits_for_its_definition(space: Space, operator: Operator) -> None:
    space.stack(backend=BACKEND, httpRoute=ROUTE)

    stalled = eventually(lambda: space.condition("Stalled"))
    assert stalled["reason"] == "MissingKind"
    assert "does not know HTTPRoute (gateway.networking.k8s.io/v1)" in stalled["message"]
    assert space.exists("Deployment", "shop")
    assert operator.fetch(operator.health, "/readyz").startswith("ok")

    with known(space.cluster):
        space.ready()
        assert space.exists("HTTPRoute", "shop")
        assert {"name": "shop.example", "url": "http://shop.example", "scope": "External"} in space.status()[
            "endpoints"
        ]
    eventually(lambda: space.condition("Stalled"), within=65)

    with known(space.cluster):
        space.ready(within=65)
        assert space.exists("HTTPRoute", "shop")


def test_what_no_stack_wants_is_not_asked_for(crew: tuple[Space, Member, Member]) -> None:
    space, works, _ = crew
    space.stack()
    space.ready()
    assert _rests(works)
    assert _asked(works) <= 2, "at the start, and where it took a while, when the Lease was ours"

    space.edit(backend=BACKEND, httpRoute=ROUTE)
    assert "MissingKind" == eventually(lambda: space.condition("Stalled"))["reason"]
    assert _asks(works)

    space.edit(httpRoute=None)
    space.ready()
    assert _rests(works)

    space.stack("other", backend=BACKEND, httpRoute=ROUTE)
    eventually(lambda: space.condition("Stalled", "other"))
    assert _asks(works)
    space.delete("AppStack", "other")
    assert _rests(works)
    assert works.operator.fetch(works.operator.health, "/readyz").startswith("ok")


def test_a_kind_that_came_while_no_stack_wanted_it_is_known_when_one_does(crew: tuple[Space, Member, Member]) -> None:
    space, works, _ = crew
    with known(space.cluster):
        assert _rests(works)

        space.stack(backend=BACKEND, httpRoute=ROUTE)
        space.ready()

        assert space.exists("HTTPRoute", "shop")
        assert not _told(space, "shop"), "it was asked for before anything was said"


def test_whoever_takes_over_finds_out_what_the_cluster_knows_by_now(
    crew: tuple[Space, Member, Member], system: Space
) -> None:
    space, works, stands_by = crew
    with known(space.cluster):
        space.stack(backend=BACKEND, httpRoute=ROUTE)
        space.ready()
        before = _asked(stands_by)
        assert 0 < before <= 3, "at the start, and no more while somebody else works"

        assert 0 == works.operator.stop()
        eventually(lambda: leader([stands_by], system.get("Lease", space.name)))
        eventually(lambda: _asked(stands_by) >= before + 2)  # a list and a watch: whether any stack wants it or none
        space.edit(httpRoute=None)
        eventually(lambda: not space.exists("HTTPRoute", "shop"))

        space.ready()
        assert not _told(space, "shop")

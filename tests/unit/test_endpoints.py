"""Where a stack answers: a table of what makes it reachable."""

from __future__ import annotations

from typing import Any

import pytest

from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed
from appstack.status.endpoints import endpoints

HTTP = {"name": "http", "port": 80}
DB = {"port": 3306}


def thing(kind: str, spec: dict[str, Any], *, name: str = "shop", address: dict[str, str] | None = None) -> Child:
    status = {"loadBalancer": {"ingress": [address]}} if address else {}
    return Child(Ref("v1", kind, "team", name), name, "1", "shop", spec=spec, status=status)


def pod(name: str) -> Child:
    return Child(Ref("v1", "Pod", "team", name), name, "1", "shop")


def told(*children: Child, pods: tuple[Child, ...] = ()) -> list[str]:
    observed = Observed({child.ref: child for child in children}, pods=pods)
    found = endpoints(observed, stack="shop", usual="tcp")
    assert len({one.name for one in found}) == len(found), "names are the list's keys"
    return [f"{one.scope} {one.name} {one.url}" for one in found]


RULE = {"host": "shop.example", "http": {"paths": [{"path": "/"}]}}
DEEP = {"host": "shop.example", "http": {"paths": [{"path": "/api"}]}}
ANY = {"http": {"paths": [{"path": "/"}]}}
SECURE = [{"hosts": ["shop.example"], "secretName": "x"}]


@pytest.mark.parametrize(
    ("sentence", "children", "expected"),
    [
        ("a Service", [thing("Service", {"ports": [HTTP]})], ["Cluster http http://shop.team.svc"]),
        (
            "a load balancer with an address",
            [thing("Service", {"ports": [HTTP, DB]}, address={"ip": "192.0.2.1"})],
            [
                "Cluster http http://shop.team.svc",
                "Cluster 3306 tcp://shop.team.svc:3306",
                "External http-external http://192.0.2.1",
                "External 3306-external tcp://192.0.2.1:3306",
            ],
        ),
        (
            "a StatefulSet's pods, by their names",
            [thing("Service", {"ports": [HTTP]}), thing("Service", {"ports": [DB]}, name="shop-pods")],
            [
                "Cluster http http://shop.team.svc",
                "Pod shop-0 tcp://shop-0.shop-pods.team.svc:3306",
                "Pod shop-1 tcp://shop-1.shop-pods.team.svc:3306",
            ],
        ),
        ("an Ingress", [thing("Ingress", {"rules": [RULE]})], ["External shop.example http://shop.example"]),
        ("a path", [thing("Ingress", {"rules": [DEEP]})], ["External shop.example http://shop.example/api"]),
        (
            "an Ingress with TLS",
            [thing("Ingress", {"rules": [RULE], "tls": SECURE})],
            ["External shop.example https://shop.example"],
        ),
        (
            "an Ingress for every name",
            [thing("Ingress", {"rules": [ANY]}, address={"hostname": "lb.example"})],
            ["External ingress http://lb.example"],
        ),
        ("an Ingress that has no address yet", [thing("Ingress", {"rules": [ANY]})], []),
        (
            "an HTTPRoute",
            [thing("HTTPRoute", {"hostnames": ["shop.example"]})],
            ["External shop.example http://shop.example"],
        ),
        (
            "both for one host",
            [thing("Ingress", {"rules": [RULE], "tls": SECURE}), thing("HTTPRoute", {"hostnames": ["shop.example"]})],
            ["External shop.example https://shop.example"],
        ),
    ],
)
def test_endpoints(sentence: str, children: list[Child], expected: list[str]) -> None:
    pods = (pod("shop-1"), pod("shop-0"), pod("shop-7d4b9-x"))

    assert expected == told(*children, pods=pods), sentence

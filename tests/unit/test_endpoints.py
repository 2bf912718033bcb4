"""Endpoints of a stack: URLs of Services, pods, Ingresses and HTTPRoutes."""

from __future__ import annotations

from typing import Any

import pytest

from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed
from appstack.status.endpoints import endpoints

HTTP = {"name": "http", "port": 80}
DB = {"port": 3306}


def exposing_child(
    kind: str, spec: dict[str, Any], *, name: str = "shop", address: dict[str, str] | None = None
) -> Child:
    status = {"loadBalancer": {"ingress": [address]}} if address else {}
    return Child(Ref("v1", kind, "team", name), name, "1", "shop", spec=spec, status=status)


def pod(name: str) -> Child:
    return Child(Ref("v1", "Pod", "team", name), name, "1", "shop")


def endpoint_lines(*children: Child, pods: tuple[Child, ...] = ()) -> list[str]:
    observed = Observed({child.ref: child for child in children}, pods=pods)
    found = endpoints(observed, {}, stack="shop")
    assert len({one.name for one in found}) == len(found), "names are the keys of the list"
    return [f"{one.scope} {one.name} {one.url}" for one in found]


ROOT_RULE = {"host": "shop.example", "http": {"paths": [{"path": "/"}]}}
PATH_RULE = {"host": "shop.example", "http": {"paths": [{"path": "/api"}]}}
ANY_HOST_RULE = {"http": {"paths": [{"path": "/"}]}}
TLS = [{"hosts": ["shop.example"], "secretName": "x"}]


@pytest.mark.parametrize(
    ("sentence", "children", "expected"),
    [
        ("a Service", [exposing_child("Service", {"ports": [HTTP]})], ["Cluster http http://shop.team.svc"]),
        (
            "a load balancer with an address",
            [exposing_child("Service", {"ports": [HTTP, DB]}, address={"ip": "192.0.2.1"})],
            [
                "Cluster http http://shop.team.svc",
                "Cluster 3306 tcp://shop.team.svc:3306",
                "External http-external http://192.0.2.1",
                "External 3306-external tcp://192.0.2.1:3306",
            ],
        ),
        (
            "a headless Service of a StatefulSet",
            [
                exposing_child("Service", {"ports": [HTTP]}),
                exposing_child("Service", {"ports": [DB]}, name="shop-pods"),
            ],
            [
                "Cluster http http://shop.team.svc",
                "Pod shop-0 tcp://shop-0.shop-pods.team.svc:3306",
                "Pod shop-1 tcp://shop-1.shop-pods.team.svc:3306",
            ],
        ),
        (
            "an Ingress",
            [exposing_child("Ingress", {"rules": [ROOT_RULE]})],
            ["External shop.example http://shop.example"],
        ),
        (
            "an Ingress with a path",
            [exposing_child("Ingress", {"rules": [PATH_RULE]})],
            ["External shop.example http://shop.example/api"],
        ),
        (
            "an Ingress with TLS",
            [exposing_child("Ingress", {"rules": [ROOT_RULE], "tls": TLS})],
            ["External shop.example https://shop.example"],
        ),
        (
            "an Ingress without a host",
            [exposing_child("Ingress", {"rules": [ANY_HOST_RULE]}, address={"hostname": "lb.example"})],
            ["External ingress http://lb.example"],
        ),
        ("an Ingress without a host and an address", [exposing_child("Ingress", {"rules": [ANY_HOST_RULE]})], []),
        (
            "an HTTPRoute",
            [exposing_child("HTTPRoute", {"hostnames": ["shop.example"]})],
            ["External shop.example http://shop.example"],
        ),
        (
            "an Ingress and an HTTPRoute for one host",
            [
                exposing_child("Ingress", {"rules": [ROOT_RULE], "tls": TLS}),
                exposing_child("HTTPRoute", {"hostnames": ["shop.example"]}),
            ],
            ["External shop.example https://shop.example"],
        ),
    ],
)
def test_endpoints_have_the_urls_of_the_objects_that_expose_the_stack(
    sentence: str, children: list[Child], expected: list[str]
) -> None:
    pods = (pod("shop-1"), pod("shop-0"), pod("shop-7d4b9-x"))

    assert expected == endpoint_lines(*children, pods=pods), sentence


def test_endpoints_of_services_with_names_of_their_own() -> None:
    children = [
        exposing_child("Service", {"ports": [HTTP]}, name="web"),
        exposing_child("Service", {"ports": [DB]}, name="peers"),
        exposing_child("StatefulSet", {"serviceName": "peers"}),
    ]
    observed = Observed({child.ref: child for child in children}, pods=(pod("shop-0"),))
    found = endpoints(observed, {"service": {"name": "web"}}, stack="shop")

    assert {"http": "http://web.team.svc", "shop-0": "tcp://shop-0.peers.team.svc:3306"} == {
        one.name: one.url for one in found
    }

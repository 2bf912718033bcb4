"""Rendering of Ingress, HTTPRoute, NetworkPolicy, HorizontalPodAutoscaler and PodDisruptionBudget."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.test_render_pod import WEB, rendered

STATEFUL_SET = "workload: {kind: StatefulSet}"
AMBASSADOR = "sidecars: [{name: db, image: d, role: Ambassador, ports: [{name: sql, containerPort: 3306}]}]"


@pytest.mark.parametrize(
    ("sentence", "ingress", "rules"),
    [
        ("without hosts", "{}", [None]),
        ("with hosts", "{hosts: [a.example.com, b.example.com]}", ["a.example.com", "b.example.com"]),
    ],
)
def test_ingress_routes_to_the_first_port_of_the_service(sentence: str, ingress: str, rules: list[str | None]) -> None:
    spec = rendered(WEB, f"{{proxy: {{}}, ingress: {ingress}}}")["Ingress"]["spec"]

    assert rules == [rule.get("host") for rule in spec["rules"]], sentence
    for rule in spec["rules"]:
        (path,) = rule["http"]["paths"]
        assert ("/", "Prefix") == (path["path"], path["pathType"])
        assert {"service": {"name": "shop", "port": {"number": 80}}} == path["backend"]
    assert {"ingressClassName", "tls"}.isdisjoint(spec)


def test_ingress_has_the_fields_of_the_spec() -> None:
    ingress = """
    ingress:
      ingressClassName: nginx
      hosts: [a.example.com]
      path: /api
      tls: {secretName: certificate}
      metadata: {annotations: {a: b}}
    """
    manifest = rendered(WEB, ingress)["Ingress"]

    assert "nginx" == manifest["spec"]["ingressClassName"]
    assert [{"hosts": ["a.example.com"], "secretName": "certificate"}] == manifest["spec"]["tls"]
    assert "/api" == manifest["spec"]["rules"][0]["http"]["paths"][0]["path"]
    assert 8000 == manifest["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"]["number"]
    assert {"a": "b"} == manifest["metadata"]["annotations"]


def test_route_is_attached_to_its_gateways() -> None:
    route = "httpRoute: {parentRefs: [{name: g, namespace: n, sectionName: web}], hostnames: [a.example.com]}"
    spec = rendered(WEB, route)["HTTPRoute"]["spec"]

    assert [{"name": "g", "namespace": "n", "sectionName": "web"}] == spec["parentRefs"]
    assert ["a.example.com"] == spec["hostnames"]
    assert [{"backendRefs": [{"name": "shop", "port": 8000}]}] == spec["rules"]


def test_network_policy_is_rendered_only_if_enabled() -> None:
    assert "NetworkPolicy" not in rendered(WEB)
    assert "NetworkPolicy" not in rendered(WEB, "networkPolicy: {enabled: false}")


@pytest.mark.parametrize(
    ("sentence", "more", "ports"),
    [
        ("ports of the backend", "{}", [(8000, "TCP")]),
        ("port of the proxy, without its health port", "proxy: {port: 9000}", [(9000, "TCP")]),
        ("no ports of an ambassador", AMBASSADOR, [(8000, "TCP")]),
        (
            "number of a named target port",
            "{service: {ports: [{name: a, port: 80, targetPort: http}, {name: b, port: 81, targetPort: m}]}, "
            "sidecars: [{name: x, image: x, ports: [{name: m, containerPort: 9}]}]}",
            [(8000, "TCP"), (9, "TCP")],
        ),
        (
            "host port, without duplicates",
            "backend: {image: s, ports: [{name: a, containerPort: 53, protocol: UDP, hostPort: 53}, "
            "{name: b, containerPort: 53}]}",
            [(53, "UDP"), (53, "TCP")],
        ),
        (
            "ports of the headless Service",
            f"{{{STATEFUL_SET}, service: {{ports: [{{port: 80, targetPort: 7}}]}}}}",
            [(7, "TCP"), (8000, "TCP")],
        ),
    ],
)
def test_network_policy_admits_target_ports_and_host_ports(
    sentence: str, more: str, ports: list[tuple[int, str]]
) -> None:
    spec = rendered(WEB, "networkPolicy: {}", more)["NetworkPolicy"]["spec"]
    (rule,) = spec["ingress"]

    assert ports == [(port["port"], port["protocol"]) for port in rule["ports"]], sentence
    assert "from" not in rule
    assert {"matchLabels": {"appstack.dev/stack": "shop"}} == spec["podSelector"]


def test_network_policy_without_ports_admits_no_connection() -> None:
    spec = rendered(WEB, "{networkPolicy: {}, service: {enabled: false}}")["NetworkPolicy"]["spec"]

    assert (["Ingress"], []) == (spec["policyTypes"], spec["ingress"])


def test_network_policy_admits_only_the_peers_of_the_spec() -> None:
    peers: list[dict[str, Any]] = [{"podSelector": {"matchLabels": {"a": "b"}}}, {"ipBlock": {"cidr": "10.0.0.0/8"}}]
    spec = rendered(WEB, f"networkPolicy: {{from: {peers}}}")["NetworkPolicy"]["spec"]

    assert peers == spec["ingress"][0]["from"]


@pytest.mark.parametrize(("more", "kind"), [("{}", "Deployment"), (STATEFUL_SET, "StatefulSet")])
def test_replicas_are_not_rendered_with_an_autoscaler(more: str, kind: str) -> None:
    objects = rendered(WEB, "autoscaling: {minReplicas: 2, maxReplicas: 5}", more)
    spec = objects["HorizontalPodAutoscaler"]["spec"]

    assert {"apiVersion": "apps/v1", "kind": kind, "name": "shop"} == spec["scaleTargetRef"]
    assert (2, 5) == (spec["minReplicas"], spec["maxReplicas"])
    assert "replicas" not in objects[kind]["spec"]


def test_disruption_budget_selects_the_pods_of_the_stack() -> None:
    spec = rendered(WEB, "podDisruptionBudget: {maxUnavailable: 1}")["PodDisruptionBudget"]["spec"]

    assert {"maxUnavailable": 1, "selector": {"matchLabels": {"appstack.dev/stack": "shop"}}} == spec


def test_network_policy_precedes_the_workload_and_routes_follow_it() -> None:
    more = "{ingress: {}, httpRoute: {parentRefs: [{name: g}]}, networkPolicy: {}, autoscaling: {maxReplicas: 2}}"
    kinds = list(rendered(WEB, more))

    assert kinds.index("NetworkPolicy") < kinds.index("Deployment")
    assert ["Deployment", "HorizontalPodAutoscaler", "Ingress", "HTTPRoute"] == kinds[-4:]

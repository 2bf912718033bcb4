"""What leads to the pods from elsewhere, who may come, and how many there are."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.test_render_pod import WEB, rendered

IN_A_SET = "workload: {kind: StatefulSet}"
DATABASE = "sidecars: [{name: db, image: d, role: Ambassador, ports: [{name: sql, containerPort: 3306}]}]"


@pytest.mark.parametrize(
    ("sentence", "ingress", "rules"),
    [
        ("every name without hosts", "{}", [None]),
        ("each host has its rule", "{hosts: [a.example.com, b.example.com]}", ["a.example.com", "b.example.com"]),
    ],
)
def test_an_ingress_leads_to_the_services_first_port(sentence: str, ingress: str, rules: list[str | None]) -> None:
    spec = rendered(WEB, f"{{proxy: {{}}, ingress: {ingress}}}")["Ingress"]["spec"]

    assert rules == [rule.get("host") for rule in spec["rules"]], sentence
    for rule in spec["rules"]:
        (path,) = rule["http"]["paths"]
        assert ("/", "Prefix") == (path["path"], path["pathType"])
        assert {"service": {"name": "shop", "port": {"number": 80}}} == path["backend"]
    assert {"ingressClassName", "tls"}.isdisjoint(spec)


def test_an_ingress_has_what_its_author_wrote() -> None:
    ingress = """
    ingress:
      ingressClassName: nginx
      hosts: [a.example.com]
      path: /api
      tls: {secretName: certificate}
      metadata: {annotations: {a: b}}
    """
    found = rendered(WEB, ingress)["Ingress"]

    assert "nginx" == found["spec"]["ingressClassName"]
    assert [{"hosts": ["a.example.com"], "secretName": "certificate"}] == found["spec"]["tls"]
    assert "/api" == found["spec"]["rules"][0]["http"]["paths"][0]["path"]
    assert 8000 == found["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"]["number"]
    assert {"a": "b"} == found["metadata"]["annotations"]


def test_a_route_joins_its_gateways() -> None:
    route = "httpRoute: {parentRefs: [{name: g, namespace: n, sectionName: web}], hostnames: [a.example.com]}"
    spec = rendered(WEB, route)["HTTPRoute"]["spec"]

    assert [{"name": "g", "namespace": "n", "sectionName": "web"}] == spec["parentRefs"]
    assert ["a.example.com"] == spec["hostnames"]
    assert [{"backendRefs": [{"name": "shop", "port": 8000}]}] == spec["rules"]


def test_a_policy_is_none_unless_it_is_asked_for() -> None:
    assert "NetworkPolicy" not in rendered(WEB)
    assert "NetworkPolicy" not in rendered(WEB, "networkPolicy: {enabled: false}")


@pytest.mark.parametrize(
    ("sentence", "more", "ports"),
    [
        ("the backend's own", "{}", [(8000, "TCP")]),
        ("with a proxy only the proxy's, and never the port of kubelets", "proxy: {port: 9000}", [(9000, "TCP")]),
        ("an ambassador's never", DATABASE, [(8000, "TCP")]),
        (
            "a name of the author's is the number it stands for",
            "{service: {ports: [{name: a, port: 80, targetPort: http}, {name: b, port: 81, targetPort: m}]}, "
            "sidecars: [{name: x, image: x, ports: [{name: m, containerPort: 9}]}]}",
            [(8000, "TCP"), (9, "TCP")],
        ),
        (
            "a port of the node, and nothing twice",
            "backend: {image: s, ports: [{name: a, containerPort: 53, protocol: UDP, hostPort: 53}, "
            "{name: b, containerPort: 53}]}",
            [(53, "UDP"), (53, "TCP")],
        ),
        (
            "what a set's pods are called by",
            f"{{{IN_A_SET}, service: {{ports: [{{port: 80, targetPort: 7}}]}}}}",
            [(7, "TCP"), (8000, "TCP")],
        ),
    ],
)
def test_a_policy_admits_what_services_lead_to(sentence: str, more: str, ports: list[tuple[int, str]]) -> None:
    spec = rendered(WEB, "networkPolicy: {}", more)["NetworkPolicy"]["spec"]
    (admitted,) = spec["ingress"]

    assert ports == [(each["port"], each["protocol"]) for each in admitted["ports"]], sentence
    assert "from" not in admitted
    assert {"matchLabels": {"appstack.dev/stack": "shop"}} == spec["podSelector"]


def test_a_policy_with_nothing_to_lead_to_admits_nobody() -> None:
    spec = rendered(WEB, "{networkPolicy: {}, service: {enabled: false}}")["NetworkPolicy"]["spec"]

    assert (["Ingress"], []) == (spec["policyTypes"], spec["ingress"])


def test_a_policy_admits_whom_its_author_names() -> None:
    peers: list[dict[str, Any]] = [{"podSelector": {"matchLabels": {"a": "b"}}}, {"ipBlock": {"cidr": "10.0.0.0/8"}}]
    spec = rendered(WEB, f"networkPolicy: {{from: {peers}}}")["NetworkPolicy"]["spec"]

    assert peers == spec["ingress"][0]["from"]


@pytest.mark.parametrize(("more", "kind"), [("{}", "Deployment"), (IN_A_SET, "StatefulSet")])
def test_an_autoscaler_decides_in_place_of_the_stack(more: str, kind: str) -> None:
    objects = rendered(WEB, "autoscaling: {minReplicas: 2, maxReplicas: 5}", more)
    spec = objects["HorizontalPodAutoscaler"]["spec"]

    assert {"apiVersion": "apps/v1", "kind": kind, "name": "shop"} == spec["scaleTargetRef"]
    assert (2, 5) == (spec["minReplicas"], spec["maxReplicas"])
    assert "replicas" not in objects[kind]["spec"]


def test_a_budget_selects_the_stacks_pods() -> None:
    spec = rendered(WEB, "podDisruptionBudget: {maxUnavailable: 1}")["PodDisruptionBudget"]["spec"]

    assert {"maxUnavailable": 1, "selector": {"matchLabels": {"appstack.dev/stack": "shop"}}} == spec


def test_what_leads_to_the_pods_comes_after_them_and_what_guards_them_before() -> None:
    around = "{ingress: {}, httpRoute: {parentRefs: [{name: g}]}, networkPolicy: {}, autoscaling: {maxReplicas: 2}}"
    kinds = list(rendered(WEB, around))

    assert kinds.index("NetworkPolicy") < kinds.index("Deployment")
    assert ["Deployment", "HorizontalPodAutoscaler", "Ingress", "HTTPRoute"] == kinds[-4:]

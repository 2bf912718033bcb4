"""The Services of `spec.services`: rendering, validation, immutable fields, endpoints and source map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from appstack.k8s.metadata import Ref
from appstack.k8s.observed import Child, Observed
from appstack.render import render
from appstack.render.source_map import translate_field_paths
from appstack.settings import Settings
from appstack.status.endpoints import endpoints
from appstack.validation.immutable import immutable_field_issues
from tests.unit.stacks import issue_messages, parametrize_cases, stack

ADMIN = "services: [{name: admin, ports: [{port: 8000}]}]"


def objects(*texts: str, kind: str) -> dict[str, Any]:
    """Return the rendered objects of a kind by name."""
    rendered = render(stack(*texts), settings=Settings())
    return {manifest["metadata"]["name"]: manifest for manifest in rendered if manifest["kind"] == kind}


def test_further_service_is_rendered_with_its_fields_after_the_own_one() -> None:
    text = """
        services:
        - name: admin
          metadata: {labels: {team: a}, annotations: {a.example/b: c}}
          type: LoadBalancer
          loadBalancerClass: internal
          ports: [{name: web, port: 80, targetPort: http, appProtocol: h2c}]
        """
    services = objects(text, kind="Service")

    assert ["shop", "admin"] == list(services)
    metadata, spec = services["admin"]["metadata"], services["admin"]["spec"]
    assert ("a", "shop") == (metadata["labels"]["team"], metadata["labels"]["appstack.dev/stack"])
    assert {"a.example/b": "c"} == metadata["annotations"]
    assert {
        "type": "LoadBalancer",
        "loadBalancerClass": "internal",
        "selector": {"appstack.dev/stack": "shop"},
        "ports": [{"name": "web", "port": 80, "targetPort": "http", "appProtocol": "h2c"}],
    } == spec


@pytest.mark.parametrize("proxy", ["{}", "proxy: {}"])
def test_port_without_target_port_leads_where_that_of_the_own_service_leads(proxy: str) -> None:
    own = "service: {ports: [{name: a, port: 8000}]}"
    services = objects(proxy, own, "services: [{name: admin, ports: [{name: a, port: 8000}]}]", kind="Service")

    assert services["shop"]["spec"]["ports"] == services["admin"]["spec"]["ports"]


def test_network_policy_admits_the_target_ports_of_further_services() -> None:
    text = """
        sidecars: [{name: exporter, image: e, ports: [{name: metrics, containerPort: 9100}]}]
        services: [{name: metrics, ports: [{port: 80, targetPort: metrics}]}]
        networkPolicy: {}
        """
    (policy,) = objects(text, kind="NetworkPolicy").values()

    assert [8000, 9100] == [port["port"] for port in policy["spec"]["ingress"][0]["ports"]]


def test_pods_behind_only_a_further_service_drain() -> None:
    unexposed = objects("service: {enabled: false}", kind="Deployment")["shop"]
    exposed = objects("service: {enabled: false}", ADMIN, kind="Deployment")["shop"]

    backends = [each["spec"]["template"]["spec"]["containers"][0] for each in (unexposed, exposed)]
    assert [False, True] == ["preStop" in backend.get("lifecycle", {}) for backend in backends]


CASES: Mapping[str, tuple[str, Iterable[str]]] = {
    "every port that a Service can have": (ADMIN, []),
    "headless Service without ports": ("services: [{name: peers, clusterIP: None}]", []),
    "alias of a host": ("services: [{name: db, type: ExternalName, externalName: db.example.com}]", []),
    "name of a disabled Service": ("{service: {enabled: false}, services: [{name: shop, ports: [{port: 8000}]}]}", []),
    "no ports": (
        "services: [{name: admin}]",
        [
            "spec.services[0].ports: is required, except of a headless Service (clusterIP: None) "
            "(list the ports of the Service)"
        ],
    ),
    "name of the own Service": (
        "services: [{name: shop, ports: [{port: 8000}]}]",
        ["spec.services[0].name: 'shop' is already the name of the AppStack's own Service (choose another name)"],
    ),
    "name of the headless Service": (
        "{workload: {kind: StatefulSet}, services: [{name: shop-pods, ports: [{port: 8000}]}]}",
        [
            "Warning: spec.workload.statefulSet.serviceName: gives the pods no DNS names: the Service 'shop-pods' of "
            "spec.services[0] is not headless (set spec.services[0].clusterIP: None, or another serviceName)"
        ],
    ),
    "name that the headless Service of another kind would have": (
        "services: [{name: shop-pods, ports: [{port: 8000}]}]",
        [],
    ),
    "name twice": (
        "services: [{name: a, ports: [{port: 8000}]}, {name: a, ports: [{port: 8000}]}]",
        ["spec.services[1].name: 'a' is already the name of spec.services[0].name (choose another name)"],
    ),
    "name with a leading digit": (
        "services: [{name: 4u, ports: [{port: 8000}]}]",
        [
            "Warning: spec.services[0].name: '4u' starts with a digit, and older versions of Kubernetes reject a "
            "Service of this name (rename it)"
        ],
    ),
    "the same port in two Services": (f"{{service: {{ports: [{{port: 8000}}]}}, {ADMIN}}}", []),
    "ports that contradict each other": (
        "services: [{name: a, ports: [{name: x, port: 8000}, {name: x, port: 8000}]}]",
        [
            "spec.services[0].ports[1].port: port 8000/TCP is already defined at spec.services[0].ports[0].port "
            "(remove one of the two)",
            "spec.services[0].ports[1].name: the name 'x' is already defined at spec.services[0].ports[0].name "
            "(remove one of the two)",
        ],
    ),
    "several ports without a name": (
        "services: [{name: a, ports: [{port: 8000}, {name: x, port: 1, targetPort: http}]}]",
        [
            "spec.services[0].ports[0].name: is required: a Service with several ports needs a name for each "
            "(set a name)"
        ],
    ),
    "target port that nobody declares": (
        "{services: [{name: a, ports: [{port: 1, targetPort: web}]}]}",
        ["spec.services[0].ports[0].targetPort: no container declares web/TCP (use one of: http (8000))"],
    ),
    "health port": (
        "{proxy: {}, services: [{name: a, ports: [{port: 1, targetPort: 15080}]}]}",
        [
            "spec.services[0].ports[0].targetPort: a Service cannot expose the health port, which is for the kubelet "
            "only (choose another port)"
        ],
    ),
    "reserved label": (
        "services: [{name: a, metadata: {labels: {appstack.dev/stack: x}}, ports: [{port: 8000}]}]",
        [
            "spec.services[0].metadata.labels[appstack.dev/stack]: keys under appstack.dev/ are reserved for AppStack "
            "(choose another key)"
        ],
    ),
    "route without the own Service": (
        f"{{service: {{enabled: false}}, ingress: {{hosts: [a.example.com]}}, {ADMIN}}}",
        [
            "spec.ingress: routes to a port of the Service of the AppStack, and there is none "
            "(declare spec.backend.ports, and do not disable spec.service)"
        ],
    ),
    "NetworkPolicy with a further Service only": (f"{{service: {{enabled: false}}, networkPolicy: {{}}, {ADMIN}}}", []),
}


@parametrize_cases(CASES)
def test_further_service(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines


@pytest.mark.parametrize(
    ("desired", "live", "message"),
    [
        ("10.0.0.7", "10.0.0.9", "cannot change from 10.0.0.9 to 10.0.0.7: the clusterIP of a Service is immutable"),
        ("''", "None", "cannot change from None to an allocated address: the clusterIP of a Service is immutable"),
        ("10.0.0.7", "10.0.0.7", ""),
    ],
)
def test_cluster_ip_of_a_further_service_is_immutable(desired: str, live: str, message: str) -> None:
    child = Child(Ref("v1", "Service", "team", "admin"), "u", "1", "shop", fields="f", spec={"clusterIP": live})
    spec = f"services: [{{name: other, ports: [{{port: 1}}]}}, {{name: admin, clusterIP: {desired}}}]"

    issues = immutable_field_issues(stack(spec), Observed({child.ref: child}))

    expected = [("spec.services[1].clusterIP", message)] if message else []
    assert expected == [(issue.field, issue.message) for issue in issues]


def test_endpoints_of_the_own_service_come_first_and_those_of_others_have_its_name() -> None:
    ports, address = [{"name": "http", "port": 80}], {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    names = {"admin": address, "shop": {}, "shop-peers": {}}
    children = [
        Child(Ref("v1", "Service", "team", name), name, "1", "shop", spec={"ports": ports}, status=status)
        for name, status in names.items()
    ]
    set_ref = Ref("apps/v1", "StatefulSet", "team", "shop")
    children.append(Child(set_ref, "s", "1", "shop", spec={"serviceName": "shop-peers"}))
    pods = (Child(Ref("v1", "Pod", "team", "shop-0"), "p", "1", "shop"),)

    found = endpoints(Observed({child.ref: child for child in children}, pods=pods), {}, stack="shop")

    assert [
        ("http", "http://shop.team.svc"),
        ("admin:http", "http://admin.team.svc"),
        ("admin:http-external", "http://192.0.2.1"),
        ("shop-0", "http://shop-0.shop-peers.team.svc"),
    ] == [(one.name, one.url) for one in found]


def test_message_of_the_api_server_names_the_entry() -> None:
    manifest = {"kind": "Service", "metadata": {"name": "admin"}}
    spec = {"services": [{"name": "a"}, {"name": "admin"}]}

    message = translate_field_paths("spec.ports[0].nodePort and metadata.labels[a]: Invalid value: 1", manifest, spec)

    expected = "spec.services[1].ports[0].nodePort and spec.services[1].metadata.labels[a]: Invalid value: 1"
    assert expected == message

"""Conversion of Services and routes, and of the objects beside the workload."""

from __future__ import annotations

import pytest
import yaml

from tests.unit.manifests_to_convert import Manifest, conversion, deployment, differences, notes, service, spec

SERVICE = service("ports: [{name: http, port: 80, targetPort: 8000}]")


def ingress(rules: str, fields: str = "") -> str:
    """Return an Ingress."""
    return f"""
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: shop, annotations: {{a: b}}}}
spec: {{rules: [{rules}], {fields}}}
"""


def rule(path: str = "path: /", port: str = "number: 80", *, host: str = "host: a.example", name: str = "shop") -> str:
    """Return one rule of an Ingress."""
    backend = f"{{service: {{name: {name}, port: {{{port}}}}}}}"
    return f"{{{host}{host and ', '}http: {{paths: [{{{path}, pathType: Prefix, backend: {backend}}}]}}}}"


def test_workload_without_a_service_gets_none() -> None:
    assert spec(deployment())["service"] == {"enabled": False}
    assert differences(deployment()) == []


@pytest.mark.parametrize(
    ("ports", "converted"),
    [
        ("[{port: 8000}]", None),
        ("[{port: 8000, targetPort: 8000, protocol: TCP}]", None),
        ("[{port: 80, targetPort: 8000}]", {"ports": [{"port": 80, "targetPort": 8000}]}),
        ("[{name: http, port: 8000}]", {"ports": [{"name": "http", "port": 8000}]}),
    ],
    ids=["default", "explicit default", "other port", "other name"],
)
def test_default_ports_of_a_service_are_left_out(ports: str, converted: Manifest | None) -> None:
    assert spec(deployment(), service(f"ports: {ports}")).get("service") == converted
    assert differences(deployment(), service(f"ports: {ports}")) == []


def test_service_keeps_its_fields() -> None:
    text = service(
        "type: NodePort, sessionAffinity: ClientIP, ports: [{port: 8000, nodePort: 30001}]",
        metadata="labels: {tier: web, app: shop}, annotations: {a: b}",
    )

    assert spec(deployment(), text)["service"] == {
        "metadata": {"labels": {"tier": "web"}, "annotations": {"a": "b"}},
        "type": "NodePort",
        "sessionAffinity": "ClientIP",
        "ports": [{"port": 8000, "nodePort": 30001}],
    }
    assert differences(deployment(), text) == []


@pytest.mark.parametrize(
    ("text", "converted"),
    [
        (ingress(rule()), {"hosts": ["a.example"]}),
        (ingress(rule(port="name: http")), {"hosts": ["a.example"]}),
        (ingress(rule(path="path: /api", host="")), {"path": "/api"}),
        (
            ingress(
                f"{rule()}, {rule(host='host: b.example')}", "tls: [{hosts: [b.example, a.example], secretName: t}]"
            ),
            {"hosts": ["a.example", "b.example"], "tls": {"secretName": "t"}},
        ),
        (ingress(rule(), "ingressClassName: nginx"), {"ingressClassName": "nginx", "hosts": ["a.example"]}),
    ],
    ids=["host", "named port", "path", "tls", "class"],
)
def test_ingress_is_converted(text: str, converted: Manifest) -> None:
    assert spec(deployment(), SERVICE, text)["ingress"] == {"metadata": {"annotations": {"a": "b"}}, **converted}


def test_ingress_renders_the_same() -> None:
    assert differences(deployment(), SERVICE, ingress(rule(), "tls: [{hosts: [a.example], secretName: t}]")) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ingress(rule(port="number: 81")), "it sends requests to another port than the first of spec.service"),
        (ingress(f"{rule()}, {rule(path='path: /x')}"), "spec.ingress has one path"),
        (ingress(rule().replace("Prefix", "Exact")), "spec.ingress has pathType Prefix, not Exact"),
        (ingress(rule(), "tls: [{hosts: [c.example], secretName: t}]"), "spec.ingress has one Secret for all hosts"),
        (ingress(f"{rule()}, {rule(host='')}"), "some of its rules have no host of their own"),
        (
            ingress("", "defaultBackend: {service: {name: shop, port: {number: 80}}}"),
            "spec.ingress has no defaultBackend",
        ),
    ],
    ids=["port", "paths", "exact", "tls", "host", "default backend"],
)
def test_other_ingress_is_kept(text: str, reason: str) -> None:
    assert "ingress" not in spec(deployment(), SERVICE, text)
    assert f"kept: Ingress/shop: {reason}; continue to apply it" in notes(deployment(), SERVICE, text)


def test_ingress_to_two_stacks_is_kept() -> None:
    other = deployment(name="api", labels="app: api") + SERVICE.replace("shop", "api")
    text = ingress(f"{rule()}, {rule(name='api')}")

    assert notes(deployment(), SERVICE, other, text)[0] == (
        "kept: Ingress/shop: belongs to several workloads (Deployment/api, Deployment/shop); continue to apply it"
    )


def test_http_route_is_converted() -> None:
    text = """
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: public}
spec: {parentRefs: [{name: gateway}], hostnames: [a.example], rules: [{backendRefs: [{name: shop, port: 80}]}]}
"""
    assert spec(deployment(), SERVICE, text)["httpRoute"] == {
        "parentRefs": [{"name": "gateway"}],
        "hostnames": ["a.example"],
    }
    assert differences(deployment(), SERVICE, text) == []
    assert "changed: HTTPRoute/public metadata.name -> AppStack/shop spec.httpRoute: is renamed 'shop'" in notes(
        deployment(), SERVICE, text
    )
    assert "httpRoute" not in spec(deployment(), SERVICE, text.replace("port: 80", "port: 80, filters: []"))


@pytest.mark.parametrize(
    ("fields", "converted"),
    [
        ("", {}),
        ("labels: {tier: web}", {"metadata": {"labels": {"tier": "web"}}}),
    ],
    ids=["plain", "labels"],
)
def test_service_account_is_created(fields: str, converted: Manifest) -> None:
    account = f"---\n{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: shop, {fields}}}}}"

    assert spec(deployment("serviceAccountName: shop"), account)["serviceAccount"] == converted
    assert differences(deployment("serviceAccountName: shop"), account) == []


@pytest.mark.parametrize(
    "account",
    [
        "",
        "---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: robot}, imagePullSecrets: [{name: registry}]}",
        deployment("serviceAccountName: robot", name="other")
        + "---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: robot}}",
    ],
    ids=["not in the input", "with pull Secrets", "of two workloads"],
)
def test_other_service_account_is_referred_to(account: str) -> None:
    result = conversion(deployment("serviceAccountName: robot"), account).results[0]

    assert result.document["spec"]["serviceAccount"] == {"create": False, "name": "robot"}
    assert result.comparison is not None
    assert result.comparison.differences == ()


def autoscaler(version: str, fields: str) -> str:
    """Return a HorizontalPodAutoscaler of the Deployment."""
    return f"""
---
apiVersion: autoscaling/{version}
kind: HorizontalPodAutoscaler
metadata: {{name: shop}}
spec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: shop}}, maxReplicas: 5, {fields}}}
"""


@pytest.mark.parametrize(
    "text",
    [
        autoscaler("v1", "minReplicas: 1, targetCPUUtilizationPercentage: 70"),
        autoscaler(
            "v2",
            "metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]",
        ),
    ],
    ids=["v1", "v2"],
)
def test_autoscaler_is_converted_and_sets_the_replicas(text: str) -> None:
    pod = "containers: [{name: backend, image: shop, resources: {requests: {cpu: 1}}}]"
    metric = "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}"

    converted = spec(deployment(pod, "replicas: 3"), text)
    assert converted["autoscaling"] == yaml.safe_load(f"{{maxReplicas: 5, metrics: [{metric}]}}")
    assert "replicas" not in converted
    assert differences(deployment(pod), text) == []
    assert "omitted: Deployment/shop spec.replicas: 3 is the autoscaler's to set, see spec.autoscaling" in notes(
        deployment(pod, "replicas: 3"), text
    )


def test_disruption_budget_is_converted() -> None:
    text = """
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: shop}
spec: {maxUnavailable: 1, selector: {matchExpressions: [{key: app, operator: In, values: [shop]}]}}
"""
    assert spec(deployment(spec="replicas: 3"), text)["podDisruptionBudget"] == {"maxUnavailable": 1}
    assert differences(deployment(spec="replicas: 3"), text) == []
    assert "podDisruptionBudget" not in spec(deployment(), text.replace("[shop]", "[other]"))


POLICY = """
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shop, labels: {tier: web}}
spec: {podSelector: {matchLabels: {app: shop}}, %s}
"""


@pytest.mark.parametrize(
    ("fields", "converted"),
    [
        ("ingress: [{ports: [{port: 8000, protocol: TCP}]}]", {"ingress": [{"ports": [{"port": 8000}]}]}),
        ("policyTypes: [Ingress]", {"ingress": []}),
        ("policyTypes: [Egress], egress: [{}]", {"egress": [{}], "policyTypes": ["Egress"]}),
        ("ingress: [{}], egress: []", {"ingress": [{}], "egress": []}),
    ],
    ids=["ports", "no ingress", "egress only", "no egress"],
)
def test_network_policy_is_converted(fields: str, converted: Manifest) -> None:
    assert spec(deployment(), POLICY % fields)["networkPolicy"] == {
        "metadata": {"labels": {"tier": "web"}},
        **converted,
    }
    assert differences(deployment(), POLICY % fields) == []


def test_network_policy_of_pods_on_the_host_network_is_kept() -> None:
    text = POLICY % "policyTypes: [Ingress]"

    assert "networkPolicy" not in spec(deployment("hostNetwork: true"), text)
    assert (
        "kept: NetworkPolicy/shop: it has no effect on pods with the network of the host; continue to apply it"
    ) in notes(deployment("hostNetwork: true"), text)


MONITOR = """
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: shop}
spec: {selector: {matchLabels: {tier: web}}, endpoints: [{%s}]}
"""


@pytest.mark.parametrize(
    ("endpoint", "further", "reason"),
    [
        (
            "port: http, bearerTokenFile: /token",
            "",
            "spec.serviceMonitor has no bearerTokenFile, which names a file of Prometheus",
        ),
        (
            "port: http, tlsConfig: {caFile: /ca}",
            "",
            "spec.serviceMonitor has no caFile, which names a file of Prometheus",
        ),
        (
            "port: http",
            service("ports: [{port: 81}]", name="second", metadata="labels: {tier: web}"),
            "it selects shop, second, and spec.serviceMonitor selects spec.service",
        ),
    ],
    ids=["token file", "certificate file", "two Services"],
)
def test_other_service_monitor_is_kept(endpoint: str, further: str, reason: str) -> None:
    labelled = service("ports: [{name: http, port: 80, targetPort: 8000}]", metadata="labels: {tier: web}")

    found = notes(deployment(), labelled, further, MONITOR % endpoint)
    assert f"kept: ServiceMonitor/shop: {reason}; continue to apply it" in found


def test_service_monitor_of_the_service_is_converted() -> None:
    labelled = service("ports: [{name: http, port: 80, targetPort: 8000}]", metadata="labels: {tier: web}")
    texts = (deployment(), labelled, MONITOR % "port: http, interval: 15s")

    assert spec(*texts)["serviceMonitor"] == {"endpoints": [{"port": "http", "interval": "15s"}]}
    assert differences(*texts) == []

"""The policy of Services, host names, Gateways and annotations."""

from __future__ import annotations

import pytest

from tests.unit.policies import fields, issues

TYPE = "spec.service.type services.types"


@pytest.mark.parametrize(
    ("service", "policy", "expected"),
    [
        ("type: LoadBalancer", "", []),
        ("type: NodePort", "", []),
        ("clusterIP: None", "", []),
        ("type: ExternalName, externalName: db.example.com", "", [TYPE]),
        ("type: ExternalName, externalName: db.example.com", "types: [ExternalName]", []),
        ("type: LoadBalancer", "types: [ClusterIP]", [TYPE]),
        ("metadata: {}", "types: [LoadBalancer]", [TYPE]),
        ("externalIPs: [192.0.2.1]", "", ["spec.service.externalIPs services.externalIPs"]),
        ("externalIPs: []", "", []),
        ("externalIPs: [192.0.2.1]", "externalIPs: true", []),
    ],
)
def test_services(service: str, policy: str, expected: list[str]) -> None:
    assert fields(f"service: {{{service}}}", f"services: {{{policy}}}") == expected


def test_headless_service_of_a_stateful_set_is_checked() -> None:
    spec = "workload: {kind: StatefulSet}\nservice: {type: LoadBalancer}"
    assert fields(spec, "services: {types: [LoadBalancer]}") == [TYPE]


@pytest.mark.parametrize(
    ("host", "pattern", "allowed"),
    [
        ("shop.example.com", "shop.example.com", True),
        ("shop.example.com", "*.example.com", True),
        ("a.b.example.com", "*.example.com", True),
        ("example.com", "*.example.com", False),
        ("badexample.com", "*.example.com", False),
        ("shop.example.com.evil.org", "*.example.com", False),
        ("'*.example.com'", "*.example.com", True),
        ("'*.a.example.com'", "*.example.com", True),
        ("'*.com'", "*.example.com", False),
        ("'*.example.com'", "shop.example.com", False),
        ("'*.shop.example.com'", "shop.example.com", False),
        ("x.default.example.com", "*.{namespace}.example.com", True),
        ("x.other.example.com", "*.{namespace}.example.com", False),
        ("default.example.com", "{namespace}.example.com", True),
        ("any.org", "*", True),
    ],
)
def test_hostnames(host: str, pattern: str, allowed: bool) -> None:
    policy = f"hostnames: [elsewhere.org, '{pattern}']"
    route = f"httpRoute: {{parentRefs: [{{name: g}}], hostnames: [ok.elsewhere.org, {host}]}}"
    expected = [] if allowed else ["hostnames"]

    assert [each.rpartition(" ")[2] for each in fields(f"ingress: {{hosts: [{host}]}}", policy)] == expected
    found = fields(route, policy.replace("elsewhere.org", "ok.elsewhere.org"))
    assert found == ([] if allowed else ["spec.httpRoute.hostnames[1] hostnames"])


def test_refused_host_of_an_ingress_is_reported_once_with_and_without_tls() -> None:
    spec = "ingress: {hosts: [a.org, b.org], tls: {secretName: s}}"
    assert fields(spec, "hostnames: [a.org]") == ["spec.ingress.hosts[1] hostnames"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ("ingress: {}", "spec.ingress.hosts"),
        ("ingress: {tls: {secretName: s}}", "spec.ingress.hosts"),
        ("httpRoute: {parentRefs: [{name: g}]}", "spec.httpRoute.hostnames"),
    ],
)
def test_object_without_host_names_is_refused_once_they_are_restricted(spec: str, field: str) -> None:
    (issue,) = issues(spec, "hostnames: ['*.{namespace}.example.com']")

    assert (issue.field, issue.hint) == (field, "allowed by policy.hostnames: *.default.example.com")
    assert issues(spec) == []


@pytest.mark.parametrize(
    ("parent", "allowed"),
    [
        ("name: public, namespace: gateways", True),
        ("name: public, namespace: gateways, kind: Gateway, group: gateway.networking.k8s.io, sectionName: tls", True),
        ("name: public", False),
        ("name: other, namespace: gateways", False),
        ("name: public, namespace: gateways, kind: Service, group: ''", False),
        ("name: public, namespace: gateways, kind: Service", False),
        ("name: public, namespace: gateways, group: ''", False),
        ("name: own", True),
    ],
)
def test_gateways(parent: str, allowed: bool) -> None:
    spec = f"httpRoute: {{parentRefs: [{{name: own}}, {{{parent}}}]}}"
    policy = "gateways: [{namespace: gateways, name: public}, {namespace: default, name: own}]"

    assert fields(spec) == []
    assert fields(spec, policy) == ([] if allowed else ["spec.httpRoute.parentRefs[1] gateways"])


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ("['*']", []),
        ("[]", ["a/b", "a/c", "d"]),
        ("[a/*]", ["d"]),
        ("[a/b, d]", ["a/c"]),
    ],
)
def test_service_account_annotations(patterns: str, expected: list[str]) -> None:
    spec = "serviceAccount: {metadata: {annotations: {a/b: x, a/c: x, d: x}}}"
    named = [f"spec.serviceAccount.metadata.annotations[{key}] serviceAccountAnnotations" for key in expected]

    assert fields(spec, f"serviceAccountAnnotations: {patterns}") == named


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ("pod: {metadata: META}", "spec.pod.metadata"),
        ("service: {metadata: META}", "spec.service.metadata"),
        ("ingress: {metadata: META}", "spec.ingress.metadata"),
        ("httpRoute: {parentRefs: [{name: g}], metadata: META}", "spec.httpRoute.metadata"),
    ],
)
def test_denied_annotations(spec: str, field: str) -> None:
    spec = spec.replace("META", "{annotations: {a/b: x, a.org/b: x}}")

    assert fields(spec) == []
    assert fields(spec, "annotations: {deny: [a/*, c]}") == [f"{field}.annotations[a/b] annotations.deny"]
    assert fields(spec, "annotations: {deny: [a.org/b]}") == [f"{field}.annotations[a.org/b] annotations.deny"]
    assert len(fields(spec, "annotations: {deny: ['*']}")) == 2


def test_annotations_of_a_service_account_have_a_field_of_their_own() -> None:
    spec = "serviceAccount: {metadata: {annotations: {a/b: x}}}"
    assert fields(spec, "annotations: {deny: ['*']}") == []

"""Validation of Ingress, HTTPRoute and NetworkPolicy."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import issue_messages, parametrize_cases

CASES = {
    "Ingress, HTTPRoute and NetworkPolicy are valid": (
        """
        ingress: {hosts: [a.example.com, '*.example.com'], path: /api, tls: {secretName: t}}
        httpRoute: {parentRefs: [{name: g}, {name: g, sectionName: web}], hostnames: [a.example.com]}
        networkPolicy: {from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8}}]}
        """,
        [],
    ),
    "Ingress and HTTPRoute without Service": (
        "{ingress: {}, httpRoute: {parentRefs: [{name: g}]}, service: {enabled: false}}",
        [
            f"spec.{name}: routes to a port of the Service of the AppStack, and there is none "
            "(declare spec.backend.ports, and do not disable spec.service)"
            for name in ("ingress", "httpRoute")
        ],
    ),
    "Ingress to a UDP port": (
        "{ingress: {}, backend: {image: x, ports: [{containerPort: 53, protocol: UDP}]}}",
        [
            "spec.ingress: routes to the first port of the Service, which uses UDP instead of TCP "
            "(put the HTTP port first)"
        ],
    ),
    "duplicate hosts and an IP address": (
        """
        ingress: {hosts: [a, b, a, 10.0.0.1]}
        httpRoute: {parentRefs: [{name: g}], hostnames: [a, a]}
        """,
        [
            "spec.ingress.hosts[2]: the host 'a' is already defined at spec.ingress.hosts[0] (remove one of the two)",
            "spec.ingress.hosts[3]: '10.0.0.1' is an IP address "
            "(use a DNS name, or remove the list to match every host)",
            "spec.httpRoute.hostnames[1]: the host 'a' is already defined at spec.httpRoute.hostnames[0] "
            "(remove one of the two)",
        ],
    ),
    "duplicate Gateway": (
        "httpRoute: {parentRefs: [{name: g, port: 80}, {name: g, port: 80}]}",
        [
            "spec.httpRoute.parentRefs[1]: the Gateway 'g' is already defined at spec.httpRoute.parentRefs[0] "
            "(remove one of the two)",
        ],
    ),
    "Ingress path that is not normalized": (
        "ingress: {path: /a/../b}",
        ["spec.ingress.path: '/a/../b' is not a normalized path (use a path without '//', '.', '..' and '%2F')"],
    ),
    "TLS without hosts": (
        "ingress: {tls: {secretName: t}}",
        [
            "Warning: spec.ingress.tls: applies to no specific host, so the Ingress controller chooses the "
            "certificate (set spec.ingress.hosts)"
        ],
    ),
    "NetworkPolicy with hostNetwork": (
        "{networkPolicy: {}, pod: {hostNetwork: true}}",
        [
            "spec.networkPolicy: has no effect with spec.pod.hostNetwork: the pod has the address of the node "
            "(remove spec.pod.hostNetwork, or the NetworkPolicy)"
        ],
    ),
    "NetworkPolicy without Service": (
        "{networkPolicy: {}, service: {enabled: false}}",
        [
            "Warning: spec.networkPolicy: allows no ingress: no Service exposes the pods "
            "(declare spec.backend.ports, or keep the policy if it is to deny all ingress)"
        ],
    ),
    "disabled NetworkPolicy with hostNetwork is valid": (
        "{networkPolicy: {enabled: false}, pod: {hostNetwork: true}}",
        [],
    ),
    "NetworkPolicy for a host port is valid": (
        "{networkPolicy: {}, service: {enabled: false}, backend: {image: x, ports: [{containerPort: 1, hostPort: 1}]}}",
        [],
    ),
    "empty peer, and ipBlock with a selector": (
        "networkPolicy: {from: [{}, {ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}",
        [
            "spec.networkPolicy.from[0]: selects no peer "
            "(set podSelector, namespaceSelector or ipBlock, or remove `from` to allow every peer)",
            "spec.networkPolicy.from[1].ipBlock: cannot be combined with a selector (use two entries)",
        ],
    ),
    "invalid CIDRs": (
        "networkPolicy: {from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/33]}}, {ipBlock: {cidr: 10.0.0.1}}]}",
        [
            "spec.networkPolicy.from[0].ipBlock.except[0]: '10.1.0.0/33' is not a valid CIDR "
            "(use an address range like 10.0.0.0/8)",
            "spec.networkPolicy.from[1].ipBlock.cidr: '10.0.0.1' is not a valid CIDR "
            "(use an address range like 10.0.0.0/8)",
        ],
    ),
}


@parametrize_cases(CASES)
def test_network(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines

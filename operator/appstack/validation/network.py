"""Checks of Ingress, HTTPRoute and NetworkPolicy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final

from appstack.api.kube import IPBlock
from appstack.api.network import NetworkPolicy
from appstack.errors import Severity, ValidationIssue
from appstack.validation.context import ValidationContext
from appstack.validation.issues import duplicate_issues

_IP_ADDRESS: Final = re.compile(r"[0-9]+(\.[0-9]+){3}")
_NOT_NORMALIZED: Final = re.compile(r"//|/\.{1,2}(/|$)|%2[fF]")


def routed_service(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for an Ingress or HTTPRoute without a Service, or with one that does not use TCP."""
    for name, route in (("ingress", context.spec.ingress), ("httpRoute", context.spec.http_route)):
        if route is None:
            continue
        protocol = _first_protocol(context)
        if not context.has_service_ports:
            hint = "declare spec.backend.ports, and do not disable spec.service"
            message = "routes to a port of the Service of the AppStack, and there is none"
            yield ValidationIssue(f"spec.{name}", message, hint)
        elif protocol != "TCP":
            message = f"routes to the first port of the Service, which uses {protocol} instead of TCP"
            yield ValidationIssue(f"spec.{name}", message, "put the HTTP port first")


def _first_protocol(context: ValidationContext) -> str:
    service = context.spec.service
    ports = (service and service.ports) or ([] if context.spec.proxy else context.spec.backend.ports) or []
    return (ports[0].protocol if ports else None) or "TCP"


def ingress(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each invalid or duplicate host, an invalid path, and TLS without hosts."""
    desired = context.spec.ingress
    if desired is None:
        return
    yield from _host_issues("spec.ingress.hosts", desired.hosts)
    if _NOT_NORMALIZED.search(desired.path):
        message = f"{desired.path!r} is not a normalized path"
        yield ValidationIssue("spec.ingress.path", message, "use a path without '//', '.', '..' and '%2F'")
    if desired.tls and not desired.hosts:
        message = "applies to no specific host, so the Ingress controller chooses the certificate"
        yield ValidationIssue("spec.ingress.tls", message, "set spec.ingress.hosts", Severity.WARNING)


def http_route(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each invalid or duplicate hostname, and for each duplicate Gateway."""
    desired = context.spec.http_route
    if desired is None:
        return
    yield from _host_issues("spec.httpRoute.hostnames", desired.hostnames)
    parents = [(f"spec.httpRoute.parentRefs[{index}]", each) for index, each in enumerate(desired.parent_refs)]
    yield from duplicate_issues(
        parents,
        key=lambda each: (each.group, each.kind, each.namespace, each.name, each.section_name, each.port),
        describe=lambda each: f"the Gateway {each.name!r}",
    )


def _host_issues(list_field: str, hosts: tuple[str, ...]) -> Iterator[ValidationIssue]:
    located = [(f"{list_field}[{index}]", host) for index, host in enumerate(hosts)]
    yield from duplicate_issues(located, key=str, describe=lambda host: f"the host {host!r}")
    for field, host in located:
        if _IP_ADDRESS.fullmatch(host):
            hint = "use a DNS name, or remove the list to match every host"
            yield ValidationIssue(field, f"{host!r} is an IP address", hint)


def network_policy(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for a NetworkPolicy that has no effect or allows no ingress, and for each invalid peer."""
    policy = context.spec.network_policy
    if policy is None or not policy.enabled:
        return
    if context.spec.pod.host_network:
        message = "has no effect with spec.pod.hostNetwork: the pod has the address of the node"
        yield ValidationIssue("spec.networkPolicy", message, "remove spec.pod.hostNetwork, or the NetworkPolicy")
    elif policy.allows_default_ingress and not _has_open_ports(context):
        message = "allows no ingress: no Service exposes the pods"
        hint = "declare spec.backend.ports, or keep the policy if it is to deny all ingress"
        yield ValidationIssue("spec.networkPolicy", message, hint, Severity.WARNING)
    for name, value in (("from", policy.from_), ("ingress", policy.ingress)):
        if value and "Ingress" not in policy.types:
            message = "has no effect: policyTypes does not name Ingress"
            yield ValidationIssue(f"spec.networkPolicy.{name}", message, "add Ingress, or remove the field")
    if policy.egress is not None and "Egress" not in policy.types:
        message = "has no effect: policyTypes does not name Egress"
        yield ValidationIssue("spec.networkPolicy.egress", message, "add Egress, or remove the field")
    if "Ingress" in policy.types and policy.ingress is None and not (policy.allows_default_ingress or policy.from_):
        message = "allows no ingress: Kubernetes admits none to a policy of this type without rules"
        hint = "write ingress or from, or remove policyTypes to admit the ports of the Service"
        yield ValidationIssue("spec.networkPolicy.policyTypes", message, hint, Severity.WARNING)
    if policy.from_ and policy.ingress is not None:
        message = "cannot be combined with ingress, whose rules have their own peers"
        yield ValidationIssue("spec.networkPolicy.from", message, "remove one of the two")
    yield from _peers(policy)


def _has_open_ports(context: ValidationContext) -> bool:
    return context.is_exposed or context.has_headless_service or context.uses_host_port


def _peers(policy: NetworkPolicy) -> Iterator[ValidationIssue]:
    """Yield an issue for each invalid peer of the policy."""
    peers = [(f"from[{index}]", peer) for index, peer in enumerate(policy.from_)]
    for number, rule in enumerate(policy.ingress or ()):
        peers += [(f"ingress[{number}].from[{index}]", peer) for index, peer in enumerate(rule.var_from or ())]
    for number, egress in enumerate(policy.egress or ()):
        peers += [(f"egress[{number}].to[{index}]", peer) for index, peer in enumerate(egress.to or ())]
    for path, peer in peers:
        field = f"spec.networkPolicy.{path}"
        has_selector = peer.pod_selector is not None or peer.namespace_selector is not None
        if peer.ip_block is None and not has_selector:
            hint = "set podSelector, namespaceSelector or ipBlock, or remove `from` to allow every peer"
            yield ValidationIssue(field, "selects no peer", hint)
        elif peer.ip_block is not None and has_selector:
            yield ValidationIssue(f"{field}.ipBlock", "cannot be combined with a selector", "use two entries")
        if peer.ip_block is not None:
            yield from _cidr_issues(f"{field}.ipBlock", peer.ip_block)


def _cidr_issues(field: str, block: IPBlock) -> Iterator[ValidationIssue]:
    excepted = [(f"{field}.except[{index}]", each) for index, each in enumerate(block.var_except or [])]
    for cidr_field, text in [(f"{field}.cidr", block.cidr), *excepted]:
        try:
            ip_network(text, strict=False)
            is_cidr = "/" in text
        except ValueError:
            is_cidr = False
        if not is_cidr:
            yield ValidationIssue(cidr_field, f"{text!r} is not a valid CIDR", "use an address range like 10.0.0.0/8")


CHECKS: Final = (routed_service, ingress, http_route, network_policy)

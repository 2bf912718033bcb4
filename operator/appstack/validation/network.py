"""Ingress, HTTPRoute and NetworkPolicy: something to lead to, names that are names, and somebody to admit. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final

from appstack.api.kube import IPBlock
from appstack.errors import Severity, ValidationIssue
from appstack.validation.subject import Subject, repeated

_NO_SERVICE: Final = "leads to the stack's Service, and there is none"
_NOT_TCP: Final = "leads to the Service's first port, which speaks {}"
_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}")
_TWISTED = re.compile(r"//|/\.{1,2}(/|$)|%2[fF]")


def leads_somewhere(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield an Ingress or HTTPRoute with no Service behind it, or with one that does not speak HTTP."""
    for name, wanted in (("ingress", subject.spec.ingress), ("httpRoute", subject.spec.http_route)):
        if wanted is None:
            continue
        if not subject.has_service:
            hint = "declare spec.backend.ports, and leave spec.service enabled"
            yield ValidationIssue(f"spec.{name}", _NO_SERVICE, hint)
        elif _first_protocol(subject) != "TCP":
            yield ValidationIssue(
                f"spec.{name}", _NOT_TCP.format(_first_protocol(subject)), "put the port of HTTP first"
            )


def _first_protocol(subject: Subject) -> str:
    service = subject.spec.service
    written = (service and service.ports) or ([] if subject.spec.proxy else subject.spec.backend.ports) or []
    return (written[0].protocol if written else None) or "TCP"


def ingress(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield names that stand twice or are none, a path that Kubernetes refuses, and TLS for nobody in particular."""
    wanted = subject.spec.ingress
    if wanted is None:
        return
    yield from _hosts("spec.ingress.hosts", wanted.hosts)
    if _TWISTED.search(wanted.path):
        yield ValidationIssue(
            "spec.ingress.path", f"{wanted.path!r} is not a plain path", "neither '//', '.', '..' nor '%2F'"
        )
    if wanted.tls and not wanted.hosts:
        what = "is for no host in particular: which certificate a browser gets is up to the controller"
        yield ValidationIssue("spec.ingress.tls", what, "name the hosts", Severity.WARNING)


def http_route(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield names and Gateways that stand twice or are none."""
    wanted = subject.spec.http_route
    if wanted is None:
        return
    yield from _hosts("spec.httpRoute.hostnames", wanted.hostnames)
    parents = [(f"spec.httpRoute.parentRefs[{index}]", each) for index, each in enumerate(wanted.parent_refs)]
    yield from repeated(
        parents,
        key=lambda each: (each.group, each.kind, each.namespace, each.name, each.section_name, each.port),
        what=lambda each: f"{each.name!r}",
    )


def _hosts(where: str, hosts: tuple[str, ...]) -> Iterator[ValidationIssue]:
    located = [(f"{where}[{index}]", host) for index, host in enumerate(hosts)]
    yield from repeated(located, key=str, what=lambda host: f"the host {host!r}")
    for field, host in located:
        if _ADDRESS.fullmatch(host):
            yield ValidationIssue(
                field, f"{host!r} is an address", "a host is a name; leave hosts out to answer to every one"
            )


def policy(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield a policy that guards nothing or admits nobody, and peers that are none."""
    wanted = subject.spec.network_policy
    if wanted is None or not wanted.enabled:
        return
    if subject.spec.pod.host_network:
        what = "guards nothing on spec.pod.hostNetwork: the pod has the node's address"
        yield ValidationIssue("spec.networkPolicy", what, "leave out hostNetwork, or the policy")
    elif not (subject.has_service or subject.has_headless or subject.has_host_port):
        what = "admits nobody: no Service leads to the pods"
        hint = "leave it so if nobody is to come in, or declare spec.backend.ports"
        yield ValidationIssue("spec.networkPolicy", what, hint, Severity.WARNING)
    for index, peer in enumerate(wanted.from_):
        where = f"spec.networkPolicy.from[{index}]"
        selects = peer.pod_selector is not None or peer.namespace_selector is not None
        if peer.ip_block is None and not selects:
            hint = "podSelector, namespaceSelector or ipBlock; leave `from` out to admit everybody"
            yield ValidationIssue(where, "names nobody", hint)
        elif peer.ip_block is not None and selects:
            yield ValidationIssue(f"{where}.ipBlock", "excludes selectors", "make two entries of it")
        if peer.ip_block is not None:
            yield from _ranges(f"{where}.ipBlock", peer.ip_block)


def _ranges(where: str, block: IPBlock) -> Iterator[ValidationIssue]:
    """Yield what is no range of addresses."""
    excepted = [(f"{where}.except[{index}]", each) for index, each in enumerate(block.var_except or [])]
    for field, text in [(f"{where}.cidr", block.cidr), *excepted]:
        try:
            ip_network(text, strict=False)
            is_range = "/" in text
        except ValueError:
            is_range = False
        if not is_range:
            yield ValidationIssue(field, f"{text!r} is not a range of addresses", "for example 10.0.0.0/8")


CHECKS: Final = (leads_somewhere, ingress, http_route, policy)

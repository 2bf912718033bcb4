"""Checks of Services, Ingresses, HTTPRoutes and annotations: how an AppStack is reached, and by which controllers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from appstack.k8s.metadata import Manifest
from appstack.policy.model import NAMESPACE_PLACEHOLDER
from appstack.policy.subject import KeyPatterns, Subject, authored_annotations
from appstack.policy.violation import PolicyViolation

_ANY: Final = "*"
_WILDCARD: Final = "*."
_GATEWAY: Final = ("gateway.networking.k8s.io", "Gateway")


def services(subject: Subject) -> Iterator[PolicyViolation]:
    """Yield a violation for each Service with a type or an external IP that is not allowed."""
    rules = subject.effective.policy.services
    for service in subject.of_kind("Service"):
        type_ = service["spec"].get("type") or "ClusterIP"
        if type_ not in rules.types:
            hint = subject.allowed("services.types", rules.types)
            yield PolicyViolation(service, "spec.type", "services.types", f"{type_} is not allowed", hint)
        if service["spec"].get("externalIPs") and not rules.external_ips:
            name, message = "services.externalIPs", "take over the traffic to these addresses"
            yield PolicyViolation(service, "spec.externalIPs", name, message, subject.set_by(name))


class _HostPatterns:
    """Host names that are allowed in a namespace."""

    def __init__(self, patterns: Iterable[str], namespace: str) -> None:
        self.patterns = [pattern.replace(NAMESPACE_PLACEHOLDER, namespace) for pattern in patterns]
        self.match_all = _ANY in self.patterns
        self._names = frozenset(self.patterns)
        self._suffixes = tuple(pattern.removeprefix("*") for pattern in self.patterns if pattern.startswith(_WILDCARD))

    def match(self, host: str) -> bool:
        """Return whether every name that a host stands for is allowed: of `*.b`, those that are below `b`."""
        return host in self._names or host.endswith(self._suffixes)


def hostnames(subject: Subject) -> Iterator[PolicyViolation]:
    """Yield a violation for each host name that is not allowed; without host names, an object has every name."""
    allowed = _HostPatterns(subject.effective.policy.hostnames, subject.namespace)
    if allowed.match_all:
        return
    hint = subject.allowed("hostnames", allowed.patterns)
    for manifest in subject.of_kind("Ingress", "HTTPRoute"):
        declared = _ingress_hosts if manifest["kind"] == "Ingress" else _route_hosts
        reported: set[str] = set()
        for field, host in declared(manifest["spec"]):
            if host in reported or (host and allowed.match(host)):
                continue
            reported.add(host)
            message = f"{host!r} is not allowed" if host else "is required: without a host name, every name is routed"
            yield PolicyViolation(manifest, field, "hostnames", message, hint)


def _ingress_hosts(spec: Manifest) -> Iterator[tuple[str, str]]:
    """Yield the hosts of the rules and of TLS; an empty one for a rule without a host."""
    for index, rule in enumerate(spec.get("rules") or ()):
        host = rule.get("host") or ""
        yield f"spec.rules[{index}].host" if host else "spec.hosts", host
    for number, tls in enumerate(spec.get("tls") or ()):
        for index, host in enumerate(tls.get("hosts") or ()):
            yield f"spec.tls[{number}].hosts[{index}]", host


def _route_hosts(spec: Manifest) -> Iterator[tuple[str, str]]:
    hosts: Sequence[str] = spec.get("hostnames") or ()
    if not hosts:
        yield "spec.hostnames", ""
    for index, host in enumerate(hosts):
        yield f"spec.hostnames[{index}]", host


def gateways(subject: Subject) -> Iterator[PolicyViolation]:
    """Yield a violation for each parent of an HTTPRoute that is not an allowed Gateway."""
    rules = subject.effective.policy.gateways
    allowed = {(*_GATEWAY, rule.namespace, rule.name) for rule in rules}
    for route in subject.of_kind("HTTPRoute") if rules else ():
        for index, parent in enumerate(route["spec"].get("parentRefs") or ()):
            group, kind = (parent.get(name, default) for name, default in zip(("group", "kind"), _GATEWAY, strict=True))
            namespace = parent.get("namespace") or subject.namespace
            if (group, kind, namespace, parent["name"]) not in allowed:
                hint = subject.allowed("gateways", (f"{rule.namespace}/{rule.name}" for rule in rules))
                message = f"the {kind} {namespace}/{parent['name']} is not allowed"
                yield PolicyViolation(route, f"spec.parentRefs[{index}]", "gateways", message, hint)


def service_account_annotations(subject: Subject) -> Iterator[PolicyViolation]:
    """Yield a violation for each annotation of a ServiceAccount that is not allowed."""
    name = "serviceAccountAnnotations"
    allowed = subject.effective.policy.service_account_annotations
    patterns = KeyPatterns(allowed)
    for account in subject.of_kind("ServiceAccount"):
        for key in authored_annotations(account["metadata"]):
            if not patterns.match(key):
                hint = subject.allowed(name, allowed)
                yield PolicyViolation(account, f"metadata.annotations[{key}]", name, "is not allowed", hint)


def denied_annotations(subject: Subject) -> Iterator[PolicyViolation]:
    """Yield a violation for each annotation that is denied, on pods and on all objects except ServiceAccounts."""
    denied = KeyPatterns(subject.effective.policy.annotations.deny)
    if not denied.patterns:
        return
    own = ((manifest, "", manifest["metadata"]) for manifest in subject.manifests)
    pods = ((pod.manifest, pod.path, pod.pod.get("metadata") or {}) for pod in subject.pods if pod.path)
    for manifest, path, metadata in (*own, *pods):
        for key in authored_annotations(metadata) if manifest["kind"] != "ServiceAccount" else ():
            if denied.match(key):
                name, hint = "annotations.deny", subject.set_by("annotations.deny")
                yield PolicyViolation(manifest, f"{path}metadata.annotations[{key}]", name, "is denied", hint)

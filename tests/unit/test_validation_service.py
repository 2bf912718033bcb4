"""Validation of the Service and the ServiceAccount."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import issue_messages, parametrize_cases

CASES = {
    "targets of the backend by number, by name and by default are valid": (
        """
        service:
          ports: [{name: a, port: 1, targetPort: 8000}, {name: b, port: 2, targetPort: http}, {name: c, port: 8000}]
        """,
        [],
    ),
    "targets of a sidecar and of the proxy are valid": (
        """
        proxy: {}
        sidecars: [{name: a, ports: [{name: metrics, containerPort: 9}]}]
        service:
          ports: [{name: a, port: 80}, {name: b, port: 1, targetPort: 8080}, {name: c, port: 2, targetPort: metrics}]
        """,
        [],
    ),
    "Service without ports": (
        "{backend: {image: x}, service: {type: LoadBalancer}}",
        [
            "spec.service: exposes nothing: the backend declares no port, and there is no proxy "
            "(declare spec.backend.ports, or set spec.service.enabled: false)"
        ],
    ),
    "disabled Service without ports is valid": ("{backend: {image: x}, service: {enabled: false}}", []),
    "backend without ports needs no Service": ("backend: {image: x}", []),
    "unknown target ports": (
        """
        proxy: {}
        service: {ports: [{name: a, port: 1, targetPort: 9}, {name: b, port: 2, targetPort: web}]}
        """,
        [
            "spec.service.ports[1].targetPort: no container declares web/TCP (use one of: http (8000), 8080)",
            "Warning: spec.service.ports[0].targetPort: no container declares 9/TCP (use one of: http (8000), 8080)",
        ],
    ),
    "target ports over another protocol": (
        "service: {ports: [{name: a, port: 8000, protocol: UDP}, {name: b, port: 1, protocol: UDP, targetPort: http}]}",
        [
            "spec.service.ports[1].targetPort: no container declares http/UDP "
            "(declare the port in the ports of the container that listens on it)",
            "Warning: spec.service.ports[0].targetPort: no container declares 8000/UDP "
            "(declare the port in the ports of the container that listens on it)",
        ],
    ),
    "UDP port of the proxy": (
        "{proxy: {}, service: {ports: [{port: 80, protocol: UDP}]}}",
        [
            "Warning: spec.service.ports[0].targetPort: no container declares 80/UDP "
            "(declare the port in the ports of the container that listens on it)"
        ],
    ),
    "target port is the health port of the proxy": (
        "{proxy: {}, service: {ports: [{port: 80, targetPort: 15080}]}}",
        [
            "spec.service.ports[0].targetPort: a Service cannot expose the health port, which is for the kubelet "
            "only (choose another port)"
        ],
    ),
    "target port of an init container that runs to completion": (
        "{initContainers: [{name: i, ports: [{containerPort: 9}]}], service: {ports: [{port: 9, targetPort: 9}]}}",
        ["Warning: spec.service.ports[0].targetPort: no container declares 9/TCP (use one of: http (8000))"],
    ),
    "duplicate number and name": (
        """
        service:
          ports:
          - {name: a, port: 8000}
          - {name: b, port: 8000, targetPort: http}
          - {name: a, port: 1, targetPort: 8000}
        """,
        [
            "spec.service.ports[1].port: port 8000/TCP is already defined at spec.service.ports[0].port "
            "(remove one of the two)",
            "spec.service.ports[2].name: the name 'a' is already defined at spec.service.ports[0].name "
            "(remove one of the two)",
        ],
    ),
    "several Service ports without name": (
        "service: {ports: [{port: 8000}, {name: b, port: 1, targetPort: 8000}]}",
        ["spec.service.ports[0].name: is required: a Service with several ports needs a name for each (set a name)"],
    ),
    "several backend ports without name are valid": (
        "backend: {image: x, ports: [{containerPort: 1}, {containerPort: 2}]}",
        [],
    ),
    "several backend ports without name in a StatefulSet are valid": (
        "{workload: {kind: StatefulSet}, service: {enabled: false}, backend: {image: x, ports: [{containerPort: 1}, "
        "{containerPort: 2}]}}",
        [],
    ),
    "port without target that no container declares": (
        "{backend: {image: x, ports: [{containerPort: 5000}]}, service: {ports: [{port: 8080}]}}",
        ["Warning: spec.service.ports[0].targetPort: no container declares 8080/TCP (use one of: 5000)"],
    ),
    "name that no container declares as target of a headless Service": (
        "service: {clusterIP: None, ports: [{port: 1, targetPort: web}]}",
        ["Warning: spec.service.ports[0].targetPort: no container declares web/TCP (use one of: http (8000))"],
    ),
    "headless Service without ports is valid": ("{backend: {image: x}, service: {clusterIP: None}}", []),
    "serviceName of the Service with an address": (
        "{workload: {kind: StatefulSet, statefulSet: {serviceName: db}}, service: {name: db}}",
        [
            "Warning: spec.workload.statefulSet.serviceName: gives the pods no DNS names: the Service 'db' of "
            "spec.service is not headless (set spec.service.clusterIP: None, or another serviceName)"
        ],
    ),
    "serviceName of the headless Service is valid": (
        "{workload: {kind: StatefulSet, statefulSet: {serviceName: db}}, service: {name: db, clusterIP: None}}",
        [],
    ),
    "several backend ports without name behind a proxy are valid": (
        "{backend: {image: x, ports: [{containerPort: 1}, {containerPort: 2}]}, proxy: {}}",
        [],
    ),
    "invalid number, protocol, name and target": (
        "service: {ports: [{name: A_B, port: 0, targetPort: http, protocol: tcp}]}",
        [
            "spec.service.ports[0].port: 0 is not a valid port number (use 1 to 65535)",
            "spec.service.ports[0].protocol: 'tcp' is not a valid protocol (use TCP, UDP or SCTP)",
            "spec.service.ports[0].name: 'A_B' is not a valid name of a Service port "
            "(use at most 63 of a-z, 0-9 and '-')",
            "spec.service.ports[0].targetPort: no container declares http/tcp "
            "(declare the port in the ports of the container that listens on it)",
        ],
    ),
    "existing ServiceAccount is valid": ("serviceAccount: {create: false, name: mine}", []),
    "ServiceAccount that is neither created nor named": (
        "serviceAccount: {create: false, metadata: {labels: {a: b}}}",
        [
            "spec.serviceAccount.name: is required with create: false "
            "(set the name of an existing one, or remove spec.serviceAccount to use the namespace's default)",
            "spec.serviceAccount.metadata: has no effect with create: false (remove the field)",
        ],
    ),
}


@parametrize_cases(CASES)
def test_service(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines


def test_service_name_with_a_leading_digit_is_a_warning() -> None:
    assert issue_messages(name="4u") == [
        "Warning: metadata.name: '4u' starts with a digit, and older versions of Kubernetes reject a Service of this "
        "name (set spec.service.name)"
    ]
    assert issue_messages("service: {name: four-u}", name="4u") == []
    assert issue_messages("service: {enabled: false}", name="4u") == []

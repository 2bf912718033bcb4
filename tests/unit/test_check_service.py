"""The Service and the ServiceAccount: what leads nowhere, and who can't be told apart."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import complaints, table

CASES = {
    "to the backend by number, by name and by default": (
        """
        service:
          ports: [{name: a, port: 1, targetPort: 8000}, {name: b, port: 2, targetPort: http}, {name: c, port: 8000}]
        """,
        [],
    ),
    "to a sidecar, and to the proxy": (
        """
        proxy: {}
        sidecars: [{name: a, ports: [{name: metrics, containerPort: 9}]}]
        service:
          ports: [{name: a, port: 80}, {name: b, port: 1, targetPort: 8080}, {name: c, port: 2, targetPort: metrics}]
        """,
        [],
    ),
    "where nothing listens": (
        "{backend: {image: x}, service: {type: LoadBalancer}}",
        [
            "spec.service: leads nowhere: the backend declares no port, and there is no proxy "
            "(declare spec.backend.ports, or set spec.service.enabled: false)"
        ],
    ),
    "switched off where nothing listens": ("{backend: {image: x}, service: {enabled: false}}", []),
    "not asked for where nothing listens": ("backend: {image: x}", []),
    "to nobody": (
        """
        proxy: {}
        service: {ports: [{name: a, port: 1, targetPort: 9}, {name: b, port: 2, targetPort: web}]}
        """,
        [
            "spec.service.ports[0].targetPort: nobody offers 9/TCP (there are: http (8000), 8080)",
            "spec.service.ports[1].targetPort: nobody offers web/TCP (there are: http (8000), 8080)",
        ],
    ),
    "over another protocol": (
        "service: {ports: [{name: a, port: 8000, protocol: UDP}, {name: b, port: 1, protocol: UDP, targetPort: http}]}",
        [
            "spec.service.ports[0].targetPort: the backend listens on no port over UDP "
            "(declare the port at the container that listens)",
            "spec.service.ports[1].targetPort: nobody offers http/UDP (declare the port at the container that listens)",
        ],
    ),
    "over UDP to a proxy": (
        "{proxy: {}, service: {ports: [{port: 80, protocol: UDP}]}}",
        [
            "spec.service.ports[0].targetPort: the proxy listens on no port over UDP "
            "(declare the port at the container that listens)"
        ],
    ),
    "to the port that kubelets ask": (
        "{proxy: {}, service: {ports: [{port: 80, targetPort: 15080}]}}",
        ["spec.service.ports[0].targetPort: no Service leads to the port that only kubelets ask (choose another)"],
    ),
    "to what has ended": (
        "{initContainers: [{name: i, ports: [{containerPort: 9}]}], service: {ports: [{port: 9, targetPort: 9}]}}",
        ["spec.service.ports[0].targetPort: nobody offers 9/TCP (there are: http (8000))"],
    ),
    "a port and a name twice": (
        "service: {ports: [{name: a, port: 8000}, {name: b, port: 8000, targetPort: http}, {name: a, port: 1}]}",
        [
            "spec.service.ports[1].port: port 8000/TCP stands at spec.service.ports[0].port already "
            "(keep one of the two)",
            "spec.service.ports[2].name: the name 'a' stands at spec.service.ports[0].name already "
            "(keep one of the two)",
        ],
    ),
    "several without a name": (
        "service: {ports: [{port: 8000}, {name: b, port: 1}]}",
        ["spec.service.ports[0].name: a Service of several ports needs a name for each (write one)"],
    ),
    "several of the backend without a name": (
        "backend: {image: x, ports: [{containerPort: 1}, {containerPort: 2}]}",
        [
            f"spec.backend.ports[{index}].name: a Service of several ports needs a name for each (write one)"
            for index in (0, 1)
        ],
    ),
    "several of the backend behind a proxy need none": (
        "{backend: {image: x, ports: [{containerPort: 1}, {containerPort: 2}]}, proxy: {}}",
        [],
    ),
    "what is no port": (
        "service: {ports: [{name: A_B, port: 0, targetPort: http, protocol: tcp}]}",
        [
            "spec.service.ports[0].port: 0 is not a port's number (1 to 65535)",
            "spec.service.ports[0].protocol: 'tcp' is not a protocol of ports (TCP, UDP or SCTP)",
            "spec.service.ports[0].name: 'A_B' is not a name (at most 63 of a-z, 0-9 and -)",
            "spec.service.ports[0].targetPort: nobody offers http/tcp (declare the port at the container that listens)",
        ],
    ),
    "an account that is made, one that is there, and none": ("serviceAccount: {create: false, name: mine}", []),
    "an account that is neither made nor named": (
        "serviceAccount: {create: false, metadata: {labels: {a: b}}}",
        [
            "spec.serviceAccount.name: is required with create: false "
            "(name the one that exists, or leave out spec.serviceAccount for the namespace's default)",
            "spec.serviceAccount.metadata: with create: false AppStack writes none (leave it out)",
        ],
    ),
}


@table(CASES)
def test_service(text: str, lines: Iterable[str]) -> None:
    assert complaints(text) == lines


def test_a_services_name_begins_with_a_letter() -> None:
    told = "Warning: metadata.name: '4u' begins with a digit, and older Kubernetes takes no Service of such a name"
    assert complaints(name="4u") == [f"{told} (rename the stack, or set spec.service.enabled: false)"]
    assert complaints("service: {enabled: false}", name="4u") == []

"""Ports, probes and the Service: who listens, who asks, who is led where."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import complaints, table

SHARED = "(containers of a pod share their ports: choose another number)"
FORM = "(at most 15 of a-z, 0-9 and -, with a letter, and no - at an end or beside another)"


def web(fields: str) -> str:
    """Return a backend that listens on `http` and has more fields."""
    return f"backend: {{image: x, ports: [{{name: http, containerPort: 8000}}], {fields}}}"


PORTS = {
    "one number over two protocols": (
        "backend: {image: x, ports: [{name: a, containerPort: 53}, {name: b, containerPort: 53, protocol: UDP}]}",
        [],
    ),
    "one number in two containers": (
        "sidecars: [{name: a, ports: [{containerPort: 8000}]}]",
        [
            "spec.sidecars[0].ports[0].containerPort: 8000/TCP is taken already by "
            f"spec.backend.ports[0].containerPort {SHARED}"
        ],
    ),
    "one number twice in a container": (
        "backend: {image: x, ports: [{name: a, containerPort: 1}, {name: b, containerPort: 1, protocol: TCP}]}",
        [
            f"spec.backend.ports[1].containerPort: 1/TCP is taken already by spec.backend.ports[0].containerPort "
            f"{SHARED}"
        ],
    ),
    "an init container has ended by then": ("initContainers: [{name: a, ports: [{containerPort: 8000}]}]", []),
    "an init container that stays has not": (
        "initContainers: [{name: a, restartPolicy: Always, ports: [{containerPort: 8000}]}]",
        [
            "spec.initContainers[0].ports[0].containerPort: 8000/TCP is taken already by "
            f"spec.backend.ports[0].containerPort {SHARED}"
        ],
    ),
    "the proxy's two ports count": (
        """
        backend: {image: x, ports: [{containerPort: 8080}]}
        proxy: {healthPort: 9}
        sidecars: [{name: a, ports: [{containerPort: 9}]}]
        """,
        [
            f"spec.proxy.port: 8080/TCP is taken already by spec.backend.ports[0].containerPort {SHARED}",
            f"spec.sidecars[0].ports[0].containerPort: 9/TCP is taken already by spec.proxy.healthPort {SHARED}",
        ],
    ),
    "the proxy's two ports are two": (
        "proxy: {port: 9, healthPort: 9}",
        [f"spec.proxy.healthPort: 9/TCP is taken already by spec.proxy.port {SHARED}"],
    ),
    "the proxy's own port need not be declared, and can't": (
        "proxy: {ports: [{name: web, containerPort: 8080}]}",
        [f"spec.proxy.ports[0].containerPort: 8080/TCP is taken already by spec.proxy.port {SHARED}"],
    ),
    "ports of the node": (
        """
        backend: {image: x, ports: [{name: a, containerPort: 1, hostPort: 9}, {name: b, containerPort: 2, hostPort: 9}]}
        """,
        [
            "spec.backend.ports[1].hostPort: 9/TCP of the node is taken already by "
            "spec.backend.ports[0].containerPort (choose another number)"
        ],
    ),
    "ports of the node on its own network": (
        """
        backend: {image: x, ports: [{name: a, containerPort: 1, hostPort: 1}, {name: b, containerPort: 2, hostPort: 9}]}
        pod: {hostNetwork: true}
        """,
        ["spec.backend.ports[1].hostPort: on spec.pod.hostNetwork it can only be the containerPort 2 (leave it out)"],
    ),
    "what is no port": (
        """
        backend:
          image: x
          ports: [{name: Web, containerPort: 0}, {name: a--b, containerPort: 70000, hostPort: -1, protocol: HTTP}]
        sidecars: [{name: s, ports: [{name: appstack-x, containerPort: 1}, {name: a234567890123456, containerPort: 2}]}]
        """,
        [
            "spec.backend.ports[0].containerPort: 0 is not a port's number (1 to 65535)",
            f"spec.backend.ports[0].name: 'Web' is not a port's name {FORM}",
            "spec.backend.ports[1].containerPort: 70000 is not a port's number (1 to 65535)",
            "spec.backend.ports[1].hostPort: -1 is not a port's number (1 to 65535)",
            "spec.backend.ports[1].protocol: 'HTTP' is not a protocol of ports (TCP, UDP or SCTP)",
            f"spec.backend.ports[1].name: 'a--b' is not a port's name {FORM}",
            "spec.sidecars[0].ports[0].name: names that begin with 'appstack-' are AppStack's own (choose another)",
            f"spec.sidecars[0].ports[1].name: 'a234567890123456' is not a port's name {FORM}",
        ],
    ),
    "one name twice in a container": (
        "backend: {image: x, ports: [{name: a, containerPort: 1}, {name: a, containerPort: 2}]}",
        ["spec.backend.ports[1].name: 'a' is the name of spec.backend.ports[0].containerPort already (choose another)"],
    ),
    "one name in two containers is legal and odd": (
        "sidecars: [{name: a, ports: [{name: http, containerPort: 1}]}]",
        [
            "Warning: spec.sidecars[0].ports[0].name: 'http' is also the name of spec.backend.ports[0].containerPort: "
            "a targetPort of this name leads to one of them (choose another)"
        ],
    ),
}


@table(PORTS)
def test_ports(text: str, lines: Iterable[str]) -> None:
    assert complaints(text) == lines


CARRIES = (
    "a proxy stands before the backend, and it can only carry httpGet (use httpGet or exec, or leave out spec.proxy)"
)

PROBES = {
    "every way to ask": (
        web(
            "startupProbe: {httpGet: {path: /}}, livenessProbe: {tcpSocket: {port: http}}, "
            "readinessProbe: {grpc: {port: 8000}}, "
            "lifecycle: {postStart: {exec: {command: [a]}}, preStop: {sleep: {seconds: 1}}}"
        ),
        [],
    ),
    "no way to ask, and several": (
        web("livenessProbe: {}, lifecycle: {preStop: {httpGet: {}, exec: {command: [a]}}}"),
        [
            "spec.backend.livenessProbe: does not say what to do (exec, httpGet, tcpSocket or grpc)",
            "spec.backend.lifecycle.preStop: does several things at once: exec, httpGet (keep one of them)",
        ],
    ),
    "a header without a name": (
        """
        backend:
          image: x
          ports: [{containerPort: 1}]
          livenessProbe: {httpGet: {httpHeaders: [{name: X-A, value: a}, {name: x y, value: b}]}}
        """,
        [
            "spec.backend.livenessProbe.httpGet.httpHeaders[1].name: "
            "'x y' is not a header's name (letters, digits and -)"
        ],
    ),
    "a command that is none": (
        web("livenessProbe: {exec: {}}, lifecycle: {preStop: {exec: {command: []}}}"),
        [
            "spec.backend.livenessProbe.exec.command: is required",
            "spec.backend.lifecycle.preStop.exec.command: is required",
        ],
    ),
    "what no kubelet does": (
        web("lifecycle: {postStart: {tcpSocket: {}}}"),
        [
            "spec.backend.lifecycle.postStart.tcpSocket: no kubelet does it in a lifecycle handler (exec or httpGet)",
        ],
    ),
    "names that are not there": (
        web("livenessProbe: {httpGet: {port: web}}, readinessProbe: {tcpSocket: {port: web}}"),
        [
            "spec.backend.livenessProbe.httpGet.port: the container has no port 'web' (there are: http)",
            "spec.backend.readinessProbe.tcpSocket.port: the container has no port 'web' (there are: http)",
        ],
    ),
    "a number that is not there": (
        web("livenessProbe: {httpGet: {port: 1}}, readinessProbe: {grpc: {port: 2}}"),
        [
            "spec.backend.livenessProbe.httpGet.port: no container declares 1/TCP (there are: 8000/TCP)",
            "spec.backend.readinessProbe.grpc.port: no container declares 2/TCP (there are: 8000/TCP)",
        ],
    ),
    "a number of another container is there, its name is not": (
        """
        sidecars:
        - name: a
          ports: [{name: own, containerPort: 1}]
          livenessProbe: {httpGet: {port: 8000}}
          readinessProbe: {httpGet: {port: http}}
        """,
        ["spec.sidecars[0].readinessProbe.httpGet.port: the container has no port 'http' (there are: own)"],
    ),
    "a container that declares no port may listen anywhere": (
        "backend: {image: x, livenessProbe: {tcpSocket: {port: 8000}}}",
        [],
    ),
    "but it has no first one": (
        "backend: {image: x, livenessProbe: {httpGet: {path: /}}}",
        [
            "spec.backend.livenessProbe.httpGet.port: the container declares no port to ask "
            "(declare it in spec.backend.ports)"
        ],
    ),
    "another host has ports of its own": (web("livenessProbe: {httpGet: {host: h, port: 1}}"), []),
    "the proxy's ports are there": (
        "proxy: {livenessProbe: {httpGet: {path: /, port: 8080}}, startupProbe: {tcpSocket: {port: 15080}}}",
        [],
    ),
    "a private backend is asked over HTTP or from inside": (
        "proxy: {}\n"
        + web(
            "startupProbe: {tcpSocket: {port: 8000}}, livenessProbe: {grpc: {port: 8000}}, "
            "readinessProbe: {httpGet: {host: h}}"
        ),
        [
            f"spec.backend.startupProbe.tcpSocket: {CARRIES}",
            f"spec.backend.livenessProbe.grpc: {CARRIES}",
            "spec.backend.readinessProbe.httpGet.host: the proxy asks the backend of its own pod only "
            "(leave it out; a Host header goes to httpHeaders)",
        ],
    ),
    "a private backend's port must be declared": (
        """
        backend: {image: x, volumeMounts: [{name: v, mountPath: /v}], livenessProbe: {httpGet: {port: 8000}}}
        proxy: {static: [{path: /v/, volume: v}]}
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            "spec.backend.livenessProbe.httpGet.port: the container declares no port to ask "
            "(declare it in spec.backend.ports)"
        ],
    ),
    "what only some probes have": (
        web(
            "livenessProbe: {httpGet: {}, successThreshold: 2, terminationGracePeriodSeconds: 1}, "
            "readinessProbe: {httpGet: {}, successThreshold: 2, terminationGracePeriodSeconds: 1}"
        ),
        [
            "spec.backend.livenessProbe.successThreshold: can only be 1 here (leave it out)",
            "spec.backend.readinessProbe.terminationGracePeriodSeconds: a readiness probe ends nothing (leave it out)",
        ],
    ),
}


@table(PROBES)
def test_probes(text: str, lines: Iterable[str]) -> None:
    assert complaints(text) == lines

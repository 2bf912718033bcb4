"""Validation of container ports, probes and lifecycle handlers."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import issue_messages, parametrize_cases

SHARED_HINT = "(choose another number; the containers of a pod share their ports)"
PORT_NAME_HINT = "(use at most 15 of a-z, 0-9 and '-', with at least one letter and no leading, trailing or double '-')"


def backend_with_port(fields: str) -> str:
    """Return a backend with the port `http` and further fields."""
    return f"backend: {{image: x, ports: [{{name: http, containerPort: 8000}}], {fields}}}"


PORTS = {
    "same number over two protocols is valid": (
        "backend: {image: x, ports: [{name: a, containerPort: 53}, {name: b, containerPort: 53, protocol: UDP}]}",
        [],
    ),
    "same number in two containers": (
        "sidecars: [{name: a, ports: [{containerPort: 8000}]}]",
        [
            "Warning: spec.sidecars[0].ports[0].containerPort: 8000/TCP is already used by "
            f"spec.backend.ports[0].containerPort {SHARED_HINT}"
        ],
    ),
    "same number twice in a container": (
        "backend: {image: x, ports: [{name: a, containerPort: 1}, {name: b, containerPort: 1, protocol: TCP}]}",
        [
            "spec.backend.ports[1].containerPort: 1/TCP is already used by spec.backend.ports[0].containerPort "
            f"{SHARED_HINT}"
        ],
    ),
    "same number in an init container that runs to completion is valid": (
        "initContainers: [{name: a, ports: [{containerPort: 8000}]}]",
        [],
    ),
    "same number in a native sidecar": (
        "initContainers: [{name: a, restartPolicy: Always, ports: [{containerPort: 8000}]}]",
        [
            "Warning: spec.initContainers[0].ports[0].containerPort: 8000/TCP is already used by "
            f"spec.backend.ports[0].containerPort {SHARED_HINT}"
        ],
    ),
    "ports of the proxy conflict with declared ports": (
        """
        backend: {image: x, ports: [{containerPort: 8080}]}
        proxy: {healthPort: 9}
        sidecars: [{name: a, ports: [{containerPort: 9}]}]
        """,
        [
            f"spec.proxy.port: 8080/TCP is already used by spec.backend.ports[0].containerPort {SHARED_HINT}",
            f"spec.sidecars[0].ports[0].containerPort: 9/TCP is already used by spec.proxy.healthPort {SHARED_HINT}",
        ],
    ),
    "port and health port of the proxy conflict": (
        "proxy: {port: 9, healthPort: 9}",
        [f"spec.proxy.healthPort: 9/TCP is already used by spec.proxy.port {SHARED_HINT}"],
    ),
    "declared port conflicts with the port of the proxy": (
        "proxy: {ports: [{name: web, containerPort: 8080}]}",
        [f"spec.proxy.ports[0].containerPort: 8080/TCP is already used by spec.proxy.port {SHARED_HINT}"],
    ),
    "duplicate host port": (
        """
        backend: {image: x, ports: [{name: a, containerPort: 1, hostPort: 9}, {name: b, containerPort: 2, hostPort: 9}]}
        """,
        [
            "spec.backend.ports[1].hostPort: 9/TCP of the node is already used by "
            "spec.backend.ports[0].containerPort (choose another number)"
        ],
    ),
    "host port with hostNetwork": (
        """
        backend: {image: x, ports: [{name: a, containerPort: 1, hostPort: 1}, {name: b, containerPort: 2, hostPort: 9}]}
        pod: {hostNetwork: true}
        """,
        ["spec.backend.ports[1].hostPort: must equal the containerPort 2 with spec.pod.hostNetwork (remove hostPort)"],
    ),
    "invalid numbers, protocols and names": (
        """
        backend:
          image: x
          ports: [{name: Web, containerPort: 0}, {name: a--b, containerPort: 70000, hostPort: -1, protocol: HTTP}]
        sidecars: [{name: s, ports: [{name: appstack-x, containerPort: 1}, {name: a234567890123456, containerPort: 2}]}]
        """,
        [
            "spec.backend.ports[0].containerPort: 0 is not a valid port number (use 1 to 65535)",
            f"spec.backend.ports[0].name: 'Web' is not a valid port name {PORT_NAME_HINT}",
            "spec.backend.ports[1].containerPort: 70000 is not a valid port number (use 1 to 65535)",
            "spec.backend.ports[1].hostPort: -1 is not a valid port number (use 1 to 65535)",
            "spec.backend.ports[1].protocol: 'HTTP' is not a valid protocol (use TCP, UDP or SCTP)",
            f"spec.backend.ports[1].name: 'a--b' is not a valid port name {PORT_NAME_HINT}",
            "spec.sidecars[0].ports[0].name: names that start with 'appstack-' are reserved for AppStack "
            "(choose another name)",
            f"spec.sidecars[0].ports[1].name: 'a234567890123456' is not a valid port name {PORT_NAME_HINT}",
        ],
    ),
    "duplicate name in a container": (
        "backend: {image: x, ports: [{name: a, containerPort: 1}, {name: a, containerPort: 2}]}",
        [
            "spec.backend.ports[1].name: 'a' is already the name of spec.backend.ports[0].containerPort "
            "(choose another name)"
        ],
    ),
    "duplicate name in two containers is a warning": (
        "sidecars: [{name: a, ports: [{name: http, containerPort: 1}]}]",
        [
            "Warning: spec.sidecars[0].ports[0].name: 'http' is also the name of "
            "spec.backend.ports[0].containerPort, so a targetPort with this name is ambiguous (choose another name)"
        ],
    ),
}


@parametrize_cases(PORTS)
def test_ports(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines


PROXY_FORWARDS_HTTP = (
    "only the proxy can reach the backend, and it forwards httpGet only (use httpGet or exec, or remove spec.proxy)"
)

PROBES = {
    "every action is valid": (
        backend_with_port(
            "startupProbe: {httpGet: {path: /}}, livenessProbe: {tcpSocket: {port: http}}, readinessProbe: {grpc: "
            "{port: 8000}}, lifecycle: {postStart: {exec: {command: [a]}}, preStop: {sleep: {seconds: 1}}}"
        ),
        [],
    ),
    "probe without action and handler with several": (
        backend_with_port("livenessProbe: {}, lifecycle: {preStop: {httpGet: {}, exec: {command: [a]}}}"),
        [
            "spec.backend.livenessProbe: defines no action (set exec, httpGet, tcpSocket or grpc)",
            "spec.backend.lifecycle.preStop: defines several actions: exec, httpGet (keep one of them)",
        ],
    ),
    "invalid header name": (
        """
        backend:
          image: x
          ports: [{containerPort: 1}]
          livenessProbe: {httpGet: {httpHeaders: [{name: X-A, value: a}, {name: x y, value: b}]}}
        """,
        [
            "spec.backend.livenessProbe.httpGet.httpHeaders[1].name: 'x y' is not a valid header name "
            "(use letters, digits and '-')"
        ],
    ),
    "exec without command": (
        backend_with_port("livenessProbe: {exec: {}}, lifecycle: {preStop: {exec: {command: []}}}"),
        [
            "spec.backend.livenessProbe.exec.command: is required",
            "spec.backend.lifecycle.preStop.exec.command: is required",
        ],
    ),
    "tcpSocket in a lifecycle handler": (
        backend_with_port("lifecycle: {postStart: {tcpSocket: {}}}"),
        [
            "spec.backend.lifecycle.postStart.tcpSocket: the kubelet does not support tcpSocket in a lifecycle "
            "handler (use exec or httpGet)",
        ],
    ),
    "unknown port names": (
        backend_with_port("livenessProbe: {httpGet: {port: web}}, readinessProbe: {tcpSocket: {port: web}}"),
        [
            "spec.backend.livenessProbe.httpGet.port: the container has no port 'web' (use one of: http)",
            "spec.backend.readinessProbe.tcpSocket.port: the container has no port 'web' (use one of: http)",
        ],
    ),
    "unknown port numbers": (
        backend_with_port("livenessProbe: {httpGet: {port: 1}}, readinessProbe: {grpc: {port: 2}}"),
        [
            "Warning: spec.backend.livenessProbe.httpGet.port: no container declares 1/TCP (use one of: 8000/TCP)",
            "Warning: spec.backend.readinessProbe.grpc.port: no container declares 2/TCP (use one of: 8000/TCP)",
        ],
    ),
    "number of another container is known, its name is not": (
        """
        sidecars:
        - name: a
          ports: [{name: own, containerPort: 1}]
          livenessProbe: {httpGet: {port: 8000}}
          readinessProbe: {httpGet: {port: http}}
        """,
        ["spec.sidecars[0].readinessProbe.httpGet.port: the container has no port 'http' (use one of: own)"],
    ),
    "container without declared ports may listen on any": (
        "backend: {image: x, livenessProbe: {tcpSocket: {port: 8000}}}",
        [],
    ),
    "container without declared ports has no default port": (
        "backend: {image: x, livenessProbe: {httpGet: {path: /}}}",
        [
            "spec.backend.livenessProbe.httpGet.port: the container declares no port "
            "(declare the port in spec.backend.ports)"
        ],
    ),
    "port of another host is not checked": (backend_with_port("livenessProbe: {httpGet: {host: h, port: 1}}"), []),
    "ports of the proxy are known": (
        "proxy: {livenessProbe: {httpGet: {path: /, port: 8080}}, startupProbe: {tcpSocket: {port: 15080}}}",
        [],
    ),
    "tcpSocket, grpc and host of a backend behind the proxy": (
        "proxy: {}\n"
        + backend_with_port(
            "startupProbe: {tcpSocket: {port: 8000}}, livenessProbe: {grpc: {port: 8000}}, readinessProbe: {httpGet: "
            "{host: h}}"
        ),
        [
            f"spec.backend.startupProbe.tcpSocket: {PROXY_FORWARDS_HTTP}",
            f"spec.backend.livenessProbe.grpc: {PROXY_FORWARDS_HTTP}",
            "spec.backend.readinessProbe.httpGet.host: the proxy forwards httpGet to the backend of its own pod only "
            "(remove host; set a Host header in httpHeaders)",
        ],
    ),
    "port of a backend behind the proxy that declares none is valid": (
        """
        backend: {image: x, volumeMounts: [{name: v, mountPath: /v}], livenessProbe: {httpGet: {port: 8000}}}
        proxy: {static: [{path: /v/, volume: v}]}
        volumes: [{name: v, emptyDir: {}}]
        """,
        [],
    ),
    "fields that only some types of probes support": (
        backend_with_port(
            "livenessProbe: {httpGet: {}, successThreshold: 2, terminationGracePeriodSeconds: 1}, readinessProbe: "
            "{httpGet: {}, successThreshold: 2, terminationGracePeriodSeconds: 1}"
        ),
        [
            "spec.backend.livenessProbe.successThreshold: must be 1 on a liveness or startup probe (remove the field)",
            "spec.backend.readinessProbe.terminationGracePeriodSeconds: is not supported on a readiness probe, which "
            "never restarts a container (remove the field)",
        ],
    ),
}


@parametrize_cases(PROBES)
def test_probes(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines

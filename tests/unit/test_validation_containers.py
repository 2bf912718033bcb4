"""Validation of containers: names, images, init containers, sidecar roles and environment variables."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import issue_messages, parametrize_cases

HOST_NETWORK = (
    "cannot run with spec.pod.hostNetwork: the loopback interface is then the node's and not private to the pod"
)
NO_STARTUP_PROBE = (
    "Warning: spec.sidecars[0].startupProbe: without a startup probe the backend waits only until the "
    "Ambassador's process has started (add a startup probe; use exec if the Ambassador listens on loopback only)"
)

CASES = {
    "valid stack has no issue": ("", []),
    "init containers and sidecars may be several": (
        """
        initContainers: [{name: one}, {name: two, restartPolicy: Always, startupProbe: {exec: {command: [a]}}}]
        sidecars: [{name: three, image: x}, {name: four, native: false}]
        """,
        [],
    ),
    "duplicate container name": (
        "{initContainers: [{name: a}], sidecars: [{name: a}]}",
        [
            "spec.sidecars[0].name: the container 'a' is already defined at spec.initContainers[0].name "
            "(remove one of the two)"
        ],
    ),
    "reserved container name": (
        "{proxy: {}, initContainers: [{name: appstack-cache}, {name: backend}], sidecars: [{name: proxy}]}",
        [
            "spec.initContainers[0].name: names that start with 'appstack-' are reserved for AppStack "
            "(choose another name)",
            "spec.initContainers[1].name: 'backend' is the name by which AppStack refers to the container of "
            "spec.backend (choose another name)",
            "spec.sidecars[0].name: 'proxy' is the name by which AppStack refers to the container of spec.proxy "
            "(choose another name)",
        ],
    ),
    "names of the backend and the proxy are valid": (
        "{backend: {image: x, name: web, ports: [{containerPort: 1}]}, proxy: {name: nginx}, "
        "files: [{path: /a, container: web, content: a}, {path: /b, content: b}, {path: /c, container: nginx, content: "
        "c}, {path: /d, container: proxy, content: d}]}",
        [],
    ),
    "role of another container": (
        "{backend: {image: x, name: proxy, ports: [{containerPort: 1}]}, proxy: {name: backend}}",
        [
            "spec.backend.name: 'proxy' is the name by which AppStack refers to the container of spec.proxy "
            "(choose another name)",
            "spec.proxy.name: 'backend' is the name by which AppStack refers to the container of spec.backend "
            "(choose another name)",
        ],
    ),
    "role of a proxy that is not there is valid": ("sidecars: [{name: proxy, image: y}]", []),
    "name of the backend twice": (
        "{backend: {image: x, name: web}, sidecars: [{name: web, image: y}]}",
        ["spec.sidecars[0].name: the container 'web' is already defined at spec.backend.name (remove one of the two)"],
    ),
    "one file by both names of its container": (
        "{backend: {image: x, name: web}, files: [{path: /a, content: a}, {path: /a, container: web, content: b}]}",
        [
            "spec.files[1].path: '/a' is already used by spec.files[0].path (choose another path)",
            "spec.files[1].path: the file '/a' of backend is already defined at spec.files[0].path "
            "(remove one of the two)",
        ],
    ),
    "containers that are not there": (
        """
        backend:
          image: x
          name: web
          env:
          - {name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, containerName: web}}}
          - {name: B, valueFrom: {resourceFieldRef: {resource: limits.cpu, containerName: backend}}}
          - {name: C, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
          volumeMounts: [{name: v, mountPath: /v}]
        volumes:
        - name: v
          downwardAPI: {items: [{path: a, resourceFieldRef: {resource: limits.cpu, containerName: gone}}]}
        pod: {restartPolicy: Never}
        workload:
          kind: Job
          job:
            podFailurePolicy:
              rules:
              - {action: FailJob, onExitCodes: {containerName: main, operator: In, values: [42]}}
              - {action: FailJob, onExitCodes: {containerName: web, operator: In, values: [42]}}
        """,
        [
            "spec.workload.job.podFailurePolicy.rules[0].onExitCodes.containerName: there is no container 'main' "
            "(use one of: web)",
            "spec.backend.env[1].valueFrom.resourceFieldRef.containerName: there is no container 'backend' "
            "(use one of: web)",
            "spec.volumes[0].downwardAPI.items[0].resourceFieldRef.containerName: there is no container 'gone' "
            "(use one of: web)",
        ],
    ),
    "empty image": (
        "sidecars: [{name: a, image: ''}]",
        ["spec.sidecars[0].image: must not be empty (set an image, or remove the field to use the backend's)"],
    ),
    "probe and lifecycle of an init container that runs to completion": (
        "initContainers: [{name: a, readinessProbe: {exec: {command: [a]}}, lifecycle: {}, resizePolicy: []}]",
        [
            f"spec.initContainers[0].{field}: is not supported on an init container that runs to completion "
            "(remove the field, or set restartPolicy: Always to make the container a native sidecar)"
            for field in ("readinessProbe", "lifecycle", "resizePolicy")
        ],
    ),
    "duplicate environment variable": (
        "backend: {image: x, env: [{name: A, value: a}, {name: B}, {name: A, value: b}]}",
        [
            "spec.backend.env[2].name: the environment variable 'A' is already defined at spec.backend.env[0].name "
            "(remove one of the two)"
        ],
    ),
    "Ambassador with port and startup probe is valid": (
        """
        sidecars:
        - {name: a, role: Ambassador, ports: [{containerPort: 3306}], startupProbe: {exec: {command: [a]}}}
        """,
        [],
    ),
    "Ambassador without port": (
        "sidecars: [{name: a, role: Ambassador, startupProbe: {exec: {command: [a]}}}]",
        ["spec.sidecars[0].ports: an Ambassador must declare the port on which it listens (add the port)"],
    ),
    "Ambassador without startup probe": (
        "sidecars: [{name: a, role: Ambassador, ports: [{containerPort: 3306}]}]",
        [NO_STARTUP_PROBE],
    ),
    "Ambassador as an ordinary container": (
        "sidecars: [{name: a, role: Ambassador, native: false, ports: [{containerPort: 3306}]}]",
        [
            "Warning: spec.sidecars[0].native: an ordinary container starts together with the backend, so the "
            "backend may run before this Ambassador (remove native: false)"
        ],
    ),
    "proxy and Ambassador with hostNetwork": (
        """
        pod: {hostNetwork: true}
        proxy: {}
        sidecars: [{name: a, role: Ambassador, ports: [{containerPort: 3306}]}]
        """,
        [
            f"spec.proxy: {HOST_NETWORK} (remove spec.pod.hostNetwork, or spec.proxy)",
            f"spec.sidecars[0].role: an Ambassador {HOST_NETWORK} (remove spec.pod.hostNetwork, or the Ambassador)",
            NO_STARTUP_PROBE,
        ],
    ),
    "Adapter without shared volume and port": (
        "sidecars: [{name: a, image: x, role: Adapter}]",
        [
            "spec.sidecars[0]: an Adapter must share a volume with another container, or declare a port "
            "(mount the volume that the other container writes to)"
        ],
    ),
    "Adapter that shares a volume is valid": (
        """
        backend: {image: x, volumeMounts: [{name: log, mountPath: /log}]}
        sidecars: [{name: a, image: x, role: Adapter, volumeMounts: [{name: log, mountPath: /in}]}]
        volumes: [{name: log, emptyDir: {}}]
        """,
        [],
    ),
    "Adapter that shares an inherited mount is valid": (
        """
        backend: {image: x, volumeMounts: [{name: log, mountPath: /log}]}
        sidecars: [{name: a, role: Adapter}]
        volumes: [{name: log, emptyDir: {}}]
        """,
        [],
    ),
    "Adapter that shares a static volume of the proxy is valid": (
        """
        proxy: {static: [{path: /log/, volume: log}]}
        sidecars: [{name: a, image: x, role: Adapter, volumeMounts: [{name: log, mountPath: /in}]}]
        volumes: [{name: log, emptyDir: {}}]
        """,
        [],
    ),
    "invalid environment variable name": (
        "backend: {image: x, env: [{name: '', value: a}, {name: 'A=B', value: a}, {name: a.b-c, value: a}]}",
        [
            "spec.backend.env[0].name: '' is not a valid name of an environment variable "
            "(use at least one character, and no '=')",
            "spec.backend.env[1].name: 'A=B' is not a valid name of an environment variable "
            "(use at least one character, and no '=')",
        ],
    ),
    "Adapter with a port is valid": ("sidecars: [{name: a, image: x, role: Adapter, ports: [{containerPort: 1}]}]", []),
}


@parametrize_cases(CASES)
def test_containers(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines

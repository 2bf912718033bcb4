"""Names, roles and start order: what a stack's author is told."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import complaints, table

SHARED_LOOPBACK = "loopback is the node's there, open to all its pods"
UNPROBED = (
    'Warning: spec.sidecars[0].startupProbe: without one, "up before the backend" means only that the Ambassador\'s '
    "process was started (write one; where it listens on loopback only, an exec)"
)

CASES = {
    "the good stack has no fault": ("", []),
    "init containers and sidecars may be many": (
        """
        initContainers: [{name: one}, {name: two, restartPolicy: Always, startupProbe: {exec: {command: [a]}}}]
        sidecars: [{name: three, image: x}, {name: four, native: false}]
        """,
        [],
    ),
    "two containers of one name": (
        "{initContainers: [{name: a}], sidecars: [{name: a}]}",
        ["spec.sidecars[0].name: a container 'a' stands at spec.initContainers[0].name already (keep one of the two)"],
    ),
    "names that are AppStack's": (
        "{initContainers: [{name: appstack-cache}, {name: backend}], sidecars: [{name: proxy}]}",
        [
            "spec.initContainers[0].name: names that begin with 'appstack-' are AppStack's own (choose another)",
            "spec.initContainers[1].name: 'backend' is the container of spec.backend (choose another)",
            "spec.sidecars[0].name: 'proxy' is the container of spec.proxy (choose another)",
        ],
    ),
    "an empty image": (
        "sidecars: [{name: a, image: ''}]",
        ["spec.sidecars[0].image: is empty (name an image, or leave the field out)"],
    ),
    "probes of what runs to its end": (
        "initContainers: [{name: a, readinessProbe: {exec: {command: [a]}}, lifecycle: {}, resizePolicy: []}]",
        [
            f"spec.initContainers[0].{field}: an init container runs to its end and has none "
            "(leave it out, or make it a native sidecar with restartPolicy: Always)"
            for field in ("readinessProbe", "lifecycle", "resizePolicy")
        ],
    ),
    "a variable twice": (
        "backend: {image: x, env: [{name: A, value: a}, {name: B}, {name: A, value: b}]}",
        ["spec.backend.env[2].name: the variable 'A' stands at spec.backend.env[0].name already (keep one of the two)"],
    ),
    "an ambassador with port and startup probe is fine": (
        """
        sidecars:
        - {name: a, role: Ambassador, ports: [{containerPort: 3306}], startupProbe: {exec: {command: [a]}}}
        """,
        [],
    ),
    "an ambassador without port": (
        "sidecars: [{name: a, role: Ambassador, startupProbe: {exec: {command: [a]}}}]",
        ["spec.sidecars[0].ports: an Ambassador must declare the port on which it listens"],
    ),
    "an ambassador without startup probe": (
        "sidecars: [{name: a, role: Ambassador, ports: [{containerPort: 3306}]}]",
        [UNPROBED],
    ),
    "an ambassador that is an ordinary container": (
        "sidecars: [{name: a, role: Ambassador, native: false, ports: [{containerPort: 3306}]}]",
        [
            "Warning: spec.sidecars[0].native: an ordinary container starts together with the backend, so this "
            "Ambassador is not up before it (leave out native: false)"
        ],
    ),
    "proxy and ambassador on the node's network": (
        """
        pod: {hostNetwork: true}
        proxy: {}
        sidecars: [{name: a, role: Ambassador, ports: [{containerPort: 3306}]}]
        """,
        [
            f"spec.proxy: can't stand on spec.pod.hostNetwork: {SHARED_LOOPBACK} (leave out hostNetwork, or the proxy)",
            f"spec.sidecars[0].role: an Ambassador can't stand on spec.pod.hostNetwork: {SHARED_LOOPBACK} "
            "(leave out hostNetwork, or the ambassador)",
            UNPROBED,
        ],
    ),
    "an adapter that has nothing to do with anybody": (
        "sidecars: [{name: a, image: x, role: Adapter}]",
        [
            "spec.sidecars[0]: an Adapter must share a volume with another container, or declare a port "
            "(mount the volume that the other one writes to)"
        ],
    ),
    "an adapter that shares a volume": (
        """
        backend: {image: x, volumeMounts: [{name: log, mountPath: /log}]}
        sidecars: [{name: a, image: x, role: Adapter, volumeMounts: [{name: log, mountPath: /in}]}]
        volumes: [{name: log, emptyDir: {}}]
        """,
        [],
    ),
    "an adapter that shares what it inherits": (
        """
        backend: {image: x, volumeMounts: [{name: log, mountPath: /log}]}
        sidecars: [{name: a, role: Adapter}]
        volumes: [{name: log, emptyDir: {}}]
        """,
        [],
    ),
    "an adapter whose volume nginx serves": (
        """
        proxy: {static: [{path: /log/, volume: log}]}
        sidecars: [{name: a, image: x, role: Adapter, volumeMounts: [{name: log, mountPath: /in}]}]
        volumes: [{name: log, emptyDir: {}}]
        """,
        [],
    ),
    "variables without a name": (
        "backend: {image: x, env: [{name: '', value: a}, {name: 'A=B', value: a}, {name: a.b-c, value: a}]}",
        [
            "spec.backend.env[0].name: '' is not a variable's name (at least one character, and no '=')",
            "spec.backend.env[1].name: 'A=B' is not a variable's name (at least one character, and no '=')",
        ],
    ),
    "an adapter with a port": ("sidecars: [{name: a, image: x, role: Adapter, ports: [{containerPort: 1}]}]", []),
}


@table(CASES)
def test_containers(text: str, lines: Iterable[str]) -> None:
    assert complaints(text) == lines

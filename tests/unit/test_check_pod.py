"""The rest of the pod, metadata, and what depends on the kind of workload."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import complaints, table

POD = "spec.pod.metadata.labels"
ROLLING = "spec.workload.deployment.strategy.rollingUpdate"


def deployment(fields: str) -> str:
    return f"workload: {{deployment: {{{fields}}}}}"


CASES = {
    "entries that stand twice": (
        """
        pod:
          imagePullSecrets: [{name: a}, {name: a}]
          topologySpreadConstraints:
          - {topologyKey: zone, whenUnsatisfiable: DoNotSchedule, maxSkew: 1, labelSelector: {}}
          - {topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, maxSkew: 1, labelSelector: {}}
          - {topologyKey: zone, whenUnsatisfiable: DoNotSchedule, maxSkew: 2, labelSelector: {}}
        """,
        [
            "spec.pod.imagePullSecrets[1]: 'a' stands at spec.pod.imagePullSecrets[0] already (keep one of the two)",
            "spec.pod.topologySpreadConstraints[2]: 'zone DoNotSchedule' stands at "
            "spec.pod.topologySpreadConstraints[0] already (keep one of the two)",
        ],
    ),
    "a spread of no pod": (
        "pod: {topologySpreadConstraints: [{topologyKey: zone, whenUnsatisfiable: DoNotSchedule, maxSkew: 1}]}",
        [
            "Warning: spec.pod.topologySpreadConstraints[0].labelSelector: without one it counts no pod "
            "(matchLabels: {appstack.dev/stack: shop})"
        ],
    ),
    "metadata of the author's": (
        """
        pod: {metadata: {labels: {team: a, example.com/x: "", app.kubernetes.io/name: shop}, annotations: {a: "b c"}}}
        """,
        [],
    ),
    "metadata that is AppStack's, wherever it stands": (
        """
        pod: {metadata: {labels: {appstack.dev/stack: a}, annotations: {x.appstack.dev/y: a}}}
        service: {metadata: {labels: {appstack.dev/a: b}}}
        serviceAccount: {metadata: {annotations: {appstack.dev/adopt: "true"}}}
        backend: {image: x, ports: [{containerPort: 1}], volumeMounts: [{name: v, mountPath: /v}]}
        volumes:
        - name: v
          claim: {resources: {requests: {storage: 1Gi}}, metadata: {labels: {appstack.dev/volume: w}}}
        """,
        [
            f"{field}: keys under appstack.dev/ are AppStack's own (choose another)"
            for field in (
                "spec.volumes[0].claim.metadata.labels[appstack.dev/volume]",
                "spec.service.metadata.labels[appstack.dev/a]",
                "spec.serviceAccount.metadata.annotations[appstack.dev/adopt]",
                f"{POD}[appstack.dev/stack]",
                "spec.pod.metadata.annotations[x.appstack.dev/y]",
            )
        ],
    ),
    "a label that AppStack sets": (
        "pod: {metadata: {labels: {app.kubernetes.io/managed-by: me}}}",
        [f"{POD}[app.kubernetes.io/managed-by]: AppStack sets it to 'appstack' (leave it out, or choose another key)"],
    ),
    "what Kubernetes takes for no label": (
        "pod: {metadata: {labels: {a b: c, '/a': b, c: d e, Example.com/a: b}}}",
        [
            f"{POD}[a b]: 'a b' is not a key (for example example.com/name)",
            f"{POD}[/a]: '/a' is not a key (for example example.com/name)",
            f"{POD}[c]: 'd e' is not a label's value "
            "(at most 63 letters, digits, - _ . , beginning and ending with a letter or digit)",
            f"{POD}[Example.com/a]: 'Example.com/a' is not a key (for example example.com/name)",
        ],
    ),
    "halves of characters": (
        r'pod: {metadata: {annotations: {a: "\ud800"}}}',
        [
            "spec.pod.metadata.annotations[a]: holds half a character "
            "(write the character itself instead of \\ud800 and the like)"
        ],
    ),
    "quantities": (
        """
        backend:
          image: x
          resources: {requests: {cpu: 0.5, memory: 512Mi}, limits: {cpu: 500m, memory: 1e9, example.com/gpu: 1}}
          volumeMounts: [{name: v, mountPath: /v}]
        volumes: [{name: v, emptyDir: {sizeLimit: 1.5Gi}}]
        """,
        [],
    ),
    "amounts that are none": (
        """
        backend:
          image: x
          resources: {requests: {cpu: half, memory: 1 Gi}, limits: {memory: 1GB}}
          volumeMounts: [{name: v, mountPath: /v}, {name: w, mountPath: /w}]
        volumes: [{name: v, emptyDir: {sizeLimit: big}}, {name: w, claim: {resources: {requests: {storage: 1gi}}}}]
        """,
        [
            f"{field} is not a quantity (for example 500m, 2, 512Mi or 10Gi)"
            for field in (
                "spec.backend.resources.requests.cpu: 'half'",
                "spec.backend.resources.requests.memory: '1 Gi'",
                "spec.backend.resources.limits.memory: '1GB'",
                "spec.volumes[0].emptyDir.sizeLimit: 'big'",
                "spec.volumes[1].claim.resources.requests.storage: '1gi'",
            )
        ],
    ),
    "amounts that are too small": (
        """
        backend:
          image: x
          resources: {requests: {cpu: -1}, limits: {memory: 0}}
          volumeMounts: [{name: v, mountPath: /v}, {name: w, mountPath: /w}]
        volumes: [{name: v, emptyDir: {sizeLimit: -1Gi}}, {name: w, claim: {resources: {requests: {storage: 0}}}}]
        """,
        [
            "spec.backend.resources.requests.cpu: -1 is too little (0 or more)",
            "spec.volumes[0].emptyDir.sizeLimit: -1Gi is too little (0 or more)",
            "spec.volumes[1].claim.resources.requests.storage: 0 is too little (more than 0)",
        ],
    ),
    "numbers below 0": (
        """
        backend: {image: x, readinessProbe: {exec: {command: [x]}, periodSeconds: -1}, ports: [{containerPort: -1}]}
        workload: {deployment: {minReadySeconds: -5}}
        pod: {priority: -1, tolerations: [{key: a, operator: Exists, effect: NoExecute, tolerationSeconds: -1}]}
        """,
        [
            "spec.workload.deployment.minReadySeconds: -5 is less than 0 (0 or more)",
            "spec.backend.ports[0].containerPort: -1 is not a port's number (1 to 65535)",
            "spec.backend.readinessProbe.periodSeconds: -1 is less than 0 (0 or more)",
        ],
    ),
    "more than the limit": (
        "backend: {image: x, resources: {requests: {cpu: 1.1, memory: 1Gi}, limits: {cpu: 1000m, memory: 1G}}}",
        [
            "spec.backend.resources.requests.cpu: 1.1 is more than the limit 1000m (lower it, or raise the limit)",
            "spec.backend.resources.requests.memory: 1Gi is more than the limit 1G (lower it, or raise the limit)",
        ],
    ),
    "pods that end, in a Deployment": (
        "pod: {restartPolicy: OnFailure, activeDeadlineSeconds: 9}",
        [
            "spec.pod.restartPolicy: a Deployment's pods are always restarted (leave it out)",
            "spec.pod.activeDeadlineSeconds: a Deployment's pods have no deadline (leave it out)",
        ],
    ),
    "pods that don't": ("pod: {restartPolicy: Always}", []),
    "a strategy that is none": (
        deployment("strategy: {type: Rolling}"),
        ["spec.workload.deployment.strategy.type: 'Rolling' is not a strategy (RollingUpdate or Recreate)"],
    ),
    "a strategy that excludes its own options": (
        deployment("strategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}"),
        [f"{ROLLING}: type: Recreate excludes it (keep one of the two)"],
    ),
    "a strategy that replaces nothing": (
        deployment("strategy: {rollingUpdate: {maxSurge: 0%, maxUnavailable: 0}}"),
        [
            f"{ROLLING}.maxUnavailable: with maxSurge 0 as well no pod could ever be replaced "
            "(let one of the two be at least 1)"
        ],
    ),
    "a deadline before any pod can be ready": (
        deployment("minReadySeconds: 600"),
        [
            "spec.workload.deployment.progressDeadlineSeconds: must be more than minReadySeconds 600; it is 600 "
            "(a pod would never be ready in time)"
        ],
    ),
    "a deadline that can be kept": (deployment("minReadySeconds: 600, progressDeadlineSeconds: 601"), []),
}


@table(CASES)
def test_pod(text: str, lines: Iterable[str]) -> None:
    assert complaints(text) == lines

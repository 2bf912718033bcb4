"""Validation of the pod, of metadata and quantities, and of the Deployment options."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import issue_messages, parametrize_cases

LABELS = "spec.pod.metadata.labels"
ROLLING = "spec.workload.deployment.strategy.rollingUpdate"
DRAIN = (
    "is not longer than the 5 s in which nodes still send requests "
    "(set more than 5, or set spec.backend.lifecycle.preStop)"
)


def deployment(fields: str) -> str:
    return f"workload: {{deployment: {{{fields}}}}}"


CASES = {
    "duplicate list entries": (
        """
        pod:
          imagePullSecrets: [{name: a}, {name: a}]
          topologySpreadConstraints:
          - {topologyKey: zone, whenUnsatisfiable: DoNotSchedule, maxSkew: 1, labelSelector: {}}
          - {topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, maxSkew: 1, labelSelector: {}}
          - {topologyKey: zone, whenUnsatisfiable: DoNotSchedule, maxSkew: 2, labelSelector: {}}
        """,
        [
            "spec.pod.imagePullSecrets[1]: 'a' is already defined at spec.pod.imagePullSecrets[0] "
            "(remove one of the two)",
            "spec.pod.topologySpreadConstraints[2]: 'zone DoNotSchedule' is already defined at "
            "spec.pod.topologySpreadConstraints[0] (remove one of the two)",
        ],
    ),
    "topology spread without labelSelector": (
        "pod: {topologySpreadConstraints: [{topologyKey: zone, whenUnsatisfiable: DoNotSchedule, maxSkew: 1}]}",
        [
            "Warning: spec.pod.topologySpreadConstraints[0].labelSelector: without a labelSelector the constraint "
            "has no effect (set matchLabels: {appstack.dev/stack: shop})"
        ],
    ),
    "labels and annotations of the author are valid": (
        """
        pod: {metadata: {labels: {team: a, example.com/x: "", app.kubernetes.io/name: shop}, annotations: {a: "b c"}}}
        """,
        [],
    ),
    "reserved keys in any metadata": (
        """
        pod: {metadata: {labels: {appstack.dev/stack: a}, annotations: {x.appstack.dev/y: a}}}
        service: {metadata: {labels: {appstack.dev/a: b}}}
        serviceAccount: {metadata: {annotations: {appstack.dev/adopt: "true"}}}
        backend: {image: x, ports: [{containerPort: 1}], volumeMounts: [{name: v, mountPath: /v}]}
        volumes:
        - name: v
          claim:
            accessModes: [ReadWriteMany]
            resources: {requests: {storage: 1Gi}}
            metadata: {labels: {appstack.dev/volume: w}}
        """,
        [
            f"{field}: keys under appstack.dev/ are reserved for AppStack (choose another key)"
            for field in (
                "spec.volumes[0].claim.metadata.labels[appstack.dev/volume]",
                "spec.service.metadata.labels[appstack.dev/a]",
                "spec.serviceAccount.metadata.annotations[appstack.dev/adopt]",
                f"{LABELS}[appstack.dev/stack]",
                "spec.pod.metadata.annotations[x.appstack.dev/y]",
            )
        ],
    ),
    "labels that AppStack sets by default are valid": (
        "pod: {metadata: {labels: {app.kubernetes.io/managed-by: me, app.kubernetes.io/name: x}}}",
        [],
    ),
    "key of an annotation in upper case is valid": ("pod: {metadata: {annotations: {Example.com/A: b}}}", []),
    "invalid label keys and values": (
        "pod: {metadata: {labels: {a b: c, '/a': b, c: d e, Example.com/a: b}}}",
        [
            f"{LABELS}[a b]: 'a b' is not a valid key (use a key such as example.com/name)",
            f"{LABELS}[/a]: '/a' is not a valid key (use a key such as example.com/name)",
            f"{LABELS}[c]: 'd e' is not a valid label value "
            "(use at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends)",
            f"{LABELS}[Example.com/a]: 'Example.com/a' is not a valid key (use a key such as example.com/name)",
        ],
    ),
    "unpaired surrogate": (
        r'backend: {image: x, args: ["\ud800"]}',
        [
            "spec.backend.args[0]: contains an unpaired surrogate "
            "(write the character itself instead of an escape such as \\ud800)"
        ],
    ),
    "quantities are valid": (
        """
        backend:
          image: x
          resources: {requests: {cpu: 0.5, memory: 512Mi}, limits: {cpu: 500m, memory: 1e9, example.com/gpu: 1}}
          volumeMounts: [{name: v, mountPath: /v}]
        volumes: [{name: v, emptyDir: {sizeLimit: 1.5Gi}}]
        """,
        [],
    ),
    "invalid quantities": (
        """
        backend:
          image: x
          resources: {requests: {cpu: half, memory: 1 Gi}, limits: {memory: 1GB}}
          volumeMounts: [{name: v, mountPath: /v}, {name: w, mountPath: /w}]
        volumes: [{name: v, emptyDir: {sizeLimit: big}}, {name: w, claim: {resources: {requests: {storage: 1gi}}}}]
        workload: {deployment: {strategy: {type: Recreate}}}
        """,
        [
            f"{field} is not a valid quantity (use a quantity such as 500m, 2, 512Mi or 10Gi)"
            for field in (
                "spec.backend.resources.requests.cpu: 'half'",
                "spec.backend.resources.requests.memory: '1 Gi'",
                "spec.backend.resources.limits.memory: '1GB'",
                "spec.volumes[0].emptyDir.sizeLimit: 'big'",
                "spec.volumes[1].claim.resources.requests.storage: '1gi'",
            )
        ],
    ),
    "quantities that are too small": (
        """
        backend:
          image: x
          resources: {requests: {cpu: -1}, limits: {memory: 0}}
          volumeMounts: [{name: v, mountPath: /v}, {name: w, mountPath: /w}]
        volumes: [{name: v, emptyDir: {sizeLimit: -1Gi}}, {name: w, claim: {resources: {requests: {storage: 0}}}}]
        workload: {deployment: {strategy: {type: Recreate}}}
        """,
        [
            "spec.backend.resources.requests.cpu: -1 is too small (use 0 or more)",
            "spec.volumes[0].emptyDir.sizeLimit: -1Gi is too small (use 0 or more)",
            "spec.volumes[1].claim.resources.requests.storage: 0 is too small (use more than 0)",
        ],
    ),
    "negative integers": (
        """
        backend: {image: x, readinessProbe: {exec: {command: [x]}, periodSeconds: -1}, ports: [{containerPort: -1}]}
        workload: {deployment: {minReadySeconds: -5}}
        pod: {priority: -1, tolerations: [{key: a, operator: Exists, effect: NoExecute, tolerationSeconds: -1}]}
        """,
        [
            "spec.workload.deployment.minReadySeconds: -5 is less than 0 (use 0 or more)",
            "spec.backend.ports[0].containerPort: -1 is not a valid port number (use 1 to 65535)",
            "spec.backend.readinessProbe.periodSeconds: -1 is less than 0 (use 0 or more)",
        ],
    ),
    "requests above their limits": (
        "backend: {image: x, resources: {requests: {cpu: 1.1, memory: 1Gi}, limits: {cpu: 1000m, memory: 1G}}}",
        [
            "spec.backend.resources.requests.cpu: 1.1 is more than the limit 1000m "
            "(lower the request, or raise the limit)",
            "spec.backend.resources.requests.memory: 1Gi is more than the limit 1G "
            "(lower the request, or raise the limit)",
        ],
    ),
    "restartPolicy and deadline on a Deployment": (
        "pod: {restartPolicy: OnFailure, activeDeadlineSeconds: 9}",
        [
            "spec.pod.restartPolicy: the pods of a Deployment are always restarted (remove the field)",
            "spec.pod.activeDeadlineSeconds: the pods of a Deployment have no deadline (remove the field)",
        ],
    ),
    "restartPolicy Always on a Deployment is valid": ("pod: {restartPolicy: Always}", []),
    "unknown strategy": (
        deployment("strategy: {type: Rolling}"),
        ["spec.workload.deployment.strategy.type: 'Rolling' is not a strategy (use RollingUpdate or Recreate)"],
    ),
    "rollingUpdate with type Recreate": (
        deployment("strategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}"),
        [f"{ROLLING}: cannot be combined with type: Recreate (remove one of the two)"],
    ),
    "rolling update without surge and unavailable pods": (
        deployment("strategy: {rollingUpdate: {maxSurge: 0%, maxUnavailable: 0}}"),
        [
            f"{ROLLING}.maxUnavailable: must not be 0 if maxSurge is 0: no pod could be replaced "
            "(set one of the two to at least 1)"
        ],
    ),
    "progress deadline before minReadySeconds": (
        deployment("minReadySeconds: 600"),
        [
            "spec.workload.deployment.progressDeadlineSeconds: 600 is not more than minReadySeconds, so no pod "
            "becomes available in time (set more than 600, or lower minReadySeconds)"
        ],
    ),
    "progress deadline after minReadySeconds is valid": (
        deployment("minReadySeconds: 600, progressDeadlineSeconds: 601"),
        [],
    ),
    "grace period shorter than the drain": (
        "pod: {terminationGracePeriodSeconds: 5}",
        [f"Warning: spec.pod.terminationGracePeriodSeconds: 5 s {DRAIN}"],
    ),
    "grace period longer than the drain is valid": ("pod: {terminationGracePeriodSeconds: 6}", []),
    "short grace period without Service is valid": (
        "{pod: {terminationGracePeriodSeconds: 1}, service: {enabled: false}}",
        [],
    ),
    "short grace period with a preStop hook is valid": (
        """
        pod: {terminationGracePeriodSeconds: 5}
        backend: {image: x, ports: [{containerPort: 1}], lifecycle: {preStop: {sleep: {seconds: 2}}}}
        """,
        [],
    ),
}


@parametrize_cases(CASES)
def test_pod(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines

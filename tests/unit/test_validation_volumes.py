"""Validation of volumes: names, sources, access modes and claims per replica."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import issue_messages, parametrize_cases


def mounted(*volumes: str, spec: str = "") -> str:
    """Return a spec with a backend that mounts each of these volumes, named v0 and so on."""
    mounts = ", ".join(f"{{name: v{n}, mountPath: /v{n}}}" for n in range(len(volumes)))
    named = ", ".join(f"{{name: v{n}, {volume}}}" for n, volume in enumerate(volumes))
    return f"{{backend: {{image: x, volumeMounts: [{mounts}]}}, volumes: [{named}]{spec}}}"


STORAGE = "resources: {requests: {storage: 1Gi}}"
MODES = "spec.volumes[0].claim.accessModes"
SURGE_WAITS = "in a rolling update the new pod waits for this claim, which the old pod holds until the new pod is ready"

VOLUMES = {
    "volumes of several types are valid": (
        mounted(
            "emptyDir: {}",
            "nodeCache: {}",
            f"claim: {{{STORAGE}, accessModes: [ReadWriteMany]}}",
            "secret: {secretName: s}",
        ),
        [],
    ),
    "volume without source and with several": (
        mounted("emptyDir: null", "emptyDir: {}, nodeCache: {}"),
        [
            "spec.volumes[1]: has several sources: emptyDir, nodeCache (keep one of them)",
            "Warning: spec.volumes[0]: has no source, so it is an emptyDir "
            "(write emptyDir: {}, or the source that is meant)",
        ],
    ),
    "duplicate, reserved and unused volumes": (
        "volumes: [{name: a, emptyDir: {}}, {name: a, emptyDir: {}}, {name: appstack-x, emptyDir: {}}]",
        [
            "spec.volumes[1].name: the volume 'a' is already defined at spec.volumes[0].name (remove one of the two)",
            "spec.volumes[2].name: names that start with 'appstack-' are reserved for AppStack (choose another name)",
            "Warning: spec.volumes[0]: no container mounts 'a' (mount the volume, or remove it)",
            "Warning: spec.volumes[1]: no container mounts 'a' (mount the volume, or remove it)",
            "Warning: spec.volumes[2]: no container mounts 'appstack-x' (mount the volume, or remove it)",
        ],
    ),
    "claim without size": (
        mounted("claim: {accessModes: [ReadWriteMany]}"),
        ["spec.volumes[0].claim.resources.requests.storage: is required (for example 10Gi)"],
    ),
    "hostPath with ..": (
        mounted("hostPath: {path: /sys/../etc}"),
        ["spec.volumes[0].hostPath.path: '/sys/../etc' contains '..' (use a path without '..')"],
    ),
    "unknown and empty access modes": (
        mounted(f"claim: {{{STORAGE}, accessModes: [RWO, ReadWriteMany]}}", f"claim: {{{STORAGE}, accessModes: []}}"),
        [
            f"{MODES}: 'RWO' is not an access mode "
            "(use ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod)",
            "spec.volumes[1].claim.accessModes: must not be empty (remove the field to use ReadWriteOnce)",
        ],
    ),
    "ReadWriteOncePod with another mode": (
        mounted(f"claim: {{{STORAGE}, accessModes: [ReadWriteOncePod, ReadWriteMany]}}"),
        [f"{MODES}: ReadWriteOncePod cannot be combined with other access modes (keep one of them)"],
    ),
    "several replicas share a ReadWriteOnce claim": (
        mounted(f"claim: {{{STORAGE}}}", spec=", replicas: 2"),
        [
            f"Warning: {MODES}: 2 replicas can share this claim only while all their pods run on one node "
            "(use ReadWriteMany if the storage class supports it)"
        ],
    ),
    "several replicas share a ReadWriteOncePod claim": (
        mounted(f"claim: {{{STORAGE}, accessModes: [ReadWriteOncePod]}}", spec=", replicas: 2"),
        [
            f"Warning: {MODES}: only one of 2 replicas can ever mount this claim "
            "(use ReadWriteMany if the storage class supports it)"
        ],
    ),
    "several replicas share a ReadWriteMany claim without warning": (
        mounted(f"claim: {{{STORAGE}, accessModes: [ReadWriteOnce, ReadWriteMany]}}", spec=", replicas: 2"),
        [],
    ),
    "rolling update with a ReadWriteOncePod claim": (
        mounted(f"claim: {{{STORAGE}, accessModes: [ReadWriteOncePod]}}"),
        [f"Warning: {MODES}: {SURGE_WAITS} (set spec.workload.deployment.strategy: {{type: Recreate}})"],
    ),
    "rolling update with a ReadWriteOnce claim": (
        mounted(f"claim: {{{STORAGE}}}"),
        [
            f"Warning: {MODES}: in a rolling update a new pod on another node waits for this claim, which the old pod "
            "holds (set spec.workload.deployment.strategy: {type: Recreate})"
        ],
    ),
    "rolling update that ends the old pod first with a ReadWriteOnce claim is valid": (
        mounted(
            f"claim: {{{STORAGE}}}",
            spec=", workload: {deployment: {strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}}}",
        ),
        [],
    ),
    "rolling update of settings that leave a surge with a ReadWriteOncePod claim": (
        mounted(
            f"claim: {{{STORAGE}, accessModes: [ReadWriteOncePod]}}",
            spec=", workload: {deployment: {strategy: {rollingUpdate: {maxSurge: 1}}}}",
        ),
        [f"Warning: {MODES}: {SURGE_WAITS} (set spec.workload.deployment.strategy: {{type: Recreate}})"],
    ),
    "Recreate with a ReadWriteOncePod claim is valid": (
        mounted(
            f"claim: {{{STORAGE}, accessModes: [ReadWriteOncePod]}}",
            spec=", workload: {deployment: {strategy: {type: Recreate}}}",
        ),
        [],
    ),
}


def per_replica(name: str, policy: str = "Retain", more: str = "") -> str:
    """Return a volume with a claim per replica."""
    return (
        f"{{name: {name}, claim: {{perReplica: true, retentionPolicy: {{whenScaled: {policy}}}, resources: "
        f"{{requests: {{storage: 1Gi}}}}{more}}}}}"
    )


def spec_with_volumes(volumes: str, *names: str, more: str = "") -> str:
    """Return a spec with these volumes and a backend that mounts those named."""
    mounts = ", ".join(f"{{name: {name}, mountPath: /{name}}}" for name in names)
    return f"{{backend: {{image: x, volumeMounts: [{mounts}]}}, volumes: [{volumes}], {more}}}"


STATEFUL_SET = "workload: {kind: StatefulSet}"
CLAIM = "claim: {resources: {requests: {storage: 1Gi}}"
SHARED = f"{CLAIM}, perReplica: false"

CLAIMS = {
    "claim of a StatefulSet that does not say whether replicas share it": (
        spec_with_volumes(f"{{name: a, {CLAIM}}}}}", "a", more=STATEFUL_SET),
        [
            "spec.volumes[0].claim.perReplica: must be written on a StatefulSet (true: a claim for each replica, as "
            "volumeClaimTemplates; false: one claim that all replicas share)"
        ],
    ),
    "claim per replica is not shared": (
        spec_with_volumes(per_replica("a"), "a", more=f"replicas: 3, {STATEFUL_SET}"),
        [],
    ),
    "DaemonSet shares a ReadWriteOnce claim": (
        spec_with_volumes(f"{{name: a, {CLAIM}}}}}", "a", more="workload: {kind: DaemonSet}"),
        [
            "Warning: spec.volumes[0].claim.accessModes: only one node can mount this claim, and a DaemonSet runs a "
            "pod on every node (use ReadWriteMany if the storage class supports it)"
        ],
    ),
    "StatefulSet of one replica with a ReadWriteOncePod claim is valid": (
        spec_with_volumes(f"{{name: a, {SHARED}, accessModes: [ReadWriteOncePod]}}}}", "a", more=STATEFUL_SET),
        [],
    ),
    "autoscaled Deployment shares a ReadWriteOnce claim": (
        f"""
        backend: {{image: x, resources: {{requests: {{cpu: 1}}}}, volumeMounts: [{{name: a, mountPath: /a}}]}}
        volumes: [{{name: a, {CLAIM}}}}}]
        autoscaling: {{maxReplicas: 4}}
        """,
        [
            "Warning: spec.volumes[0].claim.accessModes: 4 replicas can share this claim only while all their pods "
            "run on one node (use ReadWriteMany if the storage class supports it)"
        ],
    ),
    "different retention policies in a StatefulSet": (
        spec_with_volumes(f"{per_replica('a')}, {per_replica('b', 'Delete')}", "a", "b", more=STATEFUL_SET),
        [
            "spec.volumes[1].claim.retentionPolicy: must equal the retentionPolicy of spec.volumes[0].claim: a "
            "StatefulSet has one for all its claims (set the same retentionPolicy on both)"
        ],
    ),
    "whenScaled of a claim that replicas share": (
        spec_with_volumes(f"{{name: a, {SHARED}, retentionPolicy: {{whenScaled: Delete}}}}}}", "a", more=STATEFUL_SET),
        [
            "spec.volumes[0].claim.retentionPolicy.whenScaled: Delete applies only to a claim per replica "
            "(remove the field, or set perReplica: true)"
        ],
    ),
    "claim with the name of the claim of a replica": (
        spec_with_volumes(f"{{name: shop-0, {SHARED}}}}}, {per_replica('shop')}", "shop-0", "shop", more=STATEFUL_SET),
        [
            "spec.volumes[0].claim: the PersistentVolumeClaim 'shop-shop-0' is also the claim of a replica of "
            "spec.volumes[1].claim (rename one of the volumes)"
        ],
    ),
}


@parametrize_cases(VOLUMES | CLAIMS)
def test_volumes(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines

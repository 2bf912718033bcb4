"""Files and volumes: one source each, somebody who sees it, and may read it."""

from __future__ import annotations

from collections.abc import Iterable

from appstack.settings import Settings
from tests.unit.stacks import complaints, table

ONE_OF = "(exactly one of content, base64 and valueFrom)"


def closed(container: str) -> str:
    hint = "set spec.pod.securityContext.fsGroup, or a mode of 0444"
    told = f"0440 is closed to others, and {container} does not run as root, to whom files belong"
    return f"spec.files[0].mode: {told} ({hint})"


FILES = {
    "every source": (
        """
        proxy: {}
        initContainers: [{name: i}]
        files:
        - {path: /a, content: ""}
        - {path: /b, container: i, base64: "YWJj\\nZGVm\\n"}
        - {path: /b, container: proxy, valueFrom: {secretKeyRef: {name: s, key: k}}}
        - {path: /c, valueFrom: {configMapKeyRef: {name: s, key: k}}}
        """,
        [],
    ),
    "a mode that was meant to be octal": (
        """
        files:
        - {path: /a, content: a, mode: 0440}
        - {path: /b, content: a, mode: 440}
        - {path: /c, content: a, mode: 0777}
        """,
        ["Warning: spec.files[1].mode: 440 is 0670 in octal (write 0440 if that is meant)"],
    ),
    "no source, and several": (
        "files: [{path: /a}, {path: /b, content: a, base64: YQ==}]",
        [
            f"spec.files[0]: has no source {ONE_OF}",
            f"spec.files[1]: has several sources: content, base64 {ONE_OF}",
        ],
    ),
    "no object, two, and one without a name": (
        """
        files:
        - {path: /a, valueFrom: {}}
        - {path: /b, valueFrom: {secretKeyRef: {name: s, key: k}, configMapKeyRef: {name: s, key: k}}}
        - {path: /c, valueFrom: {configMapKeyRef: {key: ""}}}
        """,
        [
            "spec.files[0].valueFrom: names no object (exactly one of configMapKeyRef and secretKeyRef)",
            "spec.files[1].valueFrom: names two objects (exactly one of configMapKeyRef and secretKeyRef)",
            "spec.files[2].valueFrom.configMapKeyRef.name: is required",
            "spec.files[2].valueFrom.configMapKeyRef.key: is required",
        ],
    ),
    "no base64": (
        "files: [{path: /a, base64: a b}, {path: /b, base64: ä}]",
        [f"spec.files[{index}].base64: is not base64 (write text to `content` as it is)" for index in (0, 1)],
    ),
    "for no container": (
        "files: [{path: /a, container: proxy, content: a}]",
        ["spec.files[0].container: there is no container 'proxy' (there are: backend)"],
    ),
    "one twice": (
        "files: [{path: /a, content: a}, {path: /a, container: backend, content: b}]",
        [
            "spec.files[1].path: '/a' is taken already by spec.files[0].path (mount the two beside each other)",
            "spec.files[1].path: the file '/a' of backend stands at spec.files[0].path already (keep one of the two)",
        ],
    ),
    "paths that are no file's": (
        """
        pod: {automountServiceAccountToken: false}
        files:
        - {path: /a/, content: a}
        - {path: /b//c, content: a}
        - {path: /d/../e, content: a}
        - {path: "/f:g", content: a}
        """,
        [
            "spec.files[0].path: '/a/' is a directory (name the file in it)",
            "spec.files[1].path: '/b//c' has a shorter way (write '/b/c')",
            "spec.files[2].path: '/d/../e' has a shorter way (write '/e')",
            "spec.files[3].path: '/f:g' has a ':', which Kubernetes does not allow in a mount's path (choose another)",
        ],
    ),
    "closed to others, for root or for whom the image names": (
        "files: [{path: /a, content: a, mode: 0440}]",
        [],
    ),
    "closed to others, for a user of the pod": (
        "{pod: {securityContext: {runAsUser: 9}}, files: [{path: /a, content: a, mode: 0440}]}",
        [closed("spec.backend")],
    ),
    "closed to others, for whoever is not root": (
        "{pod: {securityContext: {runAsNonRoot: true}}, files: [{path: /a, content: a, mode: 0440}]}",
        [closed("spec.backend")],
    ),
    "closed to others, for root in a pod of another user": (
        """
        backend: {image: x, securityContext: {runAsUser: 0}}
        pod: {securityContext: {runAsUser: 9}}
        files: [{path: /a, content: a, mode: 0440}]
        """,
        [],
    ),
    "closed to others, for one that inherits it": (
        """
        initContainers: [{name: i, securityContext: {runAsUser: 9}}]
        files: [{path: /a, content: a, mode: 0440}]
        """,
        [closed("spec.initContainers[0]")],
    ),
    "closed to others, for nginx, which has a user of its own": (
        "{proxy: {}, files: [{path: /a, container: proxy, content: a, mode: 0440}]}",
        [closed("spec.proxy")],
    ),
    "closed to others, for nginx as root": (
        """
        proxy: {securityContext: {runAsUser: 0, runAsNonRoot: false}}
        files: [{path: /a, container: proxy, content: a, mode: 0440}]
        """,
        [],
    ),
    "closed to others, with a group that the pod is in": (
        "{pod: {securityContext: {runAsUser: 9, fsGroup: 9}}, files: [{path: /a, content: a, mode: 0440}]}",
        [],
    ),
}


@table(FILES)
def test_files(text: str, lines: Iterable[str]) -> None:
    assert complaints(text) == lines


def test_contents_are_counted_in_bytes_all_files_together() -> None:
    half = "ä" * 131_072
    fits = f"{{path: /a, content: {half}}}, {{path: /b, content: {half}}}"
    told = "spec.files: contents are 524289 bytes together, and at most 524288 are kept"
    assert complaints(f"files: [{fits}]") == []
    assert complaints(f"files: [{fits}, {{path: /c, base64: YQ==}}]") == [
        f"{told} (put large ones into the image or a volume)"
    ]


def mounted(*volumes: str, spec: str = "") -> str:
    """Return a backend that mounts each of these volumes, named v0 and so on."""
    mounts = ", ".join(f"{{name: v{n}, mountPath: /v{n}}}" for n in range(len(volumes)))
    named = ", ".join(f"{{name: v{n}, {volume}}}" for n, volume in enumerate(volumes))
    return f"{{backend: {{image: x, volumeMounts: [{mounts}]}}, volumes: [{named}]{spec}}}"


STORAGE = "resources: {requests: {storage: 1Gi}}"
MODES = "spec.volumes[0].claim.accessModes"
WAITS = "while pods roll, the new one waits for the claim that the old one keeps until the new one is ready"

VOLUMES = {
    "of many kinds": (mounted("emptyDir: {}", "nodeCache: {}", f"claim: {{{STORAGE}}}", "secret: {secretName: s}"), []),
    "nothing, and several things": (
        mounted("emptyDir: null", "emptyDir: {}, nodeCache: {}"),
        [
            "spec.volumes[0]: does not say what it is "
            "(for example emptyDir: {}, nodeCache: {} or claim: {resources: {requests: {storage: 1Gi}}})",
            "spec.volumes[1]: is several things at once: emptyDir, nodeCache (keep one of them)",
        ],
    ),
    "twice, and under AppStack's names": (
        "volumes: [{name: a, emptyDir: {}}, {name: a, emptyDir: {}}, {name: appstack-x, emptyDir: {}}]",
        [
            "spec.volumes[1].name: a volume 'a' stands at spec.volumes[0].name already (keep one of the two)",
            "spec.volumes[2].name: names that begin with 'appstack-' are AppStack's own (choose another)",
            "Warning: spec.volumes[0]: no container mounts 'a' (mount it, or leave it out)",
            "Warning: spec.volumes[1]: no container mounts 'a' (mount it, or leave it out)",
            "Warning: spec.volumes[2]: no container mounts 'appstack-x' (mount it, or leave it out)",
        ],
    ),
    "a claim without a size": (
        mounted("claim: {}"),
        ["spec.volumes[0].claim.resources.requests.storage: is required (for example 10Gi)"],
    ),
    "a directory of the node": (
        mounted("hostPath: {path: /sys}"),
        [
            "spec.volumes[0].hostPath.path: '/sys' is not under a prefix that the administrator allows "
            "(the operator's setting hostPathPrefixes: none are allowed; for a cache use nodeCache)"
        ],
    ),
    "access modes that are none": (
        mounted(f"claim: {{{STORAGE}, accessModes: [RWO, ReadWriteMany]}}", f"claim: {{{STORAGE}, accessModes: []}}"),
        [
            f"{MODES}: 'RWO' is not an access mode "
            "(one of ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod)",
            "spec.volumes[1].claim.accessModes: is empty (leave it out for ReadWriteOnce)",
        ],
    ),
    "one pod and others": (
        mounted(f"claim: {{{STORAGE}, accessModes: [ReadWriteOncePod, ReadWriteMany]}}"),
        [f"{MODES}: ReadWriteOncePod excludes all others (keep one of them)"],
    ),
    "several replicas on one node's claim": (
        mounted(f"claim: {{{STORAGE}}}", spec=", replicas: 2"),
        [
            f"Warning: {MODES}: 2 replicas can only share it where all their pods run on one node "
            "(ReadWriteMany, where the storage class has it)"
        ],
    ),
    "several replicas on one pod's claim": (
        mounted(f"claim: {{{STORAGE}, accessModes: [ReadWriteOncePod]}}", spec=", replicas: 2"),
        [f"Warning: {MODES}: only one of 2 replicas can ever mount it (ReadWriteMany, where the storage class has it)"],
    ),
    "several replicas on a shared claim": (
        mounted(f"claim: {{{STORAGE}, accessModes: [ReadWriteOnce, ReadWriteMany]}}", spec=", replicas: 2"),
        [],
    ),
    "a rolling update on one pod's claim": (
        mounted(f"claim: {{{STORAGE}, accessModes: [ReadWriteOncePod]}}"),
        [f"Warning: {MODES}: {WAITS} (spec.workload.deployment.strategy: {{type: Recreate}})"],
    ),
    "a pod at a time on one pod's claim": (
        mounted(
            f"claim: {{{STORAGE}, accessModes: [ReadWriteOncePod]}}",
            spec=", workload: {deployment: {strategy: {type: Recreate}}}",
        ),
        [],
    ),
}


@table(VOLUMES)
def test_volumes(text: str, lines: Iterable[str]) -> None:
    assert complaints(text) == lines


def test_a_directory_of_the_node_that_the_administrator_allows() -> None:
    allowed = Settings.model_validate({"hostPathPrefixes": ["/sys"]})
    assert complaints(mounted("hostPath: {path: /sys/fs}"), settings=allowed) == []

"""AppStacks that never become ready, each with the problem that the status must name first, and its cure."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, Final

from tests.e2e.manifests import BACKEND_IMAGE, appstack
from tests.e2e.namespace import Manifest

BUSYBOX: Final = "busybox:1.35.0"
THING: Final = "example.com/thing"
"""A resource that no node has. A quota for it concerns no other pod of the namespace."""

OBJECTS: Final[tuple[Manifest, ...]] = (
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "present"}, "data": {"there": "yes"}},
    {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "no-things"},
        "spec": {"hard": {f"requests.{THING}": "0"}},
    },
)
"""Objects that the AppStacks refer to."""

_FAST: Final = {"periodSeconds": 1, "timeoutSeconds": 5}
_HTTP: Final = {"ports": [{"name": "http", "containerPort": 8000}], "env": [{"name": "LISTEN", "value": ":8000"}]}
_RUN: Final = "trap exit TERM; while sleep 1; do :; done"


@dataclass(frozen=True)
class Broken:
    """A broken AppStack, the first problem in its status, and the changes that cure it."""

    name: str
    spec: Mapping[str, Any]
    reason: str
    field: str
    message: str = ""  # a part of the problem's message
    hint: str = ""  # a part of its hint
    cure: Mapping[str, Any] = dataclass_field(
        default_factory=dict
    )  # laid over the top level of the spec; empty: not cured here

    def manifest(self, *, cured: bool = False) -> Manifest:
        """Return the AppStack."""
        spec = deepcopy({**self.spec, **(self.cure if cured else {})})
        kind = (spec.get("workload") or {}).get("kind", "Deployment")
        replicas = {"replicas": 1} if kind in ("Deployment", "StatefulSet") else {}
        pod = {"terminationGracePeriodSeconds": 1, **spec.pop("pod", {})}
        return appstack(self.name, **{**replicas, **spec}, pod=pod)


def _server(**fields: Any) -> dict[str, Any]:
    """Return a backend that serves HTTP on port 8000."""
    return {"backend": {"image": BACKEND_IMAGE, **_HTTP, **fields}}


def _shell(script: str = _RUN, **fields: Any) -> dict[str, Any]:
    """Return a backend that runs a shell script."""
    return {"backend": {"image": BUSYBOX, "command": ["sh", "-c", script], **fields}}


def _env(**source: Any) -> list[dict[str, Any]]:
    return [{"name": "A", "valueFrom": source}]


def _pod(**fields: Any) -> dict[str, Any]:
    return {**_shell(), "pod": fields}


def _volume(mount: str = "/data", **source: Any) -> dict[str, Any]:
    """Return a backend with one volume."""
    backend = _shell(volumeMounts=[{"name": "data", "mountPath": mount}])
    return {**backend, "volumes": [{"name": "data", **source}]}


PROBES: Final = (
    Broken(
        "readiness-status",
        _server(readinessProbe={"httpGet": {"path": "/nope"}, **_FAST}),
        "ReadinessProbeFailed",
        "spec.backend.readinessProbe",
        message="GET http://pod:8000/nope: the answer is status 404",
        hint="correct httpGet.path",
        cure=_server(readinessProbe={"httpGet": {"path": "/ready"}, **_FAST}),
    ),
    Broken(
        "readiness-port",
        _server(
            ports=[{"name": "http", "containerPort": 8000}, {"name": "admin", "containerPort": 8001}],
            readinessProbe={"httpGet": {"path": "/ready", "port": 8001}, **_FAST},
        ),
        "ReadinessProbeFailed",
        "spec.backend.readinessProbe",
        message="nothing listens there",
        cure=_server(),
    ),
    Broken(
        "readiness-scheme",
        _server(readinessProbe={"httpGet": {"path": "/ready", "scheme": "HTTPS"}, **_FAST}),
        "ReadinessProbeFailed",
        "spec.backend.readinessProbe",
        message="the server speaks HTTP, not HTTPS",
        cure=_server(),
    ),
    Broken(
        "readiness-command",
        _shell(readinessProbe={"exec": {"command": ["nope"]}, **_FAST}),
        "ReadinessProbeFailed",
        "spec.backend.readinessProbe",
        message="the command of the probe cannot be executed",
        cure=_shell(),
    ),
    Broken(
        "readiness-output",
        _shell(readinessProbe={"exec": {"command": ["sh", "-c", "echo replication lags; exit 1"]}, **_FAST}),
        "ReadinessProbeFailed",
        "spec.backend.readinessProbe",
        message="its output is 'replication lags'",
        cure=_shell(),
    ),
    Broken(
        "readiness-slow",
        _shell(readinessProbe={"exec": {"command": ["sleep", "30"]}, "periodSeconds": 1, "timeoutSeconds": 1}),
        "ReadinessProbeFailed",
        "spec.backend.readinessProbe",
        message="no response within 1 s",
        hint="timeoutSeconds",
        cure=_shell(),
    ),
    Broken(
        "startup",
        _server(startupProbe={"httpGet": {"path": "/nope"}, "failureThreshold": 300, **_FAST}),
        "StartupProbeFailed",
        "spec.backend.startupProbe",
        message="status 404",
        cure=_server(),
    ),
    Broken(
        "liveness",
        _shell(livenessProbe={"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}),
        "LivenessProbeFailed",
        "spec.backend.livenessProbe",
        message="the kubelet stopped the container",
        cure=_shell(),
    ),
    Broken(
        "liveness-graceful",
        _shell(
            "trap 'exit 0' TERM; while sleep 1; do :; done",
            livenessProbe={"tcpSocket": {"port": 9}, "periodSeconds": 1, "failureThreshold": 1},
            ports=[{"containerPort": 9}],
            readinessProbe={"exec": {"command": ["true"]}},
        ),
        "LivenessProbeFailed",
        "spec.backend.livenessProbe",
        message="connection to port 9: nothing listens there",
        cure=_shell(),
    ),
    Broken(
        "private-port",
        {**_server(env=[{"name": "LISTEN", "value": "127.0.0.1:8001"}]), "proxy": {}},
        "ReadinessProbeFailed",
        "spec.backend",
        message="AppStack's default readiness probe of container backend fails: any HTTP response from 127.0.0.1:8000: "
        "nothing listens on 127.0.0.1:8000",
        hint="spec.proxy.upstream",
        cure=_server(env=[{"name": "LISTEN", "value": "127.0.0.1:8000"}]),
    ),
    Broken(
        "private-path",
        {**_server(readinessProbe={"httpGet": {"path": "/nope"}, **_FAST}), "proxy": {}},
        "ReadinessProbeFailed",
        "spec.backend.readinessProbe",
        message="GET http://127.0.0.1:8000/nope: the answer is status 404",
        cure=_server(),
    ),
    Broken(
        "default-probe",
        _shell(ports=[{"containerPort": 9000}]),
        "ReadinessProbeFailed",
        "spec.backend",
        message="AppStack's default readiness probe of container backend fails: connection to port 9000",
        hint="spec.backend.readinessProbe",
        cure=_shell("exec httpd -f -p 9000", ports=[{"containerPort": 9000}]),
    ),
    Broken(
        "sidecar-probe",
        {
            **_shell(),
            "sidecars": [
                {"name": "agent", "command": ["sh", "-c", _RUN], "readinessProbe": {"exec": {"command": ["false"]}}}
            ],
        },
        "ReadinessProbeFailed",
        "spec.sidecars[0].readinessProbe",
        cure={"sidecars": []},
    ),
)

CRASHES: Final = (
    Broken("crash", _shell("echo no database; exit 3"), "CrashLoopBackOff", "spec.backend", hint="", cure=_shell()),
    Broken(
        "completed",
        _shell("true"),
        "CrashLoopBackOff",
        "spec.backend",
        message="exited with code 0",
        hint="give it a command that keeps running",
        cure=_shell(),
    ),
    Broken(
        "no-command",
        {"backend": {"image": BUSYBOX, "command": ["nope"]}},
        "RunContainerError",
        "spec.backend.command",
        message="executable file not found",
        cure=_shell(),
    ),
    Broken(
        "not-executable",
        {"backend": {"image": BUSYBOX, "command": ["/etc/passwd"]}},
        "RunContainerError",
        "spec.backend.command",
        message="permission denied",
        hint="chmod +x",
        cure=_shell(),
    ),
    Broken(
        "no-program",
        _shell("nope"),
        "CrashLoopBackOff",
        "spec.backend.command",
        message="127",
        hint="command was not found",
        cure=_shell(),
    ),
    Broken(
        "no-shebang",
        {
            "backend": {"image": BUSYBOX, "command": ["/run.sh"]},
            "files": [{"path": "/run.sh", "content": "echo run\n", "mode": 0o755}],
        },
        "ExecFormatError",
        "spec.backend.command",
        message="exec format error",
        hint="#!",
        cure=_shell(),
    ),
    Broken(
        "out-of-memory",
        _shell("tail /dev/zero", resources={"limits": {"memory": "16Mi"}}),
        "OOMKilled",
        "spec.backend.resources.limits.memory",
        message="limit of 16Mi",
        cure=_shell(),
    ),
    Broken(
        "read-only",
        _shell("echo 1 > /state; exit 1", securityContext={"readOnlyRootFilesystem": True}),
        "ReadOnlyFileSystem",
        "spec.backend.securityContext.readOnlyRootFilesystem",
        message="Read-only file system",
        hint="emptyDir",
        cure=_shell(),
    ),
    Broken(
        "permission",
        _shell("echo 1 > /etc/state; exit 1", securityContext={"runAsUser": 1000}),
        "PermissionDenied",
        "spec.backend.securityContext",
        message="Permission denied",
        cure=_shell(),
    ),
    Broken(
        "port-in-use",
        {**_server(), "sidecars": [{"name": "second", "env": [{"name": "LISTEN", "value": ":8000"}]}]},
        "PortInUse",
        "spec.backend.ports[0].containerPort",  # a native sidecar starts first
        message="address already in use",
        hint="container second uses port 8000, too",
        cure={"sidecars": []},
    ),
    Broken(
        "init-failed",
        {**_shell(), "initContainers": [{"name": "migrate", "command": ["sh", "-c", "echo no schema; exit 4"]}]},
        "CrashLoopBackOff",
        "spec.initContainers[0]",
        message="exited with code 4",
        cure={"initContainers": []},
    ),
    Broken(
        "init-blocks",
        {**_shell(), "initContainers": [{"name": "wait", "command": ["sh", "-c", _RUN]}]},
        "InitContainerRunning",
        "spec.initContainers[0]",
        message="has been running since",
        cure={"initContainers": []},
    ),
    Broken(
        "post-start",
        _shell(lifecycle={"postStart": {"exec": {"command": ["false"]}}}),
        "PostStartHookError",
        "spec.backend.lifecycle.postStart",
        cure=_shell(),
    ),
    Broken(
        "evicted",
        _shell("dd if=/dev/zero of=/big bs=1M count=64; sleep 600", resources={"limits": {"ephemeral-storage": "8Mi"}}),
        "Evicted",
        "",
        message="ephemeral",
        cure=_shell(),
    ),
)

REFERENCES: Final = (
    Broken(
        "env-secret",
        _shell(env=_env(secretKeyRef={"name": "absent", "key": "k"})),
        "CreateContainerConfigError",
        "spec.backend.env[0].valueFrom.secretKeyRef",
        message='secret "absent" not found',
        hint="Create the Secret absent",
        cure=_shell(),
    ),
    Broken(
        "env-key",
        _shell(env=_env(configMapKeyRef={"name": "present", "key": "absent"})),
        "CreateContainerConfigError",
        "spec.backend.env[0].valueFrom.configMapKeyRef",
        hint="Add the key absent to the ConfigMap present",
        cure=_shell(env=_env(configMapKeyRef={"name": "present", "key": "there"})),
    ),
    Broken(
        "env-from",
        _shell(envFrom=[{"configMapRef": {"name": "absent"}}]),
        "CreateContainerConfigError",
        "spec.backend.envFrom[0].configMapRef",
        cure=_shell(envFrom=[{"configMapRef": {"name": "present"}}]),
    ),
    Broken(
        "volume-secret",
        _volume(secret={"secretName": "absent"}),
        "FailedMount",
        "spec.volumes[0].secret",
        message='secret "absent" not found',
        cure=_volume(emptyDir={}),
    ),
    Broken(
        "volume-key",
        _volume(configMap={"name": "present", "items": [{"key": "absent", "path": "a"}]}),
        "FailedMount",
        "spec.volumes[0].configMap",
        hint="Add the key absent to the ConfigMap present",
        cure=_volume(configMap={"name": "present", "items": [{"key": "there", "path": "a"}]}),
    ),
    Broken(
        "volume-projected",
        _volume(projected={"sources": [{"secret": {"name": "absent"}}]}),
        "FailedMount",
        "spec.volumes[0].projected.sources[0].secret",
        cure=_volume(emptyDir={}),
    ),
    Broken(
        "file-secret",
        {**_shell(), "files": [{"path": "/run/key", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "k"}}}]},
        "FailedMount",
        "spec.files[0].valueFrom.secretKeyRef",
        cure={"files": []},
    ),
    Broken(
        "root-image",
        _shell(securityContext={"runAsNonRoot": True}),
        "CreateContainerConfigError",
        "spec.backend.securityContext.runAsNonRoot",
        hint="runAsUser",
        cure=_shell(securityContext={"runAsNonRoot": True, "runAsUser": 1000}),
    ),
    Broken(
        "file-on-directory",
        {**_shell(), "files": [{"path": "/bin", "content": "x"}]},
        "RunContainerError",
        "spec.backend",
        message="not a directory",
        cure={"files": []},
    ),
    Broken(
        "no-account",
        {**_shell(), "serviceAccount": {"name": "absent", "create": False}},
        "ServiceAccountNotFound",
        "spec.serviceAccount.name",
        message='serviceaccount "absent" not found',
        cure={"serviceAccount": {"name": "default", "create": False}},
    ),
)

IMAGES: Final = (
    Broken(
        "unreachable",
        {"backend": {"image": "registry.invalid/nowhere:1"}},
        "ImagePullBackOff",
        "spec.backend.image",
        hint="cannot reach the registry",
        cure=_shell(),
    ),
    Broken(
        "never-pulled",
        {"backend": {"image": "registry.invalid/nowhere:2", "imagePullPolicy": "Never"}},
        "ErrImageNeverPull",
        "spec.backend.imagePullPolicy",
        cure=_shell(),
    ),
    Broken(
        "image-name",
        {"backend": {"image": "registry.invalid/No Where"}},
        "InvalidImageName",
        "spec.backend.image",
        cure=_shell(),
    ),
    Broken(
        "sidecar-image",
        {**_shell(), "sidecars": [{"name": "agent", "image": "registry.invalid/agent:1"}]},
        "ImagePullBackOff",
        "spec.sidecars[0].image",
        cure={"sidecars": []},
    ),
)

PLACEMENT: Final = (
    Broken(
        "cpu",
        _shell(resources={"requests": {"cpu": "900"}}),
        "Unschedulable",
        "spec.backend.resources.requests.cpu",
        message="Insufficient cpu",
        cure=_shell(),
    ),
    Broken("selector", _pod(nodeSelector={"disk": "none"}), "Unschedulable", "spec.pod.nodeSelector", cure={"pod": {}}),
    Broken(
        "affinity",
        _pod(
            affinity={
                "podAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [
                        {
                            "labelSelector": {"matchLabels": {"app": "absent"}},
                            "topologyKey": "kubernetes.io/hostname",
                        }
                    ]
                }
            }
        ),
        "Unschedulable",
        "spec.pod.affinity",
        cure={"pod": {}},
    ),
    Broken(
        "spread",
        _pod(
            topologySpreadConstraints=[
                {
                    "maxSkew": 1,
                    "topologyKey": "example.com/rack",
                    "whenUnsatisfiable": "DoNotSchedule",
                    "labelSelector": {"matchLabels": {"appstack.dev/stack": "spread"}},
                }
            ]
        ),
        "Unschedulable",
        "spec.pod.topologySpreadConstraints",
        cure={"pod": {}},
    ),
    Broken(
        "no-claim",
        _volume(persistentVolumeClaim={"claimName": "absent"}),
        "Unschedulable",
        "spec.volumes[0].persistentVolumeClaim.claimName",
        message='persistentvolumeclaim "absent" not found',
        cure=_volume(emptyDir={}),
    ),
    Broken(
        "no-class",
        _volume(
            claim={
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "absent",
                "resources": {"requests": {"storage": "1Mi"}},
            }
        ),
        "Unschedulable",
        "spec.volumes[0].claim",
        hint="storageClassName",
    ),
    Broken(
        "priority",
        _pod(priorityClassName="absent"),
        "PriorityClassNotFound",
        "spec.pod.priorityClassName",
        message="no PriorityClass with name absent",
        cure={"pod": {}},
    ),
    Broken(
        "runtime",
        _pod(runtimeClassName="absent"),
        "RuntimeClassNotFound",
        "spec.pod.runtimeClassName",
        cure={"pod": {}},
    ),
    Broken(
        "quota",
        _shell(resources={"limits": {THING: "1"}}),
        "QuotaExceeded",
        "spec.backend.resources",
        message="exceeded quota: no-things",
        hint="ResourceQuota no-things",
        cure=_shell(),
    ),
    Broken(
        "quota-stateful",
        {**_shell(resources={"limits": {THING: "1"}}), "workload": {"kind": "StatefulSet"}},
        "QuotaExceeded",
        "spec.backend.resources",
        message="exceeded quota: no-things",
        cure=_shell(),
    ),
    Broken(
        "quota-job",
        {**_shell("true", resources={"limits": {THING: "1"}}), "workload": {"kind": "Job"}},
        "QuotaExceeded",
        "spec.backend.resources",
        message="exceeded quota: no-things",
    ),
    Broken(
        "quota-daemon",
        {**_shell(resources={"limits": {THING: "1"}}), "workload": {"kind": "DaemonSet"}},
        "QuotaExceeded",
        "spec.backend.resources",
        cure=_shell(),
    ),
)

BROKEN: Final = (*PROBES, *CRASHES, *REFERENCES, *IMAGES, *PLACEMENT)
"""All situations; they are applied to one namespace at once."""

OTHER_OBJECTS: Final = (
    Broken(
        "load-balancer",
        {**_server(), "service": {"type": "LoadBalancer"}},
        "LoadBalancerPending",
        "spec.service.type",
        cure={"service": {"type": "ClusterIP"}},
    ),
    Broken(
        "ingress",
        {**_server(), "ingress": {"hosts": ["shop.example.com"]}},
        "IngressPending",
        "spec.ingress",
        hint="ingressClassName",
    ),
)
"""Situations in which the pods serve, so the AppStack is Ready: the problem is reported beside it."""

"""Pods with each value of the Pod Security Standards, alone and in random combinations."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any, Final

from appstack.k8s.metadata import Manifest

SEED: Final = 13
MAX_COMBINED_EDITS: Final = 5

PLACES: Final = (("initContainers", 0), ("initContainers", 1), ("containers", 0), ("containers", 1))
"""Containers of `base()`: an init container, a native sidecar and two containers."""
LIFECYCLE_PLACES: Final = PLACES[1:]
"""Containers that may have probes and hooks."""

Edits = dict[str, Any]
"""Values by path: `spec.…` and `metadata.…` from the pod's root, other paths from a container; None removes a field."""

_PROFILES: Final = (
    {"type": "RuntimeDefault"},
    {"type": "Localhost", "localhostProfile": "profiles/app"},
    {"type": "Unconfined"},
)
_SELINUX: Final = (
    *({"type": name} for name in ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")),
    *({"type": "spc_t"}, {"user": "system_u"}, {"role": "system_r"}, {"level": "s0:c1"}),
)
_CAPABILITIES: Final = (
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
    "ALL",
    "NET_ADMIN",
    "NET_RAW",
    "SYS_ADMIN",
    "SYS_PTRACE",
    "CAP_CHOWN",
    "chown",
)
_SYSCTLS: Final = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "kernel.msgmax",
    "net/ipv4/tcp_syncookies",
    "net.core.somaxconn",
)
_CLAIM: Final = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
_VOLUMES: Final[dict[str, Manifest]] = {
    "awsElasticBlockStore": {"volumeID": "v"},
    "azureDisk": {"diskName": "d", "diskURI": "https://blob/d.vhd", "kind": "Shared"},
    "azureFile": {"secretName": "s", "shareName": "s"},
    "cephfs": {"monitors": ["10.0.0.1"]},
    "cinder": {"volumeID": "v"},
    "configMap": {"name": "c"},
    "csi": {"driver": "inline.example.com"},
    "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]},
    "emptyDir": {},
    "ephemeral": {"volumeClaimTemplate": {"spec": _CLAIM}},
    "fc": {"targetWWNs": ["500a0982991b8dc5"], "lun": 2},
    "flexVolume": {"driver": "example.com/driver"},
    "flocker": {"datasetName": "d"},
    "gcePersistentDisk": {"pdName": "d"},
    "gitRepo": {"repository": "https://example.com/app.git"},
    "glusterfs": {"endpoints": "e", "path": "v"},
    "hostPath": {"path": "/var/lib/app"},
    "image": {"reference": "example.com/model:1"},
    "iscsi": {"targetPortal": "10.0.0.1:3260", "iqn": "iqn.2001-04.com.example:storage", "lun": 0},
    "nfs": {"server": "10.0.0.1", "path": "/srv"},
    "persistentVolumeClaim": {"claimName": "c"},
    "photonPersistentDisk": {"pdID": "d"},
    "portworxVolume": {"volumeID": "v"},
    "projected": {"sources": [{"configMap": {"name": "c"}}]},
    "quobyte": {"registry": "10.0.0.1:7861", "volume": "v"},
    "rbd": {"monitors": ["10.0.0.1"], "image": "i"},
    "scaleIO": {"gateway": "https://10.0.0.1", "system": "s", "volumeName": "v", "secretRef": {"name": "s"}},
    "secret": {"secretName": "s"},
    "storageos": {"volumeName": "v"},
    "vsphereVolume": {"volumePath": "[store] v"},
}
_HANDLERS: Final[tuple[Manifest, ...]] = (
    {"httpGet": {"port": 80}},
    {"httpGet": {"port": 80, "host": ""}},
    {"httpGet": {"port": 80, "host": "10.0.0.1"}},
    {"tcpSocket": {"port": 80}},
    {"tcpSocket": {"port": 80, "host": "example.com"}},
    {"exec": {"command": ["true"]}},
)
_HOST_PROCESS: Final = {"windowsOptions": {"hostProcess": True}}
_APP_ARMOR: Final = "container.apparmor.security.beta.kubernetes.io"

POD_EDITS: Final[tuple[Edits, ...]] = (
    {},
    *({f"spec.{name}": value} for name in ("hostNetwork", "hostPID", "hostIPC") for value in (True, False)),
    *({"spec.hostUsers": value} for value in (True, False)),
    *({"spec.securityContext.runAsNonRoot": value} for value in (True, False, None)),
    *({"spec.securityContext.runAsUser": value} for value in (0, 1000)),
    {"spec.hostUsers": False, "spec.securityContext.runAsUser": 0, "spec.securityContext.runAsNonRoot": False},
    *({"spec.securityContext.seccompProfile": value} for value in (*_PROFILES, None)),
    *({"spec.securityContext.appArmorProfile": value} for value in _PROFILES),
    *({"spec.securityContext.seLinuxOptions": value} for value in _SELINUX),
    *({"spec.securityContext.sysctls": [{"name": name, "value": "1"}]} for name in _SYSCTLS),
    *({"spec.volumes": [{"name": "v", name: source}]} for name, source in _VOLUMES.items()),
    {"spec.volumes": [{"name": "v"}]},
    {"spec.hostNetwork": True, "spec.securityContext": _HOST_PROCESS | {"runAsNonRoot": True}},
    {"spec.securityContext.windowsOptions": {"hostProcess": False, "runAsUserName": "app"}},
    *(
        {"metadata.annotations": {f"{_APP_ARMOR}/{name}": value}}
        for name in ("containers-0", "initcontainers-1")
        for value in ("runtime/default", "localhost/app", "unconfined")
    ),
    {"metadata.annotations": {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}},
)
CONTAINER_EDITS: Final[tuple[Edits, ...]] = (
    {"securityContext": None},
    *({"securityContext.allowPrivilegeEscalation": value} for value in (True, False, None)),
    {"securityContext.privileged": True, "securityContext.allowPrivilegeEscalation": None},
    {"securityContext.privileged": True, "securityContext.allowPrivilegeEscalation": True},
    {"securityContext.privileged": False},
    *({"securityContext.capabilities": {"drop": drop}} for drop in ([], ["ALL"], ["KILL", "ALL"], ["all"], ["KILL"])),
    {"securityContext.capabilities": None},
    *({"securityContext.capabilities": {"drop": ["ALL"], "add": [name]}} for name in _CAPABILITIES),
    {"securityContext.capabilities": {"add": ["CHOWN", "NET_ADMIN"]}},
    *({"securityContext.runAsNonRoot": value} for value in (True, False, None)),
    {"securityContext.runAsNonRoot": False, "spec.hostUsers": False},
    *({"securityContext.runAsNonRoot": None, "spec.securityContext.runAsNonRoot": value} for value in (True, None)),
    *({"securityContext.runAsUser": value} for value in (0, 1000)),
    {"securityContext.runAsUser": 0, "spec.hostUsers": False},
    *({"securityContext.seccompProfile": value} for value in (*_PROFILES, None)),
    *(
        {"securityContext.seccompProfile": None, "spec.securityContext.seccompProfile": value}
        for value in (*_PROFILES, None)
    ),
    *({"securityContext.appArmorProfile": value} for value in _PROFILES),
    *({"securityContext.seLinuxOptions": value} for value in _SELINUX),
    *({"securityContext.procMount": value} for value in ("Default", "Unmasked")),
    {"securityContext.procMount": "Unmasked", "spec.hostUsers": False},
    {"securityContext.windowsOptions": {"hostProcess": False}},
    *({"ports": [{"containerPort": 80, "hostPort": port}]} for port in (0, 80)),
    {"ports": [{"containerPort": 80}, {"containerPort": 81, "hostPort": 81, "protocol": "UDP"}]},
)
LIFECYCLE_EDITS: Final[tuple[Edits, ...]] = (
    *({name: handler} for name in ("startupProbe", "livenessProbe", "readinessProbe") for handler in _HANDLERS),
    *({"lifecycle": {name: handler}} for name in ("postStart", "preStop") for handler in _HANDLERS),
)


def container(name: str) -> Manifest:
    """Return a container of the level `restricted`."""
    context = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return {"name": name, "image": "app:1", "securityContext": context}


def base() -> Manifest:
    """Return a pod of the level `restricted`, whose containers are those of `PLACES`."""
    spec: dict[str, Any] = {"initContainers": [], "containers": [], "schedulerName": "none"}
    for name, index in PLACES:
        spec[name].append(container(f"{name}-{index}".lower()))
    spec["initContainers"][1]["restartPolicy"] = "Always"
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": spec}


def windows_base() -> Manifest:
    """Return a pod of Windows, whose containers may not have the fields of Linux."""
    pod = base()
    for name, index in PLACES:
        del pod["spec"][name][index]["securityContext"]
    pod["spec"] |= {"os": {"name": "windows"}, "securityContext": {"runAsNonRoot": True}}
    return pod


def edit(pod: Manifest, place: tuple[str, int], edits: Edits) -> None:
    """Set fields of a pod and of one of its containers."""
    for path, value in edits.items():
        *parents, last = path.split(".")
        is_of_pod = parents and parents[0] in {"spec", "metadata"}
        target = pod if is_of_pod else pod["spec"][place[0]][place[1]]
        for parent in parents:
            if target.get(parent) is None:
                target[parent] = {}
            target = target[parent]
        target[last] = copy.deepcopy(value)


def single_edits() -> Iterator[Manifest]:
    """Yield a pod for each edit, at each kind of container for those of containers."""
    for edits in POD_EDITS:
        yield _edited(base(), (PLACES[0], edits))
    for edits in CONTAINER_EDITS:
        for place in PLACES[1:3]:
            yield _edited(base(), (place, edits))
    for edits in LIFECYCLE_EDITS:
        for place in PLACES[1:3]:
            yield _edited(base(), (place, edits))
    windows = ({}, *(edits for edits in POD_EDITS if "spec.volumes" in edits), {"spec.securityContext": None})
    for edits in (*windows, {"spec.hostNetwork": True, "spec.securityContext": _HOST_PROCESS | {"runAsNonRoot": True}}):
        yield _edited(windows_base(), (PLACES[0], edits))


def combined_edits(count: int) -> Iterator[Manifest]:
    """Yield pods with several random edits, the same in every run."""
    generator = random.Random(SEED)
    for _ in range(count):
        chosen: list[tuple[tuple[str, int], Edits]] = []
        for _ in range(generator.randint(2, MAX_COMBINED_EDITS)):
            places, edits = generator.choice(
                [(PLACES, POD_EDITS), (PLACES, CONTAINER_EDITS), (LIFECYCLE_PLACES, LIFECYCLE_EDITS)]
            )
            chosen.append((generator.choice(places), generator.choice(edits)))
        yield _edited(base(), *chosen)


def _edited(pod: Manifest, *edits: tuple[tuple[str, int], Edits]) -> Manifest:
    for place, values in edits:
        edit(pod, place, values)
    return pod

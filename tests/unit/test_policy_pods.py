"""The policy of pods: each field closes what it should, and opens no more than it says."""

from __future__ import annotations

from typing import get_args

import pytest
import yaml

from appstack.api.workloads import WorkloadKindName
from appstack.policy.effective import PolicySource
from appstack.policy.model import Policy
from appstack.policy.pod_templates import POD_TEMPLATES
from appstack.policy.pods import CACHE_CONTAINER, pod_security_level
from appstack.policy.subject import Subject
from tests.unit.policies import fields, issues

MOUNT = "backend: {{image: x, volumeMounts: [{{name: v, mountPath: /v{0}}}]}}\nvolumes: [{{name: v, hostPath: {1}}}]"
HOST_PATH = "spec.volumes[0].hostPath.path hostPaths"
READ_ONLY = "spec.backend.volumeMounts[0].readOnly hostPaths"
PORT = "backend: {image: x, ports: [{containerPort: 80, hostPort: 4194}]}"
HOST_PORT = "spec.backend.ports[0].hostPort hostPorts"
CACHE = "backend: {image: x, volumeMounts: [{name: c, mountPath: /c}]}\nvolumes: [{name: c, nodeCache: {}}]"
PRIVILEGED = {"pod-security.kubernetes.io/enforce": "privileged"}


def mounted(path: str, *, mount: str = ", readOnly: true", more: str = "") -> str:
    """Return a spec with a hostPath that the backend mounts."""
    return MOUNT.format(mount, f"{{path: {path}{more}}}")


def paths(*prefixes: str) -> str:
    """Return a policy with these directories; one that begins with `rw:` is writable."""
    rules = [
        {"pathPrefix": prefix.removeprefix("rw:"), "readOnly": not prefix.startswith("rw:")} for prefix in prefixes
    ]
    return yaml.safe_dump({"hostPaths": rules})


@pytest.mark.parametrize(
    ("spec", "policy", "expected"),
    [
        (mounted("/sys"), "", [HOST_PATH]),
        (mounted("/sys"), paths("/sys"), []),
        (mounted("/sys/fs/cgroup"), paths("/sys"), []),
        (mounted("/sys/"), paths("/sys"), []),
        (mounted("//sys/./fs"), paths("/sys//"), []),
        (mounted("/./sys"), paths("/sys"), []),
        (mounted("/system"), paths("/sys"), [HOST_PATH]),
        (mounted("/"), paths("/sys"), [HOST_PATH]),
        (mounted("/etc/shadow"), paths("/"), []),
        (mounted("/"), paths("/"), []),
        (mounted("/var"), paths("/var"), []),
        (mounted("/var"), paths("/var/lib/appstack/cache"), [HOST_PATH]),
        (mounted("/var/lib/appstack/cache/team"), "", [HOST_PATH]),
        (mounted("/sys", mount=""), paths("/sys"), [READ_ONLY]),
        (mounted("/sys", mount=", readOnly: false"), paths("/sys"), [READ_ONLY]),
        (mounted("/sys", mount=", subPath: fs"), paths("/sys"), [READ_ONLY]),
        (mounted("/sys", mount=", subPath: fs, readOnly: true"), paths("/sys"), []),
        (mounted("/sys", mount=""), paths("rw:/sys"), []),
        (mounted("/sys/fs", mount=""), paths("/sys", "rw:/sys/fs"), []),
        (mounted("/sys/kernel", mount=""), paths("/sys", "rw:/sys/fs"), [READ_ONLY]),
        (
            mounted("/sys/a", more=", type: DirectoryOrCreate"),
            paths("/sys"),
            ["spec.volumes[0].hostPath.type hostPaths"],
        ),
        (mounted("/sys/a", more=", type: FileOrCreate"), paths("/sys"), ["spec.volumes[0].hostPath.type hostPaths"]),
        (mounted("/sys/a", more=", type: DirectoryOrCreate"), paths("rw:/sys"), []),
        (mounted("/sys"), paths("/sys") + "podSecurity: {enforce: restricted}", []),
        (mounted("/etc", mount=""), "podSecurity: {enforce: privileged}", []),
    ],
)
def test_host_paths(spec: str, policy: str, expected: list[str]) -> None:
    hardened = (
        "pod: {securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}}"
        if "restricted" in policy
        else ""
    )
    if hardened:
        context = "securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}"
        spec = spec.replace("image: x", f"image: x, {context}") + f"\n{hardened}"

    assert fields(spec, policy) == expected


@pytest.mark.parametrize(
    ("containers", "field"),
    [
        (
            "sidecars: [{name: s, image: x, volumeMounts: [{name: v, mountPath: /s}]}]",
            "spec.sidecars[0].volumeMounts[0]",
        ),
        (
            "initContainers: [{name: i, image: x, volumeMounts: [{name: v, mountPath: /s}]}]",
            "spec.initContainers[0].volumeMounts[0]",
        ),
        (
            "initContainers: [{name: i, command: [a], volumeMounts: [{name: v, mountPath: /v}]}]",
            "spec.initContainers[0].volumeMounts[0]",
        ),
        (
            "proxy: {volumeMounts: [{name: v, mountPath: /s}], static: [{path: /s/, from: /s}]}",
            "spec.proxy.volumeMounts[0]",
        ),
    ],
)
def test_every_container_must_mount_a_host_path_read_only(containers: str, field: str) -> None:
    spec = mounted("/sys").replace("image: x,", "image: x, ports: [{containerPort: 8000}],")
    assert fields(f"{spec}\n{containers}", paths("/sys")) == [f"{field}.readOnly hostPaths"]


def test_writable_mount_that_containers_inherit_is_reported_at_the_backend() -> None:
    spec = mounted("/sys", mount="") + "\ninitContainers: [{name: i, command: [a]}, {name: j, command: [a]}]"
    assert fields(spec, paths("/sys")) == [READ_ONLY]


@pytest.mark.parametrize(
    ("spec", "policy", "expected"),
    [
        (PORT, "", [HOST_PORT]),
        (PORT, "hostPorts: [{min: 4000, max: 4193}, {min: 4195, max: 5000}]", [HOST_PORT]),
        (PORT, "hostPorts: [{min: 4000, max: 4194}]", []),
        (PORT, "hostPorts: [{min: 4194, max: 4194}]", []),
        (PORT, "podSecurity: {enforce: privileged}", []),
        ("backend: {image: x, ports: [{containerPort: 80}]}", "", []),
        (
            f"{PORT}\nproxy: {{ports: [{{containerPort: 9000, hostPort: 443}}]}}",
            "hostPorts: [{min: 4194, max: 4194}]",
            ["spec.proxy.ports[0].hostPort hostPorts"],
        ),
        (
            "sidecars: [{name: s, image: x, ports: [{containerPort: 9}, {containerPort: 8, hostPort: 8}]}]",
            "",
            ["spec.sidecars[0].ports[1].hostPort hostPorts"],
        ),
        (
            "initContainers: [{name: s, image: x, restartPolicy: Always, ports: [{containerPort: 8, hostPort: 8}]}]",
            "",
            ["spec.initContainers[0].ports[0].hostPort hostPorts"],
        ),
    ],
)
def test_host_ports(spec: str, policy: str, expected: list[str]) -> None:
    assert fields(spec, policy) == expected


@pytest.mark.parametrize(("field", "name"), [("hostNetwork", "network"), ("hostPID", "pid"), ("hostIPC", "ipc")])
def test_namespaces_of_the_node_are_opened_one_by_one(field: str, name: str) -> None:
    spec = f"pod: {{{field}: true}}"

    assert fields(spec) == [f"spec.pod.{field} hostNamespaces"]
    assert fields(spec, f"hostNamespaces: [{name}]") == []
    assert fields(spec, f"hostNamespaces: [{', '.join({'network', 'pid', 'ipc'} - {name})}]") != []
    assert fields(spec, "podSecurity: {enforce: privileged}") == []


def test_pod_on_the_network_of_the_node_may_declare_its_ports() -> None:
    spec = f"{PORT.replace('80', '4194')}\npod: {{hostNetwork: true}}"

    assert fields(spec) == ["spec.pod.hostNetwork hostNamespaces", HOST_PORT]
    assert fields(spec, "hostNamespaces: [network]") == []


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_node_cache_is_not_part_of_pod_security(level: str) -> None:
    policy = f"podSecurity: {{enforce: {level}}}"
    cache_fields = [each for each in fields(CACHE, policy) if "backend" not in each]

    assert cache_fields == []
    assert "spec.volumes[0].nodeCache nodeCache" in fields(CACHE, f"{policy}\nnodeCache: false")


@pytest.mark.parametrize(("position", "is_exempt"), [("initContainers", True), ("containers", False)])
def test_only_the_own_init_container_of_node_caches_is_exempt(position: str, is_exempt: bool) -> None:
    container = {"name": CACHE_CONTAINER, "securityContext": {"privileged": True}}
    pod = {"kind": "Pod", "metadata": {}, "spec": {position: [container]}}
    policy = PolicySource(Policy(), ()).find({})

    for caches, expected in ((frozenset({"c"}), is_exempt), (frozenset[str](), False)):
        found = list(pod_security_level(Subject([pod], "team", policy, node_caches=caches)))
        assert (found == []) is expected


@pytest.mark.parametrize(
    ("context", "field"),
    [
        ("privileged: true", "privileged"),
        ("capabilities: {add: [SYS_ADMIN]}", "capabilities.add"),
        ("procMount: Unmasked", "procMount"),
        ("seccompProfile: {type: Unconfined}", "seccompProfile.type"),
        ("appArmorProfile: {type: Unconfined}", "appArmorProfile.type"),
        ("seLinuxOptions: {type: spc_t}", "seLinuxOptions.type"),
    ],
)
def test_baseline_is_the_default_and_a_namespace_label_opens_it(context: str, field: str) -> None:
    spec = f"backend: {{image: x, securityContext: {{{context}}}}}"
    (issue,) = issues(spec)

    assert (issue.field, issue.policy) == (f"spec.backend.securityContext.{field}", "podSecurity.enforce")
    assert issue.hint == (
        "Pod Security level baseline of policy.podSecurity.enforce; "
        "the namespace label pod-security.kubernetes.io/enforce=privileged allows it"
    )
    assert issues(spec, labels=PRIVILEGED) == []
    assert issues(spec, "podSecurity: {fromNamespaceLabels: false}", labels=PRIVILEGED) != []


@pytest.mark.parametrize(
    ("spec", "policy", "expected"),
    [
        ("serviceAccount: {}", "Own", []),
        ("serviceAccount: {name: other}", "Own", []),
        ("serviceAccount: {create: false, name: admin}", "Own", ["spec.serviceAccount.name serviceAccounts"]),
        ("serviceAccount: {create: false, name: default}", "Own", []),
        ("serviceAccount: {create: false, name: admin}", "Any", []),
        ("", "Own", []),
    ],
)
def test_service_accounts(spec: str, policy: str, expected: list[str]) -> None:
    assert fields(spec, f"serviceAccounts: {policy}") == expected


@pytest.mark.parametrize(
    ("spec", "policy", "expected"),
    [
        ("nodeName: n1", "", ["spec.pod.nodeName scheduling.nodeName"]),
        ("nodeName: n1", "nodeName: true", []),
        ("priorityClassName: high", "", []),
        ("priorityClassName: system-node-critical", "", ["spec.pod.priorityClassName scheduling.priorityClasses"]),
        (
            "priorityClassName: system-x",
            "priorityClasses: ['*']",
            ["spec.pod.priorityClassName scheduling.priorityClasses"],
        ),
        ("priorityClassName: system-node-critical", "priorityClasses: [system-node-critical]", []),
        (
            "priorityClassName: high",
            "priorityClasses: [low]",
            ["spec.pod.priorityClassName scheduling.priorityClasses"],
        ),
        ("priorityClassName: high", "priorityClasses: ['*', system-node-critical]", []),
        ("tolerations: [{operator: Exists}]", "", []),
        ("tolerations: [{operator: Exists}]", "tolerations: ['*']", ["spec.pod.tolerations[0] scheduling.tolerations"]),
        (
            "tolerations: [{key: a, operator: Exists}]",
            "tolerations: []",
            ["spec.pod.tolerations[0] scheduling.tolerations"],
        ),
        ("tolerations: [{key: a/b, operator: Exists}, {key: c}]", "tolerations: [a/*, c]", []),
        (
            "tolerations: [{key: ab/c, operator: Exists}]",
            "tolerations: [a/*]",
            ["spec.pod.tolerations[0] scheduling.tolerations"],
        ),
    ],
)
def test_scheduling(spec: str, policy: str, expected: list[str]) -> None:
    assert fields(f"pod: {{{spec}}}", f"scheduling: {{{policy}}}") == expected


def test_every_kind_of_workload_has_a_pod_template() -> None:
    assert set(POD_TEMPLATES) == set(get_args(WorkloadKindName))


@pytest.mark.parametrize(
    "workload",
    [
        "{kind: StatefulSet}",
        "{kind: DaemonSet}",
        "{kind: Job}",
        "{kind: CronJob, cronJob: {schedule: '@daily'}}",
        "{kind: Pod}",
        "{kind: Deployment}",
    ],
)
def test_every_kind_of_workload_is_checked(workload: str) -> None:
    spec = f"workload: {workload}\npod: {{hostPID: true, metadata: {{annotations: {{a/b: c}}}}}}"
    expected = ["spec.pod.hostPID hostNamespaces", "spec.pod.metadata.annotations[a/b] annotations.deny"]

    assert fields(spec, "annotations: {deny: [a/*]}") == expected

"""The administrator's policy on a real API server: attacks are refused, and a stricter policy deletes nothing."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.api.audit_log import AuditLog
from tests.api.cluster import MERGE, Cluster, Manifest, Namespace, eventually
from tests.api.conftest import OPERATOR_NAMESPACE, REPLICA_ACCOUNTS, RUN_ID, temporary_namespace, write_kubeconfig
from tests.api.operator_process import OperatorProcess
from tests.api.pods import RUN_TO_COMPLETION, finish_pod, pods

PREFIX = f"policy-{RUN_ID}"
LEVEL_LABEL = "pod-security.kubernetes.io/enforce"
POLICY_LABEL = f"example.org/policy-{secrets.token_hex(3)}"
PRIVILEGED = f"the namespace label {LEVEL_LABEL}=privileged allows it"
SECRET = "password: s3cret"
BACKEND: Manifest = {"image": "busybox:1.35.0", "ports": [{"containerPort": 8000}]}
HOST_PORT: Manifest = {"backend": BACKEND | {"ports": [{"containerPort": 8000, "hostPort": 8000}]}}


def changed(label: str, **policy: Any) -> Manifest:
    """Return a policy of the namespaces that have the value of the tests' label."""
    return {"namespaceSelector": {"matchLabels": {POLICY_LABEL: label}}, "policy": policy}


SETTINGS: dict[str, Any] = {
    "namespacePolicies": [
        changed("data", hostPaths=[{"pathPrefix": "/srv/data"}]),
        changed("warn", enforcement="Warn", hostnames=["*.{namespace}.example.com"]),
        changed("silent", statusLogs=False),
    ]
}


def mounts(path: str, **mount: Any) -> Manifest:
    """Return a spec with a directory of the node that the backend mounts."""
    backend = BACKEND | {"volumeMounts": [{"name": "node", "mountPath": "/node", **mount}]}
    return {"backend": backend, "volumes": [{"name": "node", "hostPath": {"path": path}}]}


ATTACKS: dict[str, tuple[Manifest, str, str]] = {
    "root-by-pid": (
        {"backend": BACKEND | {"securityContext": {"privileged": True}}, "pod": {"hostPID": True}},
        "spec.pod.hostPID: shares a namespace of the node",
        PRIVILEGED,
    ),
    "privileged": (
        {"backend": BACKEND | {"securityContext": {"privileged": True}}},
        "spec.backend.securityContext.privileged: must not be true",
        f"policy.podSecurity.enforce; {PRIVILEGED}",
    ),
    "node-files": (
        mounts("/etc/kubernetes", readOnly=True),
        "spec.volumes[0].hostPath.path: '/etc/kubernetes'",
        PRIVILEGED,
    ),
    "host-port": (HOST_PORT, "spec.backend.ports[0].hostPort: 8000", "allowed by policy.hostPorts: none"),
    "node-name": ({"pod": {"nodeName": "control-plane"}}, "spec.pod.nodeName", "policy.scheduling.nodeName"),
    "system-class": (
        {"pod": {"priorityClassName": "system-node-critical"}},
        "spec.pod.priorityClassName: 'system-node-critical'",
        "policy.scheduling.priorityClasses: * except system-*",
    ),
    "external-ips": (
        {"service": {"externalIPs": ["192.0.2.1"]}},
        "spec.service.externalIPs",
        "policy.services.externalIPs",
    ),
    "external-name": (
        {"service": {"type": "ExternalName", "externalName": "example.com"}},
        "spec.service.type: ExternalName is not allowed",
        "allowed by policy.services.types: ClusterIP, NodePort, LoadBalancer",
    ),
    "further-service": (
        {"services": [{"name": "further", "externalIPs": ["192.0.2.1"], "ports": [{"port": 80}]}]},
        "spec.services[0].externalIPs",
        "policy.services.externalIPs",
    ),
    "inherited": (
        {
            "backend": BACKEND | {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}},
            "initContainers": [{"name": "first", "command": ["true"]}],
        },
        "spec.backend.securityContext.capabilities.add",
        PRIVILEGED,
    ),
}
"""Attacks by name: the spec, the refused field, and the setting or label that would allow it."""

ESCAPES: dict[str, tuple[Manifest, str]] = {
    "writable": (mounts("/srv/data"), "spec.backend.volumeMounts[0].readOnly"),
    "sub-path": (mounts("/srv/data", subPath="a"), "spec.backend.volumeMounts[0].readOnly"),
    "above": (mounts("/srv", readOnly=True), "spec.volumes[0].hostPath.path"),
    "beside": (mounts("/srv/database", readOnly=True), "spec.volumes[0].hostPath.path"),
    "backsteps": (mounts("/srv/data/../../etc", readOnly=True), "spec.volumes[0].hostPath.path"),
    "sub-path-backsteps": (mounts("/srv/data", readOnly=True, subPath="../.."), "spec.backend.volumeMounts[0].subPath"),
    "sidecar": (
        mounts("/srv/data", readOnly=True)
        | {"sidecars": [{"name": "s", "image": "s", "volumeMounts": [{"name": "node", "mountPath": "/n"}]}]},
        "spec.sidecars[0].volumeMounts[0].readOnly",
    ),
}
"""Ways out of an allowed directory: a symbolic link needs a writable mount first."""


class Policed:
    """An operator that is restarted with other settings."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        identity: Manifest = {
            "identity": PREFIX,
            "operatorNamespace": OPERATOR_NAMESPACE,
            "namespaces": [f"{PREFIX}-*"],
        }
        self.process = OperatorProcess(folder, kubeconfig, **identity, **SETTINGS)
        self._settings = self.process.settings

    @contextmanager
    def policy(self, **policy: Any) -> Iterator[None]:
        """Restart the operator with a policy for the block, and afterwards with the default one."""
        self._restart({"policy": policy})
        try:
            yield
        finally:
            self._restart({})

    def _restart(self, settings: dict[str, Any]) -> None:
        assert self.process.stop() == 0
        self.process.settings = self._settings | settings
        self.process.start()

    def violations(self, field: str, enforcement: str) -> str:
        """Return the metric of violations of a field."""
        labels = f'{{enforcement="{enforcement}",field="{field}"}} '
        lines = self.process.fetch(self.process.metrics_port, "/metrics").splitlines()
        return next(line.rpartition(" ")[2] for line in lines if line.startswith(f"appstack_policy_violations{labels}"))


@pytest.fixture(scope="module")
def operator(
    cluster: Cluster, operator_namespace: Namespace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Policed]:
    """Return a running operator with the policies of this module."""
    folder = tmp_path_factory.mktemp("policy")
    policed = Policed(folder, write_kubeconfig(cluster, operator_namespace, REPLICA_ACCOUNTS[0], folder))
    policed.process.start()
    yield policed
    assert policed.process.stop() == 0, policed.process.log_text()[-3000:]
    assert "Traceback" not in policed.process.log_text()


@pytest.fixture
def namespace(cluster: Cluster, operator: Policed) -> Iterator[Namespace]:
    """Return a namespace of the operator without labels."""
    with temporary_namespace(cluster, f"{PREFIX}-{secrets.token_hex(2)}") as namespace:
        yield namespace


def label(namespace: Namespace, **labels: str | None) -> None:
    """Set the labels of the policy (`policy`) and of the level (`level`) of a namespace; None removes one."""
    keys = {"policy": POLICY_LABEL, "level": LEVEL_LABEL}
    patch = {"metadata": {"labels": {keys[name]: value for name, value in labels.items()}}}
    namespace.cluster.request("PATCH", f"/api/v1/namespaces/{namespace.name}", patch, content_type=MERGE)


def refusal(namespace: Namespace, name: str = "shop") -> str:
    """Wait until an AppStack is refused, and return the message."""
    condition = eventually(lambda: namespace.condition("Stalled", name))
    assert condition["reason"] == "InvalidSpec", condition
    return str(condition["message"])


def test_attacks_are_refused_with_the_field_and_the_setting_or_label_that_allows_it(namespace: Namespace) -> None:
    for name, (spec, _, _) in ATTACKS.items():
        namespace.create_stack(name, files=None, serviceAccount=None, **spec)

    for name, (_, field, opened_by) in ATTACKS.items():
        message = refusal(namespace, name)
        assert field in message
        assert opened_by in message
    assert namespace.list("Deployment") == []
    assert [service["metadata"]["name"] for service in namespace.list("Service")] == []


def test_allowed_directory_of_the_node_has_no_way_out(namespace: Namespace) -> None:
    label(namespace, policy="data")
    namespace.create_stack("inside", files=None, serviceAccount=None, **mounts("/srv/data/a", readOnly=True))
    eventually(lambda: namespace.exists("Deployment", "inside"))
    for name, (spec, _) in ESCAPES.items():
        namespace.create_stack(name, files=None, serviceAccount=None, **spec)

    for name, (_, field) in ESCAPES.items():
        assert field in refusal(namespace, name)
    assert [each["metadata"]["name"] for each in namespace.list("Deployment")] == ["inside"]


def test_label_of_the_namespace_opens_and_closes(namespace: Namespace, operator: Policed) -> None:
    namespace.create_stack(pod={"hostPID": True}, files=None, serviceAccount=None)
    assert "spec.pod.hostPID" in refusal(namespace)
    eventually(lambda: operator.violations("hostNamespaces", "Enforce") == "1.0")

    label(namespace, level="privileged")
    namespace.wait_until_ready()
    uids = {kind: namespace.get(kind, "shop")["metadata"]["uid"] for kind in ("Deployment", "Service")}
    eventually(lambda: operator.violations("hostNamespaces", "Enforce") == "0.0")

    label(namespace, level=None)
    assert "spec.pod.hostPID" in refusal(namespace)
    namespace.patch("Service", "shop", {"spec": {"ports": [{"port": 8000, "targetPort": 9}]}})
    namespace.create_stack("later", files=None, serviceAccount=None)
    namespace.wait_until_ready("later")

    assert uids == {kind: namespace.get(kind, "shop")["metadata"]["uid"] for kind in uids}, "nothing is deleted"
    ports = namespace.get("Service", "shop")["spec"]["ports"]
    assert [port["targetPort"] for port in ports] == [9], "nothing is repaired"


def test_stricter_policy_stalls_a_running_stack_and_leaves_its_objects(namespace: Namespace, operator: Policed) -> None:
    namespace.create_stack(service={"type": "NodePort"})
    namespace.wait_until_ready()
    resources = namespace.status()["resources"]
    children = {(each["kind"], each["name"]): namespace.get(each["kind"], each["name"]) for each in resources}

    with operator.policy(services={"types": ["ClusterIP"]}):
        assert "spec.service.type: NodePort is not allowed (allowed by policy.services.types: ClusterIP)" in refusal(
            namespace
        )
        namespace.edit_stack(backend=BACKEND | {"image": "busybox:2"})
        assert "spec.service.type" in refusal(namespace)
        assert namespace.status()["resources"] == resources
        for (kind, name), former in children.items():
            assert (
                namespace.get(kind, name)["metadata"]["generation" if kind == "Deployment" else "uid"]
                == (former["metadata"]["generation" if kind == "Deployment" else "uid"])
            )
    namespace.wait_until_ready()


def test_warn_refuses_nothing_and_is_counted(namespace: Namespace, operator: Policed) -> None:
    label(namespace, policy="warn")
    namespace.create_stack(ingress={}, files=None, serviceAccount=None, **HOST_PORT)
    namespace.wait_until_ready()

    message = namespace.condition("Ready")["message"]
    assert f"{namespace.name}.example.com" in message
    assert "Warning: spec.backend.ports[0].hostPort: 8000" in message
    assert namespace.exists("Ingress", "shop")
    eventually(lambda: operator.violations("hostPorts", "Warn") == "1.0")
    eventually(lambda: operator.violations("hostnames", "Warn") == "1.0")


@pytest.mark.parametrize(("policy", "shown"), [(None, True), ("silent", False)])
def test_status_and_events_contain_container_output_unless_the_policy_forbids_it(
    namespace: Namespace, operator: Policed, policy: str | None, shown: bool
) -> None:
    label(namespace, policy=policy)
    namespace.create_stack(**RUN_TO_COMPLETION, workload={"kind": "Pod"}, files=None, serviceAccount=None)
    (pod,) = eventually(lambda: pods(namespace))
    finish_pod(namespace, pod["metadata"]["name"], "Failed", exit_code=3, message=SECRET)
    (problem,) = eventually(lambda: [each for each in namespace.status()["problems"] if each.get("exitCode") == 3])
    events = eventually(lambda: [each for each in namespace.list("Event") if each["reason"] == problem["reason"]])

    assert shown is (SECRET in str(namespace.status()))
    assert shown is (SECRET in str(events))


def test_label_that_no_policy_depends_on_costs_no_request(
    namespace: Namespace, operator: Policed, cluster: Cluster, operator_namespace: Namespace
) -> None:
    namespace.create_stack()
    namespace.wait_until_ready()
    log = AuditLog(f"system:serviceaccount:{OPERATOR_NAMESPACE}:{REPLICA_ACCOUNTS[0]}")
    try:
        with log.counting(namespace.name) as counts:
            patch = {"metadata": {"labels": {"example.org/other": "x", LEVEL_LABEL: "baseline"}}}
            cluster.request("PATCH", f"/api/v1/namespaces/{namespace.name}", patch, content_type=MERGE)
            namespace.patch("AppStack", "shop", {"metadata": {"annotations": {"reconcile": "again"}}})
    finally:
        log.close()

    assert set(counts) <= {"patch appstacks/status 200"}, "the message names the label as the source of the level"

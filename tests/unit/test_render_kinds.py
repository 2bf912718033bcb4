"""Rendering of each kind of workload: pod template, options, replicas, and graceful termination."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import yaml

from appstack.api import parse
from appstack.api.workloads import WorkloadKindName
from appstack.render import render
from appstack.settings import Settings
from tests.unit.test_render_pod import WEB, container, rendered

EXTRAS = """
proxy: {}
sidecars: [{name: agent, image: b}]
files: [{path: /etc/a, content: a}]
pod: {metadata: {labels: {team: a}, annotations: {note: b}}, nodeSelector: {disk: ssd}}
"""
SPECS = {
    "Deployment": "workload: {kind: Deployment, deployment: {minReadySeconds: 5}}",
    "StatefulSet": "workload: {kind: StatefulSet, statefulSet: {minReadySeconds: 5}}",
    "DaemonSet": "workload: {kind: DaemonSet, daemonSet: {minReadySeconds: 5}}",
    "Job": "workload: {kind: Job, job: {backoffLimit: 5}}",
    "CronJob": "workload: {kind: CronJob, cronJob: {schedule: '@daily', suspend: true}, job: {backoffLimit: 5}}",
    "Pod": "workload: {kind: Pod}",
}
HOST_PORT = "backend: {image: s, ports: [{containerPort: 1, hostPort: 1}]}"
NO_UNAVAILABLE = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}
PRE_STOP_DELAY = {"sleep": {"seconds": 5}}


def workload(kind: str, *more: str) -> dict[str, Any]:
    """Return the workload object."""
    return rendered(WEB, SPECS[kind], *more)[kind]


def template(kind: str, *more: str) -> dict[str, Any]:
    """Return the pod template of the workload; for a bare Pod, its own metadata and spec."""
    manifest = workload(kind, *more)
    match kind:
        case "Pod":
            return {"metadata": manifest["metadata"], "spec": manifest["spec"]}
        case "CronJob":
            return dict(manifest["spec"]["jobTemplate"]["spec"]["template"])
        case _:
            return dict(manifest["spec"]["template"])


def backend(kind: str, *more: str) -> dict[str, Any]:
    """Return the container of the backend."""
    return container(template(kind, *more)["spec"], "backend")


def test_every_kind_is_rendered() -> None:
    assert set(get_args(WorkloadKindName)) == set(SPECS)


@pytest.mark.parametrize("kind", SPECS)
def test_pod_template_is_the_same_for_every_kind(kind: str) -> None:
    own, deployed = template(kind, EXTRAS), template("Deployment", EXTRAS)
    own["spec"].pop("restartPolicy", None)

    assert deployed["spec"] == own["spec"]
    assert deployed["metadata"]["labels"] == own["metadata"]["labels"]
    assert {"note": "b"} == own["metadata"]["annotations"]


@pytest.mark.parametrize("kind", SPECS)
def test_workload_has_the_name_of_the_stack_and_is_owned_by_it(kind: str) -> None:
    metadata = workload(kind)["metadata"]

    assert ("shop", "a") == (metadata["name"], metadata["namespace"])
    assert "shop" == metadata["labels"]["appstack.dev/stack"]
    assert "u" == metadata["ownerReferences"][0]["uid"]


@pytest.mark.parametrize(
    ("kind", "policy"),
    [("Deployment", None), ("StatefulSet", None), ("DaemonSet", None), ("Job", "OnFailure"), ("CronJob", "OnFailure")],
)
def test_pods_of_jobs_have_a_restart_policy_that_lets_them_end(kind: str, policy: str | None) -> None:
    assert policy == template(kind)["spec"].get("restartPolicy")
    assert "Never" == template(kind, "pod: {restartPolicy: Never}")["spec"]["restartPolicy"]


def test_each_kind_has_its_own_options() -> None:
    for kind in ("Deployment", "StatefulSet", "DaemonSet"):
        assert 5 == workload(kind)["spec"]["minReadySeconds"]
        assert {"matchLabels": {"appstack.dev/stack": "shop"}} == workload(kind)["spec"]["selector"]
    assert 5 == workload("Job")["spec"]["backoffLimit"]
    assert "selector" not in workload("Job")["spec"]
    scheduled = workload("CronJob")["spec"]
    assert ("@daily", True) == (scheduled["schedule"], scheduled["suspend"])
    assert 5 == scheduled["jobTemplate"]["spec"]["backoffLimit"]
    assert "shop" == scheduled["jobTemplate"]["metadata"]["labels"]["appstack.dev/stack"]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_replicas_are_rendered_only_if_the_spec_sets_them(kind: str) -> None:
    assert "replicas" not in workload(kind)["spec"]
    assert 0 == workload(kind, "replicas: 0")["spec"]["replicas"]


def test_stateful_set_has_a_headless_service() -> None:
    with_proxy = services(SPECS["StatefulSet"], "proxy: {}")
    headless = services(SPECS["StatefulSet"], "service: {clusterIP: None}")
    without_ports = services(SPECS["StatefulSet"], "backend: {image: s}")

    assert ["shop", "shop-pods"] == list(with_proxy)
    assert ("None", True) == (with_proxy["shop-pods"]["clusterIP"], with_proxy["shop-pods"]["publishNotReadyAddresses"])
    assert [{"name": "http", "port": 80, "targetPort": "appstack-http"}] == with_proxy["shop-pods"]["ports"]
    assert "shop-pods" == workload("StatefulSet")["spec"]["serviceName"]
    assert ["shop"] == list(headless)
    assert "shop" == workload("StatefulSet", "service: {clusterIP: None}")["spec"]["serviceName"]
    assert "ports" not in without_ports["shop-pods"]


def services(*texts: str) -> dict[str, dict[str, Any]]:
    """Return the specs of all Services by name; `rendered` returns only one object of each kind."""
    spec: dict[str, Any] = {}
    for text in (WEB, *texts):
        spec |= yaml.safe_load(text)
    head = {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": {"name": "shop"}}
    objects = render(parse({**head, "spec": spec}), settings=Settings())
    return {manifest["metadata"]["name"]: manifest["spec"] for manifest in objects if manifest["kind"] == "Service"}


def test_claim_per_replica_is_a_volume_claim_template() -> None:
    claim = """
    - name: data
      claim:
        perReplica: true
        resources: {requests: {storage: 1Gi}}
        retentionPolicy: {whenScaled: Delete}
    """
    objects = rendered(WEB, SPECS["StatefulSet"], f"volumes: {claim}")
    spec = objects["StatefulSet"]["spec"]

    assert "PersistentVolumeClaim" not in objects
    assert ["data"] == [claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]]
    assert {"whenDeleted": "Retain", "whenScaled": "Delete"} == spec["persistentVolumeClaimRetentionPolicy"]
    assert "data" not in [volume["name"] for volume in spec["template"]["spec"].get("volumes", [])]
    assert "data" in [mount["name"] for mount in container(spec["template"]["spec"], "backend")["volumeMounts"]]


@pytest.mark.parametrize(
    ("sentence", "more", "strategy"),
    [
        ("rolling update without unavailable pods", "{}", NO_UNAVAILABLE),
        ("strategy of the spec", "workload: {deployment: {strategy: {type: Recreate}}}", {"type": "Recreate"}),
        ("host port, which two pods cannot share", HOST_PORT, None),
        ("host network", "pod: {hostNetwork: true}", None),
    ],
)
def test_deployment_updates_without_unavailable_pods(sentence: str, more: str, strategy: object) -> None:
    assert strategy == rendered(WEB, more)["Deployment"]["spec"].get("strategy"), sentence


@pytest.mark.parametrize("kind", SPECS)
def test_exposed_backend_has_a_pre_stop_delay(kind: str) -> None:
    assert PRE_STOP_DELAY == backend(kind)["lifecycle"]["preStop"]
    assert "lifecycle" not in backend(kind, "service: {enabled: false}")


@pytest.mark.parametrize(
    ("sentence", "more", "lifecycle"),
    [
        ("postStart hook", "postStart: {exec: {command: [a]}}", {"postStart", "preStop"}),
        ("preStop hook", "preStop: {exec: {command: [b]}}", {"preStop"}),
    ],
)
def test_lifecycle_hooks_of_the_spec_are_kept(sentence: str, more: str, lifecycle: set[str]) -> None:
    manifest = backend("Deployment", f"backend: {{image: s, ports: [{{containerPort: 1}}], lifecycle: {{{more}}}}}")

    assert lifecycle == set(manifest["lifecycle"]), sentence
    assert ("preStop: {" in more) is (PRE_STOP_DELAY != manifest["lifecycle"]["preStop"])


@pytest.mark.parametrize(("grace_period_seconds", "delayed"), [(5, False), (6, True)])
def test_pre_stop_delay_is_rendered_only_if_it_fits_the_grace_period(grace_period_seconds: int, delayed: bool) -> None:
    more = f"pod: {{terminationGracePeriodSeconds: {grace_period_seconds}}}"

    assert delayed is ("lifecycle" in backend("Deployment", more))


def test_exposed_backend_without_probe_is_ready_when_it_listens() -> None:
    default = {"tcpSocket": {"port": 8000}, "periodSeconds": 2}
    own = "backend: {image: s, ports: [{containerPort: 1}], readinessProbe: {exec: {command: [a]}}}"

    assert default == backend("Deployment")["readinessProbe"]
    assert {"exec": {"command": ["a"]}} == backend("Deployment", own)["readinessProbe"]
    assert "readinessProbe" not in backend("Deployment", "service: {enabled: false}")
    assert "readinessProbe" not in backend(
        "Deployment", "backend: {image: s, ports: [{containerPort: 53, protocol: UDP}]}"
    )


def test_nginx_closes_keepalive_connections_before_the_pod_terminates() -> None:
    texts = rendered(WEB, "proxy: {}")["ConfigMap"]["data"].values()

    assert 1 == sum("keepalive_time 3s;" in text for text in texts)

"""The same pod under every kind of workload, how many there are, and how one comes and goes."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import yaml

from appstack.api import parse
from appstack.api.workloads import Kind
from appstack.render import render
from appstack.settings import Settings
from tests.unit.test_render_pod import WEB, container, rendered

RICH = """
proxy: {}
sidecars: [{name: beside, image: b}]
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
PORT_OF_NODE = "backend: {image: s, ports: [{containerPort: 1, hostPort: 1}]}"
ROLLS = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}
WAITS = {"sleep": {"seconds": 5}}


def workload(kind: str, *more: str) -> dict[str, Any]:
    """Return the workload."""
    return rendered(WEB, SPECS[kind], *more)[kind]


def template(kind: str, *more: str) -> dict[str, Any]:
    """Return the template of its pods; a Pod is its own."""
    found = workload(kind, *more)
    match kind:
        case "Pod":
            return {"metadata": found["metadata"], "spec": found["spec"]}
        case "CronJob":
            return dict(found["spec"]["jobTemplate"]["spec"]["template"])
        case _:
            return dict(found["spec"]["template"])


def backend(kind: str, *more: str) -> dict[str, Any]:
    """Return the backend's container."""
    return container(template(kind, *more)["spec"], "backend")


def test_every_kind_is_rendered() -> None:
    assert set(get_args(Kind)) == set(SPECS)


@pytest.mark.parametrize("kind", SPECS)
def test_the_pod_is_the_same_under_every_kind(kind: str) -> None:
    own, deployed = template(kind, RICH), template("Deployment", RICH)
    own["spec"].pop("restartPolicy", None)

    assert deployed["spec"] == own["spec"]
    assert deployed["metadata"]["labels"] == own["metadata"]["labels"]
    assert {"note": "b"} == own["metadata"]["annotations"]


@pytest.mark.parametrize("kind", SPECS)
def test_the_workload_bears_the_stacks_name_and_goes_with_it(kind: str) -> None:
    metadata = workload(kind)["metadata"]

    assert ("shop", "a") == (metadata["name"], metadata["namespace"])
    assert "shop" == metadata["labels"]["appstack.dev/stack"]
    assert "u" == metadata["ownerReferences"][0]["uid"]


@pytest.mark.parametrize(
    ("kind", "policy"),
    [("Deployment", None), ("StatefulSet", None), ("DaemonSet", None), ("Job", "OnFailure"), ("CronJob", "OnFailure")],
)
def test_pods_of_jobs_end(kind: str, policy: str | None) -> None:
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
def test_replicas_that_nobody_wrote_are_nobodys(kind: str) -> None:
    assert "replicas" not in workload(kind)["spec"]
    assert 0 == workload(kind, "replicas: 0")["spec"]["replicas"]


def test_a_set_has_a_headless_service_of_its_own() -> None:
    own = services(SPECS["StatefulSet"], "proxy: {}")
    headless = services(SPECS["StatefulSet"], "service: {clusterIP: None}")
    silent = services(SPECS["StatefulSet"], "backend: {image: s}")

    assert ["shop", "shop-pods"] == list(own)
    assert ("None", True) == (own["shop-pods"]["clusterIP"], own["shop-pods"]["publishNotReadyAddresses"])
    assert [{"name": "http", "port": 80, "targetPort": "appstack-http"}] == own["shop-pods"]["ports"]
    assert "shop-pods" == workload("StatefulSet")["spec"]["serviceName"]
    assert ["shop"] == list(headless)
    assert "shop" == workload("StatefulSet", "service: {clusterIP: None}")["spec"]["serviceName"]
    assert "ports" not in silent["shop-pods"]


def services(*texts: str) -> dict[str, dict[str, Any]]:
    """Return the specs of all Services by name: `rendered` keeps one object of each kind."""
    spec: dict[str, Any] = {}
    for text in (WEB, *texts):
        spec |= yaml.safe_load(text)
    head = {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": {"name": "shop"}}
    objects = render(parse({**head, "spec": spec}), settings=Settings())
    return {each["metadata"]["name"]: each["spec"] for each in objects if each["kind"] == "Service"}


def test_a_claim_per_replica_is_the_sets_own() -> None:
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
    assert ["data"] == [each["metadata"]["name"] for each in spec["volumeClaimTemplates"]]
    assert {"whenDeleted": "Retain", "whenScaled": "Delete"} == spec["persistentVolumeClaimRetentionPolicy"]
    assert "data" not in [each["name"] for each in spec["template"]["spec"].get("volumes", [])]
    assert "data" in [each["name"] for each in container(spec["template"]["spec"], "backend")["volumeMounts"]]


@pytest.mark.parametrize(
    ("sentence", "more", "strategy"),
    [
        ("no pod goes before its successor is ready", "{}", ROLLS),
        ("the author's own wins", "workload: {deployment: {strategy: {type: Recreate}}}", {"type": "Recreate"}),
        ("a port of the node can be had once only", PORT_OF_NODE, None),
        ("and on the node's network each port is one", "pod: {hostNetwork: true}", None),
    ],
)
def test_a_deployment_rolls_without_a_gap(sentence: str, more: str, strategy: object) -> None:
    assert strategy == rendered(WEB, more)["Deployment"]["spec"].get("strategy"), sentence


@pytest.mark.parametrize("kind", SPECS)
def test_a_pod_that_goes_serves_until_every_node_knows(kind: str) -> None:
    assert WAITS == backend(kind)["lifecycle"]["preStop"]
    assert "lifecycle" not in backend(kind, "service: {enabled: false}")


@pytest.mark.parametrize(
    ("sentence", "more", "lifecycle"),
    [
        ("a hook of another kind stays beside it", "postStart: {exec: {command: [a]}}", {"postStart", "preStop"}),
        ("the author's own preStop is the only one", "preStop: {exec: {command: [b]}}", {"preStop"}),
    ],
)
def test_what_the_author_wrote_of_the_lifecycle_stays(sentence: str, more: str, lifecycle: set[str]) -> None:
    found = backend("Deployment", f"backend: {{image: s, ports: [{{containerPort: 1}}], lifecycle: {{{more}}}}}")

    assert lifecycle == set(found["lifecycle"]), sentence
    assert ("preStop: {" in more) is (WAITS != found["lifecycle"]["preStop"])


@pytest.mark.parametrize(("grace", "waits"), [(5, False), (6, True)])
def test_a_wait_that_its_grace_period_has_no_room_for_is_not_begun(grace: int, waits: bool) -> None:
    assert waits is ("lifecycle" in backend("Deployment", f"pod: {{terminationGracePeriodSeconds: {grace}}}"))


def test_a_pod_is_led_to_when_it_listens() -> None:
    asked = {"tcpSocket": {"port": 8000}, "periodSeconds": 2}
    own = "backend: {image: s, ports: [{containerPort: 1}], readinessProbe: {exec: {command: [a]}}}"

    assert asked == backend("Deployment")["readinessProbe"]
    assert {"exec": {"command": ["a"]}} == backend("Deployment", own)["readinessProbe"]
    assert "readinessProbe" not in backend("Deployment", "service: {enabled: false}")
    assert "readinessProbe" not in backend(
        "Deployment", "backend: {image: s, ports: [{containerPort: 53, protocol: UDP}]}"
    )


def test_nginx_ends_kept_connections_before_the_pod_goes() -> None:
    texts = rendered(WEB, "proxy: {}")["ConfigMap"]["data"].values()

    assert 1 == sum("keepalive_time 3s;" in text for text in texts)

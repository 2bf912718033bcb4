"""Change of the workload kind, hand-over of replicas to an autoscaler, and files of old revisions."""

from __future__ import annotations

import json
import threading

import pytest

from tests.api.audit_log import AuditLog
from tests.api.cluster import Cluster, Manifest, Namespace, eventually
from tests.api.operator_process import OperatorProcess
from tests.api.pods import SERVER, UNSCHEDULABLE, make_pod_ready, pods

KINDS = ["StatefulSet", "DaemonSet", "Job", "CronJob", "Pod", "Deployment"]
SCALED_KINDS = ("Deployment", "StatefulSet")


def test_change_of_the_workload_kind_deletes_the_old_workload_last(
    namespace: Namespace, operator: OperatorProcess, audit_log: AuditLog
) -> None:
    namespace.create_stack(replicas=1, backend=SERVER, pod=UNSCHEDULABLE)
    eventually(lambda: pods(namespace))
    former = "Deployment"
    for kind in KINDS:
        workload = {"kind": kind, "cronJob": {"schedule": "0 0 1 1 *"} if kind == "CronJob" else None}
        namespace.edit_stack(workload=workload, replicas=1 if kind in SCALED_KINDS else None)
        eventually(lambda k=kind: namespace.get(k, "shop")["metadata"]["labels"]["appstack.dev/stack"])  # type: ignore[misc]
        eventually(lambda k=former: not namespace.exists(k, "shop"))  # type: ignore[misc]
        former = kind
    eventually(lambda: len(pods(namespace)) == 1)
    (pod,) = pods(namespace)
    assert pod["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
    plurals = ["deployments", "statefulsets", "daemonsets", "jobs", "cronjobs", "pods"]
    requests = [request.split() for request in audit_log.requests(namespace.name)]
    verbs = [verb for verb, resource, _ in requests if resource in plurals and verb in ("patch", "delete")]
    assert verbs == ["patch", *["patch", "delete"] * len(KINDS)], requests


def test_workload_with_the_same_selector_adopts_no_pods(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack(replicas=2, backend=SERVER, pod=UNSCHEDULABLE)
    eventually(lambda: len(pods(namespace)) == 2)
    before = _owners_of_pods(namespace)
    labels = {"appstack.dev/stack": "shop"}
    pod_spec = {"containers": [{"name": "c", "image": "i"}], **UNSCHEDULABLE}
    template = {"metadata": {"labels": labels}, "spec": pod_spec}
    spec = {"selector": {"matchLabels": labels}, "template": template, "replicas": 1, "serviceName": "x"}
    namespace.create({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "other"}, "spec": spec})
    eventually(lambda: namespace.exists("Pod", "other-0"))
    eventually(lambda: namespace.get("StatefulSet", "other")["status"]["replicas"] == 1)
    eventually(lambda: namespace.get("Deployment", "shop")["status"]["replicas"] == 2)

    after = _owners_of_pods(namespace)
    assert {uid: after.get(uid) for uid in before} == before


def _owners_of_pods(namespace: Namespace) -> dict[str, list[Manifest]]:
    """Return the owner references of each pod by its uid."""
    return {pod["metadata"]["uid"]: pod["metadata"]["ownerReferences"] for pod in pods(namespace)}


@pytest.mark.parametrize("kind", SCALED_KINDS)
def test_replicas_are_handed_over_to_an_autoscaler_without_a_dip(
    namespace: Namespace, operator: OperatorProcess, cluster: Cluster, kind: str
) -> None:
    namespace.create_stack(replicas=3, backend=SERVER, pod=UNSCHEDULABLE, workload={"kind": kind})
    created = eventually(lambda: namespace.get(kind, "shop"))
    replicas, stopped = _watch_replicas(cluster, namespace, kind, created["metadata"]["resourceVersion"])

    namespace.edit_stack(replicas=None, autoscaling={"minReplicas": 2, "maxReplicas": 5})
    eventually(lambda: namespace.exists("HorizontalPodAutoscaler", "shop"))
    eventually(lambda: not _owns_replicas(namespace.get(kind, "shop"), "appstack"))
    assert _owns_replicas(namespace.get(kind, "shop"), "appstack-handover")
    namespace.patch(kind, "shop", {"spec": {"replicas": 4}}, subresource="scale")
    eventually(lambda: 4 in replicas)
    stopped.set()

    assert replicas == [3] * (len(replicas) - replicas.count(4)) + [4] * replicas.count(4)
    assert not _owns_replicas(namespace.get(kind, "shop"), "appstack-handover")
    namespace.edit_stack(replicas=2, autoscaling=None)
    eventually(lambda: namespace.get(kind, "shop")["spec"]["replicas"] == 2)
    eventually(lambda: not namespace.exists("HorizontalPodAutoscaler", "shop"))


def _owns_replicas(manifest: Manifest, manager: str) -> bool:
    """Return whether a field manager owns spec.replicas."""
    entries = (entry for entry in manifest["metadata"]["managedFields"] if entry["manager"] == manager)
    return any("f:replicas" in entry["fieldsV1"].get("f:spec", {}) for entry in entries)


def _watch_replicas(
    cluster: Cluster, namespace: Namespace, kind: str, version: str
) -> tuple[list[int], threading.Event]:
    """Watch a kind in a thread; return the list of every observed spec.replicas, and the event that ends the watch."""
    replicas: list[int] = []
    stopped = threading.Event()
    url = f"{cluster.server}{namespace.path(kind)}?watch=true&resourceVersion={version}&timeoutSeconds=60"
    response = cluster.pool.request("GET", url, preload_content=False)

    def follow() -> None:
        for line in response:
            replicas.append(json.loads(line)["object"]["spec"]["replicas"])
            if stopped.is_set():
                return

    threading.Thread(target=follow, daemon=True).start()
    return replicas, stopped


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_files_are_kept_while_a_controller_revision_needs_them(
    namespace: Namespace, operator: OperatorProcess, kind: str
) -> None:
    replicas = 1 if kind == "StatefulSet" else None
    without_history = {"kind": kind, kind[0].lower() + kind[1:]: {"revisionHistoryLimit": 0}}
    namespace.create_stack(replicas=replicas, backend=SERVER, pod=UNSCHEDULABLE, workload={"kind": kind})
    revisions = eventually(lambda: namespace.list("ControllerRevision", labelSelector="appstack.dev/stack=shop"))
    resources = eventually(lambda: namespace.status()["resources"])
    (files,) = [ref["name"] for ref in resources if ref["kind"] == "ConfigMap"]
    assert f"shop-files-{revisions[0]['metadata']['labels']['appstack.dev/files']}" == files

    namespace.edit_stack(files=[{"path": "/etc/app/settings.toml", "content": "debug = true\n"}])
    eventually(lambda: len(namespace.list("ControllerRevision")) == 2)
    eventually(lambda: files not in [ref["name"] for ref in namespace.status()["resources"]])
    for pod in pods(namespace):
        namespace.cluster.request("DELETE", namespace.path("Pod", pod["metadata"]["name"]), gracePeriodSeconds="0")
    assert namespace.exists("ConfigMap", files), "a rollback to the old revision needs its files"

    namespace.edit_stack(workload=without_history)
    for pod in pods(namespace):
        if kind == "StatefulSet":
            make_pod_ready(namespace, pod["metadata"]["name"])
    eventually(lambda: not namespace.exists("ConfigMap", files), within=40)

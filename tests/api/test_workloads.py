"""Every kind of workload against a real API server: what runs once, what follows another, what is handed over."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
import urllib3

from tests.api.harness import Audit, Cluster, Manifest, Operator, Space, eventually

BACKEND = {"image": "busybox:1.35.0", "command": ["true"]}
NOWHERE = {"nodeSelector": {"no": "where"}}  # pods are made, and stay where the tests can tell what became of them
ONCE: dict[str, Any] = {"replicas": None, "backend": BACKEND, "pod": NOWHERE}
SERVER = {**BACKEND, "ports": [{"containerPort": 8000}]}


def _job(**options: Any) -> Manifest:
    return {"kind": "Job", "job": options}


def _pods(space: Space, *, alive: bool = True) -> list[Manifest]:
    pods = space.list("Pod", labelSelector="appstack.dev/stack")
    return [pod for pod in pods if not (alive and "deletionTimestamp" in pod["metadata"])]


def _end(space: Space, pod: str, phase: str, *, code: int = 0) -> None:
    """Say what a kubelet would say of a pod that came to its end."""
    state = {"terminated": {"exitCode": code, "finishedAt": "2026-11-21T07:00:00Z", "reason": "Error"}}
    container = {"name": "backend", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    space.patch("Pod", pod, {"status": {"phase": phase, "containerStatuses": [container]}}, sub="status")


def _ended_job(space: Space, phase: str = "Succeeded") -> str:
    """Bring the Job to its end; return its uid."""
    uid = eventually(lambda: space.get("Job", "shop"))["metadata"]["uid"]
    (pod,) = eventually(lambda: _pods(space))
    _end(space, pod["metadata"]["name"], phase, code=0 if phase == "Succeeded" else 3)
    return str(uid)


def _run_seen(space: Space, kind: str = "Job") -> None:
    """Wait until a run is told of."""
    uid = space.get(kind, "shop")["metadata"]["uid"]
    eventually(lambda: [_runs(space)[0], space.status()["runs"][0]["uid"]] == ["Running", uid])


def _runs(space: Space) -> list[str]:
    return [run["outcome"] for run in space.status().get("runs", ())]


def test_a_finished_job_stays_finished_whoever_deletes_it(space: Space, operator: Operator, audit: Audit) -> None:
    space.stack(**ONCE, workload=_job())
    _ended_job(space)
    space.ready()
    assert _runs(space) == ["Completed"]

    with audit.counting(space.name) as count:
        space.cluster.request("DELETE", space.path("Job", "shop"), propagationPolicy="Background")
        eventually(lambda: not space.exists("Job", "shop"))

    assert {word for word in count if "jobs" in word} == set()
    assert not space.exists("Job", "shop")
    assert space.condition("Ready")["message"].startswith("Completed")
    assert _runs(space) == ["Completed"]


def test_a_job_that_is_deleted_as_soon_as_it_ends_is_not_made_again(space: Space, operator: Operator) -> None:
    space.stack(**ONCE, workload=_job(ttlSecondsAfterFinished=0))
    uid = _ended_job(space)
    eventually(lambda: not space.exists("Job", "shop"))

    space.ready()
    assert _runs(space) == ["Completed"]
    space.edit(backend=BACKEND | {"command": ["true", "again"]})
    assert uid != eventually(lambda: space.get("Job", "shop"))["metadata"]["uid"]


def test_the_end_of_work_is_told_without_the_pause_between_statuses(
    space: Space, operator: Operator, audit: Audit
) -> None:
    """Whoever follows this operator would do again what no status says was done."""
    gaps = []
    for name in ("first", "second", "third"):  # a busy machine may need longer than the pause for one of them
        space.stack(name, **ONCE, files=None, workload={"kind": "Pod"})
        eventually(lambda name=name: space.exists("Pod", name))  # type: ignore[misc]
        _end(space, name, "Succeeded")
        space.ready(name)
        told = _told(audit, space, name)
        gaps += [after - before for before, after in pairwise(told)]

    assert min(gaps) < 0.9, gaps


def _told(audit: Audit, space: Space, name: str) -> list[float]:
    """Return when the statuses of a stack were written."""
    mine = {"namespace": space.name, "name": name, "resource": "appstacks", "subresource": "status"}
    eventually(lambda: "patch appstacks/status 200" in audit.of(space.name))
    found = (entry for entry in audit.read() if mine.items() <= entry.get("objectRef", {}).items())
    return [datetime.fromisoformat(one["requestReceivedTimestamp"]).timestamp() for one in found]


def test_a_job_that_was_deleted_before_its_end_is_made_again(space: Space, operator: Operator) -> None:
    space.stack(**ONCE, workload=_job())
    uid = eventually(lambda: space.get("Job", "shop"))["metadata"]["uid"]
    eventually(lambda: _pods(space))
    _run_seen(space)
    space.cluster.request("DELETE", space.path("Job", "shop"), propagationPolicy="Background")

    eventually(lambda: space.get("Job", "shop")["metadata"]["uid"] != uid)
    eventually(lambda: _runs(space) == ["Running", "Failed"])


@pytest.mark.parametrize(("ended", "runs"), [(True, ["Running", "Completed"]), (False, ["Running", "Failed"])])
def test_a_changed_job_runs_anew_and_its_past_stays_readable(
    space: Space, operator: Operator, *, ended: bool, runs: list[str]
) -> None:
    space.stack(**ONCE, workload=_job())
    uid = eventually(lambda: space.get("Job", "shop"))["metadata"]["uid"]
    _run_seen(space)
    if ended:
        _ended_job(space)
        space.ready()

    space.edit(backend=BACKEND | {"command": ["false"]})

    eventually(lambda: space.get("Job", "shop")["metadata"]["uid"] != uid)
    assert space.get("Job", "shop")["spec"]["template"]["spec"]["containers"][0]["command"] == ["false"]
    eventually(lambda: _runs(space) == runs)
    (event,) = [one for one in space.list("Event") if one["reason"] == "Replaced"]
    assert event["type"] == "Normal"
    assert "Job" in event["note"]


@pytest.fixture
def upgrade(operator: Operator) -> Iterator[Callable[[], None]]:
    """Give what replaces the operator by one that renders the proxy otherwise."""
    former = dict(operator.settings)

    def restart() -> None:
        operator.stop()
        operator.settings |= {"proxyImage": "nginx:of-another-release"}
        operator.start()

    yield restart
    operator.stop()
    operator.settings = former
    operator.start()


@pytest.mark.parametrize("gone", [False, True])
def test_an_upgrade_of_the_operator_does_no_work_again(
    space: Space, audit: Audit, upgrade: Callable[[], None], *, gone: bool
) -> None:
    behind_proxy = {**ONCE, "backend": SERVER, "proxy": {}}
    space.stack(**behind_proxy, workload=_job())
    ended = _ended_job(space)
    space.ready()
    space.stack("at-work", **behind_proxy, workload={"kind": "Pod"})
    at_work = eventually(lambda: space.get("Pod", "at-work"))["metadata"]["uid"]
    eventually(lambda: space.status("at-work").get("resources"))
    if gone:
        space.cluster.request("DELETE", space.path("Job", "shop"), propagationPolicy="Background")
        eventually(lambda: not space.exists("Job", "shop"))

    with audit.counting(space.name) as count:
        upgrade()
        space.edit(paused=True)
        eventually(lambda: space.condition("Ready"))
        space.edit(paused=False, networkPolicy={})
        eventually(lambda: space.condition("Ready")["reason"] == "Ready")

    assert [word for word in count if "jobs" in word or "pods" in word] == []
    assert space.get("Pod", "at-work")["metadata"]["uid"] == at_work
    space.edit(backend=SERVER | {"command": ["true", "again"]})
    again = eventually(lambda: (found := space.get("Job", "shop"))["metadata"]["uid"] != ended and found)
    proxy = again["spec"]["template"]["spec"]["initContainers"][-1]
    assert proxy["image"] == "nginx:of-another-release"


def test_what_may_change_in_a_job_is_changed_in_place(space: Space, operator: Operator) -> None:
    space.stack(**ONCE, workload=_job(parallelism=1))
    uid = eventually(lambda: space.get("Job", "shop"))["metadata"]["uid"]

    space.edit(workload=_job(parallelism=0))

    eventually(lambda: space.get("Job", "shop")["spec"]["parallelism"] == 0)
    assert space.get("Job", "shop")["metadata"]["uid"] == uid


def test_a_job_is_not_given_up_for_one_that_would_be_refused(space: Space, operator: Operator) -> None:
    space.stack(**ONCE, workload=_job())
    uid = eventually(lambda: space.get("Job", "shop"))["metadata"]["uid"]

    space.edit(
        backend=BACKEND
        | {
            "command": ["false"],
            "terminationMessagePath": "x" * 20,
            "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "no.such"}}}],
        }
    )

    stalled = eventually(lambda: space.condition("Stalled"))
    assert "spec.backend.env[0].valueFrom.fieldRef.fieldPath: Invalid value" in stalled["message"]
    assert space.get("Job", "shop")["metadata"]["uid"] == uid
    assert "deletionTimestamp" not in space.get("Job", "shop")["metadata"]


def test_a_failed_job_says_why(space: Space, operator: Operator) -> None:
    space.stack(**{**ONCE, "pod": NOWHERE | {"restartPolicy": "Never"}}, workload=_job(backoffLimit=0))
    _ended_job(space, "Failed")

    assert eventually(lambda: space.condition("Stalled"))["reason"] == "Failed"
    (run,) = space.status()["runs"]
    assert (run["outcome"], bool(run["message"]), bool(run["endTime"])) == ("Failed", True, True)
    assert [one["exitCode"] for one in space.status()["problems"]] == [3]


def test_a_bare_pod_is_made_repaired_replaced_and_stays_finished(space: Space, operator: Operator) -> None:
    space.stack(**ONCE, files=None, workload={"kind": "Pod"})
    uid = eventually(lambda: space.get("Pod", "shop"))["metadata"]["uid"]

    _run_seen(space, "Pod")
    space.delete("Pod", "shop")
    again = eventually(lambda: (found := space.get("Pod", "shop"))["metadata"]["uid"] != uid and found)

    _run_seen(space, "Pod")
    space.edit(backend=BACKEND | {"command": ["false"]})
    third = eventually(
        lambda: (found := space.get("Pod", "shop"))["metadata"]["uid"] != again["metadata"]["uid"] and found
    )
    assert third["spec"]["containers"][0]["command"] == ["false"]

    _end(space, "shop", "Succeeded")
    space.ready()
    space.delete("Pod", "shop")
    eventually(lambda: not space.exists("Pod", "shop"))
    eventually(lambda: "not made again" in space.condition("Ready")["message"])
    assert not space.exists("Pod", "shop")
    assert _runs(space) == ["Completed", "Failed", "Failed"]


def test_a_cron_job_tells_of_its_runs_and_they_keep_their_files(space: Space, operator: Operator) -> None:
    space.stack(**ONCE, workload={"kind": "CronJob", "cronJob": {"schedule": "0 0 1 1 *"}})
    eventually(lambda: space.get("CronJob", "shop"))
    (files,) = [one["name"] for one in eventually(lambda: space.status()["resources"]) if one["kind"] == "ConfigMap"]
    _scheduled(space, "shop-1")
    eventually(lambda: _runs(space) == ["Running"])

    space.edit(files=[{"path": "/etc/app/settings.toml", "content": "debug = true\n"}])
    eventually(lambda: files not in [one["name"] for one in space.status()["resources"]])
    assert space.exists("ConfigMap", files), "a Job of the former revision runs"

    (pod,) = eventually(lambda: _pods(space))
    _end(space, pod["metadata"]["name"], "Succeeded")
    eventually(lambda: _runs(space) == ["Completed"])
    eventually(lambda: not space.exists("ConfigMap", files))


def _scheduled(space: Space, name: str) -> str:
    """Make a Job as the CronJob's controller does, and `kubectl create job --from`; return its pod's name."""
    cron = space.get("CronJob", "shop")
    template = cron["spec"]["jobTemplate"]
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "shop", "uid": cron["metadata"]["uid"]}
    owners = [owner | {"controller": True}]
    metadata = {"name": name, "labels": template["metadata"]["labels"], "ownerReferences": owners}
    space.create({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]})
    made = eventually(lambda: [pod for pod in _pods(space) if pod["metadata"]["labels"].get("job-name") == name])
    return str(made[0]["metadata"]["name"])


def test_a_cron_job_tells_why_its_last_run_failed_until_one_completes(space: Space, operator: Operator) -> None:
    schedule = {"kind": "CronJob", "cronJob": {"schedule": "0 0 1 1 *"}, "job": {"backoffLimit": 0}}
    space.stack(**{**ONCE, "pod": NOWHERE | {"restartPolicy": "Never"}}, workload=schedule)
    space.ready()

    _end(space, _scheduled(space, "shop-1"), "Failed", code=3)
    eventually(lambda: [one.get("exitCode") for one in space.status().get("problems", ())] == [3])
    assert "backend: Error: The container exited with code 3" in space.condition("Ready")["message"]
    pod = _scheduled(space, "shop-2")
    eventually(lambda: _runs(space) == ["Running", "Failed"])
    assert space.status()["problems"]
    _end(space, pod, "Succeeded")
    eventually(lambda: "problems" not in space.status())
    assert _runs(space) == ["Completed", "Failed"]


KINDS = ["StatefulSet", "DaemonSet", "Job", "CronJob", "Pod", "Deployment"]


def test_a_workload_becomes_another_kind_and_the_old_one_goes_last(
    space: Space, operator: Operator, audit: Audit
) -> None:
    space.stack(replicas=1, backend=SERVER, pod=NOWHERE)
    eventually(lambda: _pods(space))
    former = "Deployment"
    for kind in KINDS:
        own = {"cronJob": {"schedule": "0 0 1 1 *"}} if kind == "CronJob" else {"cronJob": None}
        space.edit(workload={"kind": kind, **own}, replicas=1 if kind in ("Deployment", "StatefulSet") else None)
        eventually(lambda k=kind: space.get(k, "shop")["metadata"]["labels"]["appstack.dev/stack"])  # type: ignore[misc]
        eventually(lambda k=former: not space.exists(k, "shop"))  # type: ignore[misc]
        former = kind
    eventually(lambda: len(_pods(space)) == 1)
    (pod,) = _pods(space)
    assert pod["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
    plurals = ["deployments", "statefulsets", "daemonsets", "jobs", "cronjobs", "pods"]
    mine = [
        word for word in audit.of(space.name) if word.split()[1] in plurals and word.split()[0] in ("patch", "delete")
    ]
    firsts = [word.split()[0] for word in mine]
    assert firsts == ["patch", *["patch", "delete"] * len(KINDS)], mine


def test_pods_of_one_kind_are_not_taken_by_another_with_the_same_selector(space: Space, operator: Operator) -> None:
    space.stack(replicas=2, backend=SERVER, pod=NOWHERE)
    eventually(lambda: len(_pods(space)) == 2)
    owners = {pod["metadata"]["uid"]: pod["metadata"]["ownerReferences"] for pod in _pods(space)}
    labels = {"appstack.dev/stack": "shop"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}], **NOWHERE}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    space.create(
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "rival"},
            "spec": spec | {"replicas": 1, "serviceName": "x"},
        }
    )
    eventually(lambda: space.exists("Pod", "rival-0"))
    eventually(lambda: space.get("StatefulSet", "rival")["status"]["replicas"] == 1)
    eventually(lambda: space.get("Deployment", "shop")["status"]["replicas"] == 2)

    now = {pod["metadata"]["uid"]: pod["metadata"]["ownerReferences"] for pod in _pods(space)}
    assert {uid: now.get(uid) for uid in owners} == owners


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_replicas_are_let_go_without_a_dip(space: Space, operator: Operator, cluster: Cluster, kind: str) -> None:
    space.stack(replicas=3, backend=SERVER, pod=NOWHERE, workload={"kind": kind})
    made = eventually(lambda: space.get(kind, "shop"))
    seen, watching = _numbers(cluster, space, kind, made["metadata"]["resourceVersion"])

    space.edit(replicas=None, autoscaling={"minReplicas": 2, "maxReplicas": 5})
    eventually(lambda: space.exists("HorizontalPodAutoscaler", "shop"))
    eventually(lambda: not _holds(space.get(kind, "shop"), "appstack"))
    assert _holds(space.get(kind, "shop"), "appstack-handover")
    space.patch(kind, "shop", {"spec": {"replicas": 4}}, sub="scale")
    eventually(lambda: 4 in seen)
    watching.set()

    assert seen == [3] * (len(seen) - seen.count(4)) + [4] * seen.count(4)
    assert not _holds(space.get(kind, "shop"), "appstack-handover")
    space.edit(replicas=2, autoscaling=None)
    eventually(lambda: space.get(kind, "shop")["spec"]["replicas"] == 2)
    eventually(lambda: not space.exists("HorizontalPodAutoscaler", "shop"))


def _holds(manifest: Manifest, manager: str) -> bool:
    entries = (one for one in manifest["metadata"]["managedFields"] if one["manager"] == manager)
    return any("f:replicas" in one["fieldsV1"].get("f:spec", {}) for one in entries)


def _numbers(cluster: Cluster, space: Space, kind: str, version: str) -> tuple[list[int], threading.Event]:
    """Note every number of replicas that anybody could see, until told to stop."""
    seen: list[int] = []
    over = threading.Event()
    pool: urllib3.PoolManager = cluster._pool
    url = f"{cluster.server}{space.path(kind)}?watch=true&resourceVersion={version}&timeoutSeconds=60"
    answer = pool.request("GET", url, preload_content=False)

    def follow() -> None:
        for line in answer:
            seen.append(json.loads(line)["object"]["spec"]["replicas"])
            if over.is_set():
                return

    threading.Thread(target=follow, daemon=True).start()
    return seen, over


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_controller_revisions_keep_the_files_to_roll_back_to(space: Space, operator: Operator, kind: str) -> None:
    count = {"replicas": 1} if kind == "StatefulSet" else {"replicas": None}
    options = {"kind": kind, kind[0].lower() + kind[1:]: {"revisionHistoryLimit": 0}}
    space.stack(**count, backend=SERVER, pod=NOWHERE, workload={"kind": kind})
    revisions = eventually(lambda: space.list("ControllerRevision", labelSelector="appstack.dev/stack=shop"))
    (first,) = [one["name"] for one in eventually(lambda: space.status()["resources"]) if one["kind"] == "ConfigMap"]
    assert f"shop-files-{revisions[0]['metadata']['labels']['appstack.dev/files']}" == first

    space.edit(files=[{"path": "/etc/app/settings.toml", "content": "debug = true\n"}])
    eventually(lambda: len(space.list("ControllerRevision")) == 2)
    eventually(lambda: first not in [one["name"] for one in space.status()["resources"]])
    for pod in _pods(space):
        space.cluster.request("DELETE", space.path("Pod", pod["metadata"]["name"]), gracePeriodSeconds="0")
    assert space.exists("ConfigMap", first), "a revision to roll back to needs it"

    space.edit(workload=options)
    for pod in _pods(space):
        if kind == "StatefulSet":
            _serving(space, pod["metadata"]["name"])
    eventually(lambda: not space.exists("ConfigMap", first), within=40)


def _serving(space: Space, pod: str) -> None:
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-21T07:00:00Z"}
    space.patch("Pod", pod, {"status": {"phase": "Running", "conditions": [condition]}}, sub="status")


CLAIM = {"resources": {"requests": {"storage": "2Gi"}}, "storageClassName": "none"}


def _with(claim: Manifest) -> Manifest:
    mounted = SERVER | {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    return {"backend": mounted, "volumes": [{"name": "data", "claim": claim}]}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"resources": {"requests": {"storage": "1Gi"}}}, "spec.volumes[0].claim.resources.requests.storage"),
        ({"storageClassName": "other"}, "spec.volumes[0].claim.storageClassName"),
        ({"accessModes": ["ReadWriteMany"]}, "spec.volumes[0].claim.accessModes"),
    ],
)
def test_what_a_claim_cannot_become_is_refused_and_nothing_is_written(
    space: Space, operator: Operator, audit: Audit, change: Manifest, field: str
) -> None:
    space.stack(**_with(CLAIM))
    space.ready()

    with audit.counting(space.name) as count:
        space.edit(**_with(CLAIM | change), replicas=0)
        stalled = eventually(lambda: space.condition("Stalled"))

    assert field in stalled["message"]
    assert {word for word in count if word.startswith("patch") and "status" not in word} <= {"patch appstacks 200"}
    assert not [word for word in count if "persistentvolumeclaims" in word or "deployments" in word]


STORAGE = "/apis/storage.k8s.io/v1/storageclasses"
VOLUMES = "/api/v1/persistentvolumes"


def test_a_claim_that_grows_is_passed_on(space: Space, operator: Operator) -> None:
    name = space.name  # neither a class nor a volume has a namespace
    kind = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
    space.cluster.request("POST", STORAGE, kind | {"provisioner": "none", "allowVolumeExpansion": True})
    spec = {
        "capacity": {"storage": "2Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": name,
        "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": "/nowhere"},
    }
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}
    space.cluster.request("POST", VOLUMES, volume)
    try:
        claim = CLAIM | {"storageClassName": name}
        space.stack(**_with(claim))
        eventually(lambda: space.get("PersistentVolumeClaim", "shop-data")["status"]["phase"] == "Bound")
        space.edit(**_with(claim | {"resources": {"requests": {"storage": "3Gi"}}}))
        space.ready()
        wanted = space.get("PersistentVolumeClaim", "shop-data")["spec"]["resources"]["requests"]["storage"]
    finally:
        space.cluster.request("DELETE", f"{VOLUMES}/{name}")
        space.cluster.request("DELETE", f"{STORAGE}/{name}")

    assert wanted == "3Gi"


def test_a_claim_per_replica_is_not_changed(space: Space, operator: Operator) -> None:
    claim = CLAIM | {"perReplica": True}
    space.stack(**_with(claim), workload={"kind": "StatefulSet"})
    space.ready()

    space.edit(**_with(claim | {"resources": {"requests": {"storage": "3Gi"}}}))

    stalled = eventually(lambda: space.condition("Stalled"))
    assert "spec.volumes[0].claim.resources.requests.storage: 3Gi instead of 2Gi" in stalled["message"]
    space.cluster.request("DELETE", space.path("StatefulSet", "shop"), propagationPolicy="Orphan")
    space.ready()
    (template,) = space.get("StatefulSet", "shop")["spec"]["volumeClaimTemplates"]
    assert template["spec"]["resources"]["requests"]["storage"] == "3Gi"

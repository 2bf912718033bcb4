"""Workloads that run to completion (Job, Pod, CronJob): they run once per spec, and status records their history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from appstack.k8s.metadata import FIELD_MANAGER
from tests.api.audit_log import AuditLog
from tests.api.cluster import APPLY, Manifest, Namespace, eventually
from tests.api.operator_process import OperatorProcess
from tests.api.pods import RUN_TO_COMPLETION, SERVER, TASK, UNSCHEDULABLE, finish_pod, pods

YEARLY = {"schedule": "0 0 1 1 *"}
FAILED_EXIT_CODE = 3
STATUS_DEBOUNCE_SECONDS = 0.9  # slightly less than the operator's, which is a second
NEW_PROXY_IMAGE = "nginx:of-another-release"


def _job(**options: Any) -> Manifest:
    return {"kind": "Job", "job": options}


def _wait_for_job(namespace: Namespace, *, other_than: str = "") -> Manifest:
    """Wait until the Job exists, under another uid if one is given, and return it."""
    return _wait_for(namespace, "Job", other_than=other_than)


def _wait_for(namespace: Namespace, kind: str, *, other_than: str = "") -> Manifest:
    def current() -> Manifest:
        manifest = namespace.get(kind, "shop")
        return manifest if manifest["metadata"]["uid"] != other_than else {}

    return eventually(current)


def _finish_job(namespace: Namespace, phase: str = "Succeeded") -> str:
    """Finish the pod of the Job and return the uid of the Job."""
    uid = _wait_for_job(namespace)["metadata"]["uid"]
    (pod,) = eventually(lambda: pods(namespace))
    exit_code = 0 if phase == "Succeeded" else FAILED_EXIT_CODE
    finish_pod(namespace, pod["metadata"]["name"], phase, exit_code=exit_code)
    return str(uid)


def _delete_job(namespace: Namespace) -> None:
    namespace.cluster.request("DELETE", namespace.path("Job", "shop"), propagationPolicy="Background")


def _outcomes(namespace: Namespace) -> list[str]:
    """Return the outcomes of the recorded runs, newest first."""
    return [run["outcome"] for run in namespace.status().get("runs", ())]


def _wait_for_recorded_run(namespace: Namespace, kind: str = "Job") -> None:
    """Wait until status records the current run as running."""
    uid = namespace.get(kind, "shop")["metadata"]["uid"]
    eventually(lambda: [_outcomes(namespace)[0], namespace.status()["runs"][0]["uid"]] == ["Running", uid])


def test_finished_job_is_not_recreated_after_its_deletion(
    namespace: Namespace, operator: OperatorProcess, audit_log: AuditLog
) -> None:
    namespace.create_stack(**RUN_TO_COMPLETION, workload=_job())
    _finish_job(namespace)
    namespace.wait_until_ready()
    assert _outcomes(namespace) == ["Completed"]

    with audit_log.counting(namespace.name) as counts:
        _delete_job(namespace)
        eventually(lambda: not namespace.exists("Job", "shop"))

    assert {request for request in counts if "jobs" in request} == set()
    assert not namespace.exists("Job", "shop")
    assert namespace.condition("Ready")["message"].startswith("Completed")
    assert _outcomes(namespace) == ["Completed"]


def test_job_deleted_by_its_ttl_is_not_recreated_until_the_spec_changes(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    namespace.create_stack(**RUN_TO_COMPLETION, workload=_job(ttlSecondsAfterFinished=0))
    uid = _finish_job(namespace)
    eventually(lambda: not namespace.exists("Job", "shop"))

    namespace.wait_until_ready()
    assert _outcomes(namespace) == ["Completed"]
    namespace.edit_stack(backend=TASK | {"command": ["true", "again"]})
    assert uid != _wait_for_job(namespace)["metadata"]["uid"]


def test_end_of_a_run_is_written_to_status_without_the_debounce(
    namespace: Namespace, operator: OperatorProcess, audit_log: AuditLog
) -> None:
    """A new leader would repeat a run whose end no status records."""
    gaps = []
    for name in ("first", "second", "third"):  # a busy machine may need longer than the debounce for one of them
        namespace.create_stack(name, **RUN_TO_COMPLETION, files=None, workload={"kind": "Pod"})
        eventually(lambda name=name: namespace.exists("Pod", name))  # type: ignore[misc]
        finish_pod(namespace, name, "Succeeded")
        namespace.wait_until_ready(name)
        written_at = _status_write_times(audit_log, namespace, name)
        gaps += [after - before for before, after in pairwise(written_at)]

    assert min(gaps) < STATUS_DEBOUNCE_SECONDS, gaps


def _status_write_times(audit_log: AuditLog, namespace: Namespace, name: str) -> list[float]:
    """Return the times of the status writes of an AppStack, in seconds since the epoch."""
    ref = {"namespace": namespace.name, "name": name, "resource": "appstacks", "subresource": "status"}
    eventually(lambda: "patch appstacks/status 200" in audit_log.requests(namespace.name))
    entries = (entry for entry in audit_log.read() if ref.items() <= entry.get("objectRef", {}).items())
    return [datetime.fromisoformat(entry["requestReceivedTimestamp"]).timestamp() for entry in entries]


def test_job_deleted_before_its_end_is_recreated(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack(**RUN_TO_COMPLETION, workload=_job())
    uid = _wait_for_job(namespace)["metadata"]["uid"]
    eventually(lambda: pods(namespace))
    _wait_for_recorded_run(namespace)
    _delete_job(namespace)

    _wait_for_job(namespace, other_than=uid)
    eventually(lambda: _outcomes(namespace) == ["Running", "Failed"])


@pytest.mark.parametrize(("finished", "outcomes"), [(True, ["Running", "Completed"]), (False, ["Running", "Failed"])])
def test_changed_job_is_replaced_and_its_former_run_stays_in_the_history(
    namespace: Namespace, operator: OperatorProcess, *, finished: bool, outcomes: list[str]
) -> None:
    namespace.create_stack(**RUN_TO_COMPLETION, workload=_job())
    uid = _wait_for_job(namespace)["metadata"]["uid"]
    _wait_for_recorded_run(namespace)
    if finished:
        _finish_job(namespace)
        namespace.wait_until_ready()

    namespace.edit_stack(backend=TASK | {"command": ["false"]})

    replaced = _wait_for_job(namespace, other_than=uid)
    assert replaced["spec"]["template"]["spec"]["containers"][0]["command"] == ["false"]
    eventually(lambda: _outcomes(namespace) == outcomes)
    (event,) = [event for event in namespace.list("Event") if event["reason"] == "Replaced"]
    assert event["type"] == "Normal"
    assert "Job" in event["note"]


@pytest.fixture
def upgrade(operator: OperatorProcess) -> Iterator[Callable[[], None]]:
    """Return a function that restarts the operator with another rendering of the proxy; undo that afterwards."""
    original = dict(operator.settings)

    def restart() -> None:
        operator.stop()
        operator.settings |= {"proxyImage": NEW_PROXY_IMAGE}
        operator.start()

    yield restart
    operator.stop()
    operator.settings = original
    operator.start()


@pytest.mark.parametrize("deleted", [False, True])
def test_operator_upgrade_repeats_no_run(
    namespace: Namespace, audit_log: AuditLog, upgrade: Callable[[], None], *, deleted: bool
) -> None:
    behind_proxy = {**RUN_TO_COMPLETION, "backend": SERVER, "proxy": {}}
    namespace.create_stack(**behind_proxy, workload=_job())
    job_uid = _finish_job(namespace)
    namespace.wait_until_ready()
    namespace.create_stack("running", **behind_proxy, workload={"kind": "Pod"})
    pod_uid = eventually(lambda: namespace.get("Pod", "running"))["metadata"]["uid"]
    eventually(lambda: namespace.status("running").get("resources"))
    if deleted:
        _delete_job(namespace)
        eventually(lambda: not namespace.exists("Job", "shop"))

    with audit_log.counting(namespace.name) as counts:
        upgrade()
        namespace.edit_stack(paused=True)
        eventually(lambda: namespace.condition("Ready"))
        namespace.edit_stack(paused=False, networkPolicy={})
        eventually(lambda: namespace.condition("Ready")["reason"] == "Ready")

    assert [request for request in counts if "jobs" in request or "pods" in request] == []
    assert namespace.get("Pod", "running")["metadata"]["uid"] == pod_uid
    namespace.edit_stack(backend=SERVER | {"command": ["true", "again"]})
    job = _wait_for_job(namespace, other_than=job_uid)
    proxy = job["spec"]["template"]["spec"]["initContainers"][-1]
    assert proxy["image"] == NEW_PROXY_IMAGE


@pytest.mark.parametrize("deleted", [False, True])
def test_upgrade_from_a_release_before_spec_hash_repeats_no_run(
    namespace: Namespace, operator: OperatorProcess, audit_log: AuditLog, upgrade: Callable[[], None], *, deleted: bool
) -> None:
    namespace.create_stack(**{**RUN_TO_COMPLETION, "backend": SERVER, "proxy": {}}, workload=_job())
    _finish_job(namespace)
    namespace.wait_until_ready()
    operator.stop()
    _store_status_of_a_former_release(namespace)
    if deleted:
        _delete_job(namespace)
        eventually(lambda: not namespace.exists("Job", "shop"))

    with audit_log.counting(namespace.name) as counts:
        upgrade()
        namespace.edit_stack(networkPolicy={})
        eventually(lambda: any("specHash" in entry for entry in namespace.status()["resources"]))

    assert [request for request in counts if "jobs" in request] == []
    assert [] == [entry for entry in namespace.status()["resources"] if "wish" in entry]


def _store_status_of_a_former_release(namespace: Namespace) -> None:
    """Apply the status as releases before `specHash` wrote it: under the operator's field manager."""
    stack = namespace.get("AppStack", "shop")
    status = stack["status"]
    status["resources"] = [
        {("wish" if key == "specHash" else key): value for key, value in entry.items()} for entry in status["resources"]
    ]
    body = {key: stack[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": "shop"}, "status": status}
    path = f"{namespace.path('AppStack', 'shop')}/status"
    namespace.cluster.request("PATCH", path, body, content_type=APPLY, fieldManager=FIELD_MANAGER, force="true")
    assert any("wish" in entry for entry in namespace.status()["resources"])
    assert not any("specHash" in entry for entry in namespace.status()["resources"])


def test_mutable_field_of_a_job_is_changed_in_place(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.create_stack(**RUN_TO_COMPLETION, workload=_job(parallelism=1))
    uid = _wait_for_job(namespace)["metadata"]["uid"]

    namespace.edit_stack(workload=_job(parallelism=0))

    eventually(lambda: namespace.get("Job", "shop")["spec"]["parallelism"] == 0)
    assert namespace.get("Job", "shop")["metadata"]["uid"] == uid


def test_job_is_not_deleted_for_a_replacement_that_the_api_server_refuses(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    namespace.create_stack(**RUN_TO_COMPLETION, workload=_job())
    uid = _wait_for_job(namespace)["metadata"]["uid"]
    invalid = {
        "command": ["false"],
        "terminationMessagePath": "x" * 20,
        "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "no.such"}}}],
    }

    namespace.edit_stack(backend=TASK | invalid)

    stalled = eventually(lambda: namespace.condition("Stalled"))
    assert "spec.backend.env[0].valueFrom.fieldRef.fieldPath: Invalid value" in stalled["message"]
    assert namespace.get("Job", "shop")["metadata"]["uid"] == uid
    assert "deletionTimestamp" not in namespace.get("Job", "shop")["metadata"]


def test_failed_job_is_reported_with_its_exit_code(namespace: Namespace, operator: OperatorProcess) -> None:
    pod = UNSCHEDULABLE | {"restartPolicy": "Never"}
    namespace.create_stack(**{**RUN_TO_COMPLETION, "pod": pod}, workload=_job(backoffLimit=0))
    _finish_job(namespace, "Failed")

    assert eventually(lambda: namespace.condition("Stalled"))["reason"] == "Failed"
    (run,) = namespace.status()["runs"]
    assert (run["outcome"], bool(run["message"]), bool(run["endTime"])) == ("Failed", True, True)
    assert [problem["exitCode"] for problem in namespace.status()["problems"]] == [FAILED_EXIT_CODE]


def test_bare_pod_is_recreated_and_replaced_until_it_has_finished(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    namespace.create_stack(**RUN_TO_COMPLETION, files=None, workload={"kind": "Pod"})
    first = _wait_for(namespace, "Pod")

    _wait_for_recorded_run(namespace, "Pod")
    namespace.delete("Pod", "shop")
    recreated = _wait_for(namespace, "Pod", other_than=first["metadata"]["uid"])

    _wait_for_recorded_run(namespace, "Pod")
    namespace.edit_stack(backend=TASK | {"command": ["false"]})
    replaced = _wait_for(namespace, "Pod", other_than=recreated["metadata"]["uid"])
    assert replaced["spec"]["containers"][0]["command"] == ["false"]

    finish_pod(namespace, "shop", "Succeeded")
    namespace.wait_until_ready()
    namespace.delete("Pod", "shop")
    eventually(lambda: not namespace.exists("Pod", "shop"))
    eventually(lambda: "is not recreated" in namespace.condition("Ready")["message"])
    assert not namespace.exists("Pod", "shop")
    assert _outcomes(namespace) == ["Completed", "Failed", "Failed"]


def test_cron_job_history_is_recorded_and_a_run_keeps_its_files(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    namespace.create_stack(**RUN_TO_COMPLETION, workload={"kind": "CronJob", "cronJob": YEARLY})
    eventually(lambda: namespace.get("CronJob", "shop"))
    resources = eventually(lambda: namespace.status()["resources"])
    (files,) = [ref["name"] for ref in resources if ref["kind"] == "ConfigMap"]
    _create_scheduled_job(namespace, "shop-1")
    eventually(lambda: _outcomes(namespace) == ["Running"])

    namespace.edit_stack(files=[{"path": "/etc/app/settings.toml", "content": "debug = true\n"}])
    eventually(lambda: files not in [ref["name"] for ref in namespace.status()["resources"]])
    assert namespace.exists("ConfigMap", files), "a Job of the old revision is running"

    (pod,) = eventually(lambda: pods(namespace))
    finish_pod(namespace, pod["metadata"]["name"], "Succeeded")
    eventually(lambda: _outcomes(namespace) == ["Completed"])
    eventually(lambda: not namespace.exists("ConfigMap", files))


def _create_scheduled_job(namespace: Namespace, name: str) -> str:
    """Create a Job as the CronJob controller does; return the name of its pod."""
    cron_job = namespace.get("CronJob", "shop")
    template = cron_job["spec"]["jobTemplate"]
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "shop", "uid": cron_job["metadata"]["uid"]}
    owners = [owner | {"controller": True}]
    metadata = {"name": name, "labels": template["metadata"]["labels"], "ownerReferences": owners}
    namespace.create({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]})
    created = eventually(lambda: [pod for pod in pods(namespace) if pod["metadata"]["labels"].get("job-name") == name])
    return str(created[0]["metadata"]["name"])


def test_failure_of_a_cron_job_is_reported_until_a_run_completes(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    workload = {"kind": "CronJob", "cronJob": YEARLY, "job": {"backoffLimit": 0}}
    pod = UNSCHEDULABLE | {"restartPolicy": "Never"}
    namespace.create_stack(**{**RUN_TO_COMPLETION, "pod": pod}, workload=workload)
    namespace.wait_until_ready()

    failing = _create_scheduled_job(namespace, "shop-1")
    finish_pod(namespace, failing, "Failed", exit_code=FAILED_EXIT_CODE)
    eventually(lambda: _problem_exit_codes(namespace) == [FAILED_EXIT_CODE])
    message = namespace.condition("Ready")["message"]
    assert f"backend: Error: The container exited with code {FAILED_EXIT_CODE}" in message
    completing = _create_scheduled_job(namespace, "shop-2")
    eventually(lambda: _outcomes(namespace) == ["Running", "Failed"])
    assert namespace.status()["problems"]
    finish_pod(namespace, completing, "Succeeded")
    eventually(lambda: "problems" not in namespace.status())
    assert _outcomes(namespace) == ["Completed", "Failed"]


def _problem_exit_codes(namespace: Namespace) -> list[int | None]:
    return [problem.get("exitCode") for problem in namespace.status().get("problems", ())]

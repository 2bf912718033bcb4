"""The example one-off: a Job with a native sidecar."""

from __future__ import annotations

from tests.e2e.namespace import Example, Manifest, Namespace, condition_status, uid_of

EXAMPLE = Example("08-one-off")
NAME = EXAMPLE.name


def test_job_completes_and_the_stack_is_ready(deployed: Namespace) -> None:
    job = deployed.get("job", NAME)

    assert [condition["type"] for condition in job["status"]["conditions"] if condition["status"] == "True"][
        -1
    ] == "Complete"
    assert job["status"]["succeeded"] == 1
    assert condition_status(deployed.appstack(NAME), "Ready") == "True"


def test_sidecar_serves_the_job_and_ends_with_it(deployed: Namespace) -> None:
    (pod,) = deployed.children("pods", NAME)
    (sidecar,) = pod["status"]["initContainerStatuses"]

    log = deployed.kubectl("logs", pod["metadata"]["name"], "--container", "backend")
    assert log.splitlines()[-2:] == ["what is there to do?", "the work is done"]
    assert pod["status"]["phase"] == "Succeeded"
    assert "terminated" in sidecar["state"]


def test_status_lists_the_run(deployed: Namespace) -> None:
    (run,) = deployed.appstack(NAME)["status"]["runs"]

    assert (run["name"], run["outcome"]) == (NAME, "Completed")
    assert run["startTime"] <= run["endTime"]


def test_finished_job_is_not_recreated_after_its_deletion(deployed: Namespace) -> None:
    deployed.kubectl("delete", "job", NAME)
    annotated = EXAMPLE.stack
    annotated["metadata"]["annotations"] = {"reconcile": "again"}
    # When an AppStack that is created later is Ready, the operator has reconciled the first one.
    other = EXAMPLE.stack
    other["metadata"]["name"] = "another"

    deployed.apply(annotated, other)
    deployed.wait_until_ready("another")

    assert deployed.find("job", NAME) is None
    assert condition_status(deployed.appstack(NAME), "Ready") == "True"


def test_changed_spec_runs_again_and_the_former_run_stays_in_the_history(deployed: Namespace) -> None:
    former = deployed.appstack(NAME)["status"]["runs"]
    stack = EXAMPLE.stack
    stack["spec"]["backend"]["env"] = [{"name": "AGAIN", "value": "yes"}]

    deployed.apply(stack)
    deployed.wait_until_ready(NAME)

    runs = deployed.appstack(NAME)["status"]["runs"]
    assert [run["outcome"] for run in runs] == ["Completed", "Completed"]
    assert runs[1:] == former
    assert deployed.get("job", NAME)["status"]["succeeded"] == 1


def test_change_during_a_run_replaces_the_job(deployed: Namespace) -> None:
    stack = EXAMPLE.stack
    stack["metadata"]["name"] = "endless"
    stack["spec"]["backend"]["command"] = ["sleep", "3600"]
    deployed.apply(stack)
    former = deployed.wait_for("the Job exists", lambda: deployed.find("job", "endless"))
    stack["spec"]["backend"]["command"] = ["true"]

    deployed.apply(stack)
    deployed.wait_until_ready("endless")

    assert uid_of(deployed.get("job", "endless")) != uid_of(former)


def test_failed_job_is_reported_and_the_stack_is_not_ready(deployed: Namespace) -> None:
    stack = EXAMPLE.stack
    stack["metadata"]["name"] = "failing"
    stack["spec"]["workload"]["job"]["backoffLimit"] = 0
    stack["spec"]["pod"]["restartPolicy"] = "Never"
    stack["spec"]["backend"]["command"] = ["sh", "-c", "exit 3"]

    deployed.apply(stack)
    run = deployed.wait_for("the run has ended", lambda: finished_run(deployed))

    assert run["outcome"] == "Failed"
    assert condition_status(deployed.appstack("failing"), "Ready") == "False"


def finished_run(namespace: Namespace) -> Manifest | None:
    """Return the run of the failing AppStack when it has ended, else None."""
    runs = namespace.appstack("failing").get("status", {}).get("runs", [])
    return next((run for run in runs if run["outcome"] != "Running"), None)

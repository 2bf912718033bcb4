"""The example one-off: a Job with a native sidecar."""

from __future__ import annotations

import pytest

from tests.e2e.harness import Example, Manifest, Space, condition, uid_of

EXAMPLE = Example("08-one-off")
NAME = EXAMPLE.name


@pytest.fixture(scope="module")
def deployed(space: Space) -> Space:
    space.apply(*EXAMPLE.manifests)
    space.ready(NAME)
    return space


def test_it_completes_and_is_ready(deployed: Space) -> None:
    job = deployed.get("job", NAME)

    assert [each["type"] for each in job["status"]["conditions"] if each["status"] == "True"][-1] == "Complete"
    assert job["status"]["succeeded"] == 1
    assert condition(deployed.stack(NAME), "Ready") == "True"


def test_the_sidecar_served_the_work_and_did_not_hold_it_up(deployed: Space) -> None:
    (pod,) = deployed.every("pods", NAME)
    (helper,) = pod["status"]["initContainerStatuses"]

    said = deployed.kubectl("logs", pod["metadata"]["name"], "--container", "backend")
    assert said.splitlines()[-2:] == ["what is there to do?", "the work is done"]
    assert pod["status"]["phase"] == "Succeeded"
    assert "terminated" in helper["state"]


def test_status_tells_of_the_run(deployed: Space) -> None:
    (run,) = deployed.stack(NAME)["status"]["runs"]

    assert (run["name"], run["outcome"]) == (NAME, "Completed")
    assert run["startTime"] <= run["endTime"]


def test_finished_work_stays_finished_whoever_deletes_it(deployed: Space) -> None:
    deployed.kubectl("delete", "job", NAME)
    looked_again = EXAMPLE.stack
    looked_again["metadata"]["annotations"] = {"looked": "again"}
    # A stack made after the deletion is Ready when the operator has had every reason to look at the first one.
    other = EXAMPLE.stack
    other["metadata"]["name"] = "another"

    deployed.apply(looked_again, other)
    deployed.ready("another")

    assert deployed.find("job", NAME) is None
    assert condition(deployed.stack(NAME), "Ready") == "True"


def test_a_changed_spec_runs_anew_and_the_former_end_stays_readable(deployed: Space) -> None:
    former = deployed.stack(NAME)["status"]["runs"]
    stack = EXAMPLE.stack
    stack["spec"]["backend"]["env"] = [{"name": "AGAIN", "value": "yes"}]

    deployed.apply(stack)
    deployed.ready(NAME)

    runs = deployed.stack(NAME)["status"]["runs"]
    assert [run["outcome"] for run in runs] == ["Completed", "Completed"]
    assert runs[1:] == former
    assert deployed.get("job", NAME)["status"]["succeeded"] == 1


def test_a_change_while_it_ran_replaces_the_job(deployed: Space) -> None:
    stack = EXAMPLE.stack
    stack["metadata"]["name"] = "endless"
    stack["spec"]["backend"]["command"] = ["sleep", "3600"]
    deployed.apply(stack)
    former = deployed.until("the Job runs", lambda: deployed.find("job", "endless"))
    stack["spec"]["backend"]["command"] = ["true"]

    deployed.apply(stack)
    deployed.ready("endless")

    assert uid_of(deployed.get("job", "endless")) != uid_of(former)


def test_a_failed_job_is_told_and_not_ready(deployed: Space) -> None:
    stack = EXAMPLE.stack
    stack["metadata"]["name"] = "failing"
    stack["spec"]["workload"]["job"]["backoffLimit"] = 0
    stack["spec"]["pod"]["restartPolicy"] = "Never"
    stack["spec"]["backend"]["command"] = ["sh", "-c", "exit 3"]

    deployed.apply(stack)
    run = deployed.until("the run has failed", lambda: failed(deployed))

    assert run["outcome"] == "Failed"
    assert condition(deployed.stack("failing"), "Ready") == "False"


def failed(space: Space) -> Manifest | None:
    """Return the run that is over."""
    runs = space.stack("failing").get("status", {}).get("runs", [])
    return next((run for run in runs if run["outcome"] != "Running"), None)

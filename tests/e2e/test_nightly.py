"""The example nightly: a CronJob with files and a node cache."""

from __future__ import annotations

import pytest

from tests.e2e.harness import Example, Manifest, Space

EXAMPLE = Example("13-nightly")
NAME = EXAMPLE.name


@pytest.fixture(scope="module")
def deployed(space: Space) -> Space:
    """Deploy the example on one node, where a second run can find what the first one left."""
    stack = EXAMPLE.stack
    node = space.get("pod", "client")["spec"]["nodeName"]
    stack["spec"]["pod"] = {"nodeSelector": {"kubernetes.io/hostname": node}}
    space.apply(stack)
    space.ready(NAME)
    return space


def run(space: Space, name: str) -> str:
    """Let it run now and return what the run said."""
    space.kubectl("create", "job", f"--from=cronjob/{NAME}", name)
    space.kubectl("wait", "--for=condition=Complete", f"job/{name}", "--timeout=120s")
    return space.kubectl("logs", f"job/{name}", "--container", "backend")


def test_a_run_leaves_its_mark_for_the_next(deployed: Space) -> None:
    assert run(deployed, "first") == "found 0 former runs\n"
    assert run(deployed, "second") == "found 1 former runs\n"


def test_the_script_is_the_file_of_the_resource(deployed: Space) -> None:
    (pod,) = [pod for pod in deployed.every("pods", NAME) if pod["metadata"]["labels"]["job-name"] == "first"]

    (files,) = [volume["configMap"] for volume in pod["spec"]["volumes"] if volume["name"] == "appstack-files"]
    (script,) = deployed.get("configmap", files["name"])["data"].values()
    assert script == EXAMPLE.stack["spec"]["files"][0]["content"]


def test_status_tells_of_the_last_runs_newest_first(deployed: Space) -> None:
    def told() -> list[Manifest] | None:
        runs = deployed.stack(NAME)["status"].get("runs", [])
        return runs if [each["outcome"] for each in runs] == ["Completed", "Completed"] else None

    runs = deployed.until("both runs are told", told)

    assert [each["name"] for each in runs] == ["second", "first"]


def test_a_changed_script_is_what_the_next_run_runs(deployed: Space) -> None:
    stack = EXAMPLE.stack
    stack["spec"]["pod"] = deployed.stack(NAME)["spec"]["pod"]
    stack["spec"]["files"][0]["content"] = "echo the new one\n"

    deployed.apply(stack)
    deployed.ready(NAME)

    assert run(deployed, "third") == "the new one\n"


def test_it_is_ready_when_it_is_accepted_and_runs_by_its_schedule(space: Space) -> None:
    stack = EXAMPLE.stack
    stack["metadata"]["name"] = "each-minute"
    stack["spec"]["workload"]["cronJob"]["schedule"] = "* * * * *"

    space.apply(stack)
    space.ready("each-minute")

    space.until("a run came by itself", lambda: completed(space, "each-minute"), 150)  # a minute to its time


def completed(space: Space, name: str) -> bool:
    """Tell whether status tells of a run that is over."""
    return any(run["outcome"] == "Completed" for run in space.stack(name)["status"].get("runs", []))

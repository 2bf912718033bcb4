"""The example nightly: a CronJob with files and a node cache."""

from __future__ import annotations

import pytest

from tests.e2e.namespace import Example, Manifest, Namespace

EXAMPLE = Example("13-nightly")
NAME = EXAMPLE.name
SCHEDULED_RUN_SECONDS = 150  # a minute until the schedule, and the run


@pytest.fixture(scope="module")
def deployed(namespace: Namespace) -> Namespace:
    """Deploy the example on one node, because a run reads the node cache of the former run; return its namespace."""
    stack = EXAMPLE.stack
    node = namespace.get("pod", "client")["spec"]["nodeName"]
    stack["spec"]["pod"] = {"nodeSelector": {"kubernetes.io/hostname": node}}
    namespace.apply(stack)
    namespace.wait_until_ready(NAME)
    return namespace


def run_now(namespace: Namespace, name: str) -> str:
    """Start a run of the CronJob, wait for its completion and return its log."""
    namespace.kubectl("create", "job", f"--from=cronjob/{NAME}", name)
    namespace.kubectl("wait", "--for=condition=Complete", f"job/{name}", "--timeout=120s")
    return namespace.kubectl("logs", f"job/{name}", "--container", "backend")


def test_run_reads_the_cache_of_the_former_run(deployed: Namespace) -> None:
    assert run_now(deployed, "first") == "found 0 former runs\n"
    assert run_now(deployed, "second") == "found 1 former runs\n"


def test_script_is_the_file_of_the_spec(deployed: Namespace) -> None:
    (pod,) = [pod for pod in deployed.children("pods", NAME) if pod["metadata"]["labels"]["job-name"] == "first"]

    (files,) = [volume["configMap"] for volume in pod["spec"]["volumes"] if volume["name"] == "appstack-files"]
    (script,) = deployed.get("configmap", files["name"])["data"].values()
    assert script == EXAMPLE.stack["spec"]["files"][0]["content"]


def test_status_lists_the_last_runs_newest_first(deployed: Namespace) -> None:
    def both_completed() -> list[Manifest] | None:
        runs = deployed.appstack(NAME)["status"].get("runs", [])
        return runs if [run["outcome"] for run in runs] == ["Completed", "Completed"] else None

    runs = deployed.wait_for("status lists both runs", both_completed)

    assert [run["name"] for run in runs] == ["second", "first"]


def test_next_run_uses_a_changed_script(deployed: Namespace) -> None:
    stack = EXAMPLE.stack
    stack["spec"]["pod"] = deployed.appstack(NAME)["spec"]["pod"]
    stack["spec"]["files"][0]["content"] = "echo the new script\n"

    deployed.apply(stack)
    deployed.wait_until_ready(NAME)

    assert run_now(deployed, "third") == "the new script\n"


def test_cron_job_is_ready_before_its_first_run_and_runs_on_schedule(namespace: Namespace) -> None:
    stack = EXAMPLE.stack
    stack["metadata"]["name"] = "each-minute"
    stack["spec"]["workload"]["cronJob"]["schedule"] = "* * * * *"

    namespace.apply(stack)
    namespace.wait_until_ready("each-minute")

    namespace.wait_for(
        "a scheduled run has completed", lambda: has_completed_run(namespace, "each-minute"), SCHEDULED_RUN_SECONDS
    )


def has_completed_run(namespace: Namespace, name: str) -> bool:
    """Return whether status lists a completed run."""
    return any(run["outcome"] == "Completed" for run in namespace.appstack(name)["status"].get("runs", []))

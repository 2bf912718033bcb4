"""The example crashloop: busybox without a command, as a Deployment."""

from __future__ import annotations

import pytest

from tests.e2e.namespace import Example, Manifest, Namespace, condition_status

EXAMPLE = Example("10-crashloop")
NAME = EXAMPLE.name


@pytest.fixture(scope="module")
def history(namespace: Namespace) -> list[Manifest]:
    """Deploy the example and return the AppStack as observed repeatedly until status reports the crash loop."""
    namespace.apply(*EXAMPLE.manifests)
    history: list[Manifest] = []

    def restarted_thrice() -> bool:
        history.append(namespace.appstack(NAME))
        statuses = [status for pod in namespace.pods(NAME) for status in pod["status"].get("containerStatuses", [])]
        return any(status["restartCount"] >= 3 for status in statuses)

    def reported() -> bool:
        history.append(namespace.appstack(NAME))
        return bool(problems(history[-1]))

    namespace.wait_for("the container was restarted three times", restarted_thrice)
    namespace.wait_for("status reports the crash loop", reported)
    return history


def problems(stack: Manifest) -> list[Manifest]:
    """Return the problems in the status of an AppStack."""
    return list(stack.get("status", {}).get("problems", []))


def test_stack_is_never_ready(history: list[Manifest]) -> None:
    assert {condition_status(stack, "Ready") for stack in history} <= {"", "False"}
    assert condition_status(history[-1], "Ready") == "False"


def test_status_reports_the_container_the_reason_and_a_hint(history: list[Manifest]) -> None:
    (problem,) = problems(history[-1])

    assert (problem["container"], problem["reason"], problem["exitCode"]) == ("backend", "CrashLoopBackOff", 0)
    assert problem["field"].startswith("spec.backend")
    assert "command" in problem["hint"]


def test_message_of_the_ready_condition_names_the_container(history: list[Manifest]) -> None:
    conditions = {condition["type"]: condition for condition in history[-1]["status"]["conditions"]}

    assert "backend" in conditions["Ready"]["message"]


def test_stack_becomes_ready_when_a_command_is_added(namespace: Namespace, history: list[Manifest]) -> None:
    stack = EXAMPLE.stack
    stack["spec"]["backend"]["command"] = ["sh", "-c", "trap exit TERM; while sleep 1; do :; done"]

    namespace.apply(stack)

    assert not problems(namespace.wait_until_ready(NAME))

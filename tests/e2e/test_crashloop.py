"""The example crashloop: busybox without a command, as a Deployment."""

from __future__ import annotations

import time

import pytest

from tests.e2e.harness import PATIENCE, Example, Manifest, Space, condition

EXAMPLE = Example("10-crashloop")
NAME = EXAMPLE.name


@pytest.fixture(scope="module")
def seen(space: Space) -> list[Manifest]:
    """Deploy the example and return the stack as it was at every look, up to some time after the crash loop."""
    space.apply(*EXAMPLE.manifests)
    looks: list[Manifest] = []

    def looped_twice() -> bool:
        looks.append(space.stack(NAME))
        statuses = [s for pod in space.pods(NAME) for s in pod["status"].get("containerStatuses", [])]
        return any(status["restartCount"] >= 3 for status in statuses)

    space.until("its container was started four times", looped_twice)
    deadline = time.monotonic() + PATIENCE
    while not problems(looks[-1]) and time.monotonic() < deadline:
        looks.append(space.stack(NAME))
    return looks


def problems(stack: Manifest) -> list[Manifest]:
    """Return what status tells."""
    return list(stack.get("status", {}).get("problems", []))


def test_it_is_never_ready(seen: list[Manifest]) -> None:
    assert {condition(stack, "Ready") for stack in seen} <= {"", "False"}
    assert condition(seen[-1], "Ready") == "False"


def test_status_names_the_container_the_reason_and_what_to_do(seen: list[Manifest]) -> None:
    (problem,) = problems(seen[-1])

    assert (problem["container"], problem["reason"], problem["exitCode"]) == ("backend", "CrashLoopBackOff", 0)
    assert problem["field"].startswith("spec.backend")
    assert "command" in problem["hint"]


def test_the_message_of_ready_names_it_too(seen: list[Manifest]) -> None:
    (ready,) = [each for each in seen[-1]["status"]["conditions"] if each["type"] == "Ready"]

    assert "backend" in ready["message"]


def test_a_command_mends_it(space: Space, seen: list[Manifest]) -> None:
    stack = EXAMPLE.stack
    stack["spec"]["backend"]["command"] = ["sh", "-c", "trap exit TERM; while sleep 1; do :; done"]

    space.apply(stack)

    assert not problems(space.ready(NAME))

"""The example busybox: a bare Pod with a restartPolicy and labels that sleeps."""

from __future__ import annotations

import pytest

from tests.e2e.harness import Example, Manifest, Space, backend_of, condition, uid_of

EXAMPLE = Example("07-busybox")
NAME = EXAMPLE.name


@pytest.fixture(scope="module")
def deployed(space: Space) -> Space:
    space.apply(*EXAMPLE.manifests)
    space.ready(NAME)
    return space


def test_it_runs_and_has_its_restart_policy_and_labels(deployed: Space) -> None:
    pod = deployed.get("pod", NAME)

    assert pod["status"]["phase"] == "Running"
    assert pod["spec"]["restartPolicy"] == "Always"
    assert pod["metadata"]["labels"]["tier"] == "sandbox"
    assert deployed.exec(NAME, "backend", "cat", "/proc/1/cmdline") == "sleep\0003600\0"


def test_a_change_that_a_pod_takes_is_made_in_place(deployed: Space) -> None:
    former = deployed.get("pod", NAME)
    stack = EXAMPLE.stack
    stack["spec"]["pod"]["metadata"]["labels"]["tier"] = "playground"

    deployed.apply(stack)
    deployed.until("the label is changed", lambda: tier(deployed) == "playground")

    assert uid_of(deployed.get("pod", NAME)) == uid_of(former)


def tier(space: Space) -> str:
    """Return the label of the pod."""
    return str(space.get("pod", NAME)["metadata"]["labels"].get("tier"))


def test_a_change_of_an_immutable_field_replaces_the_pod_and_says_so(deployed: Space) -> None:
    former = deployed.get("pod", NAME)
    stack = EXAMPLE.stack
    stack["spec"]["backend"]["command"] = ["sleep", "7200"]

    deployed.apply(stack)
    present = deployed.until("another pod is there", lambda: replaced(deployed, former))
    deployed.ready(NAME)

    assert backend_of(present)["command"] == ["sleep", "7200"]
    said = deployed.until("an event says so", lambda: events(deployed, "Replaced"))
    assert "Pod" in said[0]["message"]


def replaced(space: Space, former: Manifest) -> Manifest | None:
    """Return the pod once it is another one."""
    found = space.find("pod", NAME)
    return found if found and uid_of(found) != uid_of(former) else None


def events(space: Space, reason: str) -> list[Manifest]:
    """Return what was told of the AppStack under one reason."""
    return [each for each in space.items("events") if each["reason"] == reason and about(each)]


def about(event: Manifest) -> bool:
    """Tell whether an event speaks of the AppStack."""
    spoken_of = event["involvedObject"]
    return bool(spoken_of["kind"] == "AppStack" and spoken_of["name"] == NAME)


def test_a_deleted_pod_comes_back(deployed: Space) -> None:
    former = deployed.get("pod", NAME)

    deployed.kubectl("delete", "pod", NAME, "--wait=false")

    deployed.until("another pod is there", lambda: replaced(deployed, former))
    deployed.until("it is Ready", lambda: condition(deployed.stack(NAME), "Ready") == "True")

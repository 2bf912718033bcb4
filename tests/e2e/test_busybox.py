"""The example busybox: a bare Pod with a restartPolicy and labels."""

from __future__ import annotations

from tests.e2e.namespace import Example, Manifest, Namespace, backend_of, uid_of

EXAMPLE = Example("07-busybox")
NAME = EXAMPLE.name


def test_pod_runs_with_its_restart_policy_and_labels(deployed: Namespace) -> None:
    pod = deployed.get("pod", NAME)

    assert pod["status"]["phase"] == "Running"
    assert pod["spec"]["restartPolicy"] == "Always"
    assert pod["metadata"]["labels"]["tier"] == "sandbox"
    assert deployed.exec(NAME, "backend", "cat", "/proc/1/cmdline") == "sleep\0003600\0"


def test_label_change_is_applied_to_the_running_pod(deployed: Namespace) -> None:
    former = deployed.get("pod", NAME)
    stack = EXAMPLE.stack
    stack["spec"]["pod"]["metadata"]["labels"]["tier"] = "playground"

    deployed.apply(stack)
    deployed.wait_for("the label is changed", lambda: tier_label(deployed) == "playground")

    assert uid_of(deployed.get("pod", NAME)) == uid_of(former)


def tier_label(namespace: Namespace) -> str:
    """Return the label `tier` of the pod."""
    return str(namespace.get("pod", NAME)["metadata"]["labels"].get("tier"))


def test_change_of_an_immutable_field_replaces_the_pod_and_records_an_event(deployed: Namespace) -> None:
    former = deployed.get("pod", NAME)
    stack = EXAMPLE.stack
    stack["spec"]["backend"]["command"] = ["sleep", "7200"]

    deployed.apply(stack)
    replacement = deployed.wait_for("another pod exists", lambda: pod_other_than(deployed, former))
    deployed.wait_until_ready(NAME)

    assert backend_of(replacement)["command"] == ["sleep", "7200"]
    events = deployed.wait_for("an event is recorded", lambda: stack_events(deployed, "Replaced"))
    assert "Pod" in events[0]["message"]


def pod_other_than(namespace: Namespace, former: Manifest) -> Manifest | None:
    """Return the pod when its uid differs from the former one's, else None."""
    pod = namespace.find("pod", NAME)
    return pod if pod and uid_of(pod) != uid_of(former) else None


def stack_events(namespace: Namespace, reason: str) -> list[Manifest]:
    """Return the events of the AppStack with a reason."""
    return [event for event in namespace.list_objects("events") if event["reason"] == reason and is_about_stack(event)]


def is_about_stack(event: Manifest) -> bool:
    """Return whether an event is about the AppStack."""
    involved = event["involvedObject"]
    return bool(involved["kind"] == "AppStack" and involved["name"] == NAME)


def test_deleted_pod_is_recreated(deployed: Namespace) -> None:
    former = deployed.get("pod", NAME)

    deployed.kubectl("delete", "pod", NAME, "--wait=false")

    deployed.wait_for("another pod exists", lambda: pod_other_than(deployed, former))
    deployed.wait_until_ready(NAME)

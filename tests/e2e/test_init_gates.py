"""The example init-gates: several init containers in order, each blocking, one with a Secret of its own."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.e2e.harness import Example, Manifest, Space, backend_of

EXAMPLE = Example("05-init-gates")
STACK, GATE = "init-gates", "gate"
URL = f"http://{STACK}:8000"


def part(name: str) -> list[Manifest]:
    """Return what the example has under this name."""
    return [each for each in EXAMPLE.manifests if each["metadata"]["name"] == name]


def state_of(pod: Manifest, container: str) -> str:
    """Return whether an init container is waiting, running or terminated; empty before the kubelet said so."""
    statuses = pod["status"].get("initContainerStatuses", [])
    states = [next(iter(each["state"]), "") for each in statuses if each["name"] == container]
    return states[0] if states else ""


@pytest.fixture(scope="module")
def blocked(space: Space) -> Manifest:
    """Deploy the example while its gate is closed, and return the pod as it then stands."""
    space.apply(*part(STACK))

    def waiting() -> Manifest | None:
        pods = space.pods(STACK)
        return pods[0] if pods and state_of(pods[0], "wait") == "running" else None

    return space.until("the first gate is being waited for", waiting)


@pytest.fixture(scope="module")
def opened(space: Space, blocked: Manifest) -> Space:
    space.apply(*part(GATE))
    space.ready(GATE)
    space.ready(STACK)
    return space


def test_a_closed_gate_blocks_all_that_come_after(blocked: Manifest) -> None:
    (backend,) = blocked["status"]["containerStatuses"]

    assert [state_of(blocked, name) for name in ("wait", "unlock", "prepare")] == ["running", "waiting", "waiting"]
    assert backend["state"]["waiting"]["reason"] == "PodInitializing"


def test_the_same_pod_goes_on_when_the_gate_opens(blocked: Manifest, opened: Space) -> None:
    assert opened.pod(STACK)["metadata"]["uid"] == blocked["metadata"]["uid"]


def test_they_run_in_the_order_in_which_they_are_written(opened: Space) -> None:
    assert opened.page(f"{URL}/files?path=/work/order").split() == ["wait", "unlock", "prepare"]


def test_each_ended_before_the_next_began(opened: Space) -> None:
    statuses = opened.pod(STACK)["status"]["initContainerStatuses"]
    ended = [each["state"]["terminated"] for each in statuses if each["name"] in ("wait", "unlock", "prepare")]

    assert len(ended) == 3
    for former, after in pairwise(ended):
        assert former["finishedAt"] <= after["startedAt"]


def test_the_one_with_the_secret_has_read_it(opened: Space) -> None:
    digest = "".join(opened.page(f"{URL}/files?path=/work/unlocked").split()[:1])

    # sha256 of the example's token
    assert digest == "cf469629151f85301f3c9bce2877508ab6b3308fbf583402ab8bdc8f3cf9625c"


def test_the_backend_cant_see_the_secret(opened: Space) -> None:
    assert "404" in opened.http(f"{URL}/files?path=/secret/token").said
    assert "404" in opened.http(f"{URL}/env?name=TOKEN").said
    mounts = [mount["name"] for mount in backend_of(opened.pod(STACK))["volumeMounts"]]
    assert "secret" not in mounts


def test_neither_can_the_init_container_that_is_the_backend(opened: Space) -> None:
    # `prepare` ends well only where there is neither /secret nor $TOKEN.
    pod = opened.pod(STACK)
    prepare = next(each for each in pod["spec"]["initContainers"] if each["name"] == "prepare")

    assert prepare["image"] == backend_of(pod)["image"]
    assert state_of(pod, "prepare") == "terminated"


def test_it_has_resources_of_its_own(opened: Space) -> None:
    pod = opened.pod(STACK)
    unlock = next(each for each in pod["spec"]["initContainers"] if each["name"] == "unlock")

    assert unlock["resources"] == {"requests": {"cpu": "20m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}}
    assert backend_of(pod)["resources"] == {}

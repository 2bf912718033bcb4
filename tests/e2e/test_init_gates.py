"""The example init-gates: init containers that block one after the other, one with a Secret of its own."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.e2e.namespace import Example, Manifest, Namespace, backend_of

EXAMPLE = Example("05-init-gates")
STACK, GATE = "init-gates", "gate"
URL = f"http://{STACK}:8000"


def manifests_named(name: str) -> list[Manifest]:
    """Return the manifests of the example with this name."""
    return [manifest for manifest in EXAMPLE.manifests if manifest["metadata"]["name"] == name]


def init_container(pod: Manifest, name: str) -> Manifest:
    """Return an init container of a pod."""
    return next(container for container in pod["spec"]["initContainers"] if container["name"] == name)


def state_of(pod: Manifest, container: str) -> str:
    """Return the state of an init container: waiting, running, terminated, or empty without a status."""
    statuses = pod["status"].get("initContainerStatuses", [])
    states = [next(iter(status["state"]), "") for status in statuses if status["name"] == container]
    return states[0] if states else ""


@pytest.fixture(scope="module")
def blocked(namespace: Namespace) -> Manifest:
    """Deploy the example without its gate and return the pod that waits for it."""
    namespace.apply(*manifests_named(STACK))

    def waiting() -> Manifest | None:
        pods = namespace.pods(STACK)
        return pods[0] if pods and state_of(pods[0], "wait") == "running" else None

    return namespace.wait_for("the first init container runs", waiting)


@pytest.fixture(scope="module")
def opened(namespace: Namespace, blocked: Manifest) -> Namespace:
    """Deploy the gate and return the namespace when the example is Ready."""
    namespace.apply(*manifests_named(GATE))
    namespace.wait_until_ready(GATE)
    namespace.wait_until_ready(STACK)
    return namespace


def test_closed_gate_blocks_the_later_init_containers_and_the_backend(blocked: Manifest) -> None:
    (backend,) = blocked["status"]["containerStatuses"]

    assert [state_of(blocked, name) for name in ("wait", "unlock", "prepare")] == ["running", "waiting", "waiting"]
    assert backend["state"]["waiting"]["reason"] == "PodInitializing"


def test_same_pod_continues_when_the_gate_opens(blocked: Manifest, opened: Namespace) -> None:
    assert opened.only_pod(STACK)["metadata"]["uid"] == blocked["metadata"]["uid"]


def test_init_containers_run_in_the_order_of_the_spec(opened: Namespace) -> None:
    assert opened.page(f"{URL}/files?path=/work/order").split() == ["wait", "unlock", "prepare"]


def test_each_init_container_ends_before_the_next_starts(opened: Namespace) -> None:
    statuses = opened.only_pod(STACK)["status"]["initContainerStatuses"]
    names = ("wait", "unlock", "prepare")
    terminated = [status["state"]["terminated"] for status in statuses if status["name"] in names]

    assert len(terminated) == 3
    for previous, following in pairwise(terminated):
        assert previous["finishedAt"] <= following["startedAt"]


def test_init_container_reads_its_secret(opened: Namespace) -> None:
    digest = "".join(opened.page(f"{URL}/files?path=/work/unlocked").split()[:1])

    # SHA-256 of the token of the example
    assert digest == "cf469629151f85301f3c9bce2877508ab6b3308fbf583402ab8bdc8f3cf9625c"


def test_backend_has_no_access_to_the_secret(opened: Namespace) -> None:
    assert "404" in opened.http(f"{URL}/files?path=/secret/token").stderr
    assert "404" in opened.http(f"{URL}/env?name=TOKEN").stderr
    mounts = [mount["name"] for mount in backend_of(opened.only_pod(STACK))["volumeMounts"]]
    assert "secret" not in mounts


def test_init_container_with_the_backends_image_has_no_access_to_the_secret(opened: Namespace) -> None:
    # `prepare` succeeds only when neither /secret nor $TOKEN exists.
    pod = opened.only_pod(STACK)
    prepare = init_container(pod, "prepare")

    assert prepare["image"] == backend_of(pod)["image"]
    assert state_of(pod, "prepare") == "terminated"


def test_init_container_has_its_own_resources(opened: Namespace) -> None:
    pod = opened.only_pod(STACK)
    unlock = init_container(pod, "unlock")

    assert unlock["resources"] == {"requests": {"cpu": "20m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}}
    assert backend_of(pod)["resources"] == {}

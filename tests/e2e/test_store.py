"""The example store: a StatefulSet with one claim per replica."""

from __future__ import annotations

import pytest

from tests.e2e.harness import Example, Space, uid_of

EXAMPLE = Example("12-store")
NAME = EXAMPLE.name
PODS = ("store-0", "store-1")


@pytest.fixture(scope="module")
def deployed(space: Space) -> Space:
    space.apply(*EXAMPLE.manifests)
    space.ready(NAME)
    for pod in PODS:
        assert space.page(f"{url(pod)}/")
        space.http(f"{url(pod)}/files?path=/data/mark", data=pod)
    return space


def url(pod: str) -> str:
    """Return the address of one replica, by its own name."""
    return f"http://{pod}.{NAME}-pods:8000"


def mark(space: Space, pod: str) -> str:
    """Return what a replica has kept."""
    return space.page(f"{url(pod)}/files?path=/data/mark")


def uids(space: Space) -> list[str]:
    """Return which pods there are."""
    return [uid_of(space.get("pod", name)) for name in PODS]


def test_each_replica_has_a_claim_of_its_own(deployed: Space) -> None:
    claims = {claim["metadata"]["name"] for claim in deployed.every("persistentvolumeclaims", NAME)}

    assert claims == {"data-store-0", "data-store-1"}
    assert [mark(deployed, pod) for pod in PODS] == list(PODS)


def test_each_answers_to_its_own_name(deployed: Space) -> None:
    assert [deployed.page(f"{url(pod)}/").split()[2] for pod in PODS] == [f"{pod}," for pod in PODS]


def test_each_keeps_its_own_data_over_a_restart(deployed: Space) -> None:
    former = uids(deployed)

    deployed.kubectl("rollout", "restart", f"statefulset/{NAME}")
    deployed.kubectl("rollout", "status", f"statefulset/{NAME}", "--timeout=120s")
    deployed.ready(NAME)

    assert not set(uids(deployed)) & set(former)
    assert [mark(deployed, pod) for pod in PODS] == list(PODS)


def test_a_replica_that_went_finds_its_data_when_it_comes_back(deployed: Space) -> None:
    deployed.kubectl("scale", f"appstack/{NAME}", "--replicas=1")
    deployed.gone("pod", "store-1")
    deployed.kubectl("scale", f"appstack/{NAME}", "--replicas=2")
    deployed.ready(NAME)

    assert mark(deployed, "store-1") == "store-1"


def test_the_claims_stay_when_the_stack_goes_and_are_taken_up_again(deployed: Space) -> None:
    deployed.kubectl("delete", "appstack", NAME, "--timeout=120s")
    deployed.gone("statefulset", NAME)
    deployed.until("its pods are gone", lambda: not deployed.every("pods", NAME))

    deployed.apply(*EXAMPLE.manifests)
    deployed.ready(NAME)

    assert [mark(deployed, pod) for pod in PODS] == list(PODS)

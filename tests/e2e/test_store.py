"""The example store: a StatefulSet with one claim per replica."""

from __future__ import annotations

import pytest

from tests.e2e.namespace import Example, Namespace, uid_of

EXAMPLE = Example("12-store")
NAME = EXAMPLE.name
PODS = ("store-0", "store-1")
FILE = "/data/mark"


@pytest.fixture(scope="module")
def deployed(namespace: Namespace) -> Namespace:
    """Deploy the example, write a file into the claim of each replica, and return the namespace."""
    namespace.apply(*EXAMPLE.manifests)
    namespace.wait_until_ready(NAME)
    for pod in PODS:
        assert namespace.page(f"{url(pod)}/")
        namespace.http(f"{url(pod)}/files?path={FILE}", data=pod)
    return namespace


def url(pod: str) -> str:
    """Return the URL of one replica by its stable host name."""
    return f"http://{pod}.{NAME}-pods:8000"


def read_file(namespace: Namespace, pod: str) -> str:
    """Return the file of a replica."""
    return namespace.page(f"{url(pod)}/files?path={FILE}")


def uids(namespace: Namespace) -> list[str]:
    """Return the uid of each pod."""
    return [uid_of(namespace.get("pod", name)) for name in PODS]


def test_each_replica_has_its_own_claim(deployed: Namespace) -> None:
    claims = {claim["metadata"]["name"] for claim in deployed.children("persistentvolumeclaims", NAME)}

    assert claims == {"data-store-0", "data-store-1"}
    assert [read_file(deployed, pod) for pod in PODS] == list(PODS)


def test_each_replica_responds_at_its_own_host_name(deployed: Namespace) -> None:
    assert [deployed.page(f"{url(pod)}/").split()[2] for pod in PODS] == [f"{pod}," for pod in PODS]


def test_each_replica_keeps_its_data_over_a_restart(deployed: Namespace) -> None:
    former = uids(deployed)

    deployed.kubectl("rollout", "restart", f"statefulset/{NAME}")
    deployed.kubectl("rollout", "status", f"statefulset/{NAME}", "--timeout=120s")
    deployed.wait_until_ready(NAME)

    assert not set(uids(deployed)) & set(former)
    assert [read_file(deployed, pod) for pod in PODS] == list(PODS)


def test_replica_has_its_data_after_scaling_down_and_up(deployed: Namespace) -> None:
    deployed.kubectl("scale", f"appstack/{NAME}", "--replicas=1")
    deployed.wait_until_deleted("pod", "store-1")
    deployed.kubectl("scale", f"appstack/{NAME}", "--replicas=2")
    deployed.wait_until_ready(NAME)

    assert read_file(deployed, "store-1") == "store-1"


def test_claims_are_retained_when_the_stack_is_deleted_and_are_reused(deployed: Namespace) -> None:
    deployed.kubectl("delete", "appstack", NAME, "--timeout=120s")
    deployed.wait_until_deleted("statefulset", NAME)
    deployed.wait_for("its pods are deleted", lambda: not deployed.children("pods", NAME))

    deployed.apply(*EXAMPLE.manifests)
    deployed.wait_until_ready(NAME)

    assert [read_file(deployed, pod) for pod in PODS] == list(PODS)

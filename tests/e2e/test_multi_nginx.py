"""The example multi-nginx: nginx, three replicas."""

from __future__ import annotations

import pytest

from tests.e2e.harness import Example, Manifest, Space, uid_of

EXAMPLE = Example("09-multi-nginx")
NAME = EXAMPLE.name


@pytest.fixture(scope="module")
def deployed(space: Space) -> Space:
    space.apply(*EXAMPLE.manifests)
    space.ready(NAME)
    return space


def served(space: Space) -> set[str]:
    """Return the addresses to which the Service leads."""
    slices = space.kubectl(
        "get", "endpointslices", "--selector", f"kubernetes.io/service-name={NAME}", "--output",
        'jsonpath={range .items[*].endpoints[?(@.conditions.ready==true)]}{.addresses[0]}{"\\n"}{end}',
    )  # fmt: skip
    return set(slices.split())


def test_three_answer(deployed: Space) -> None:
    addresses = {pod["status"]["podIP"] for pod in deployed.pods(NAME)}

    assert len(addresses) == 3
    deployed.until("the Service leads to all three", lambda: served(deployed) == addresses)
    for address in addresses:
        assert "Welcome to nginx!" in deployed.page(f"http://{address}/")


def test_so_does_the_service(deployed: Space) -> None:
    assert "Welcome to nginx!" in deployed.page(f"http://{NAME}/")


def test_a_deleted_pod_comes_back(deployed: Space) -> None:
    gone = deployed.pods(NAME)[0]

    deployed.kubectl("delete", "pod", gone["metadata"]["name"], "--wait=false")
    pods = deployed.until("there are three others", lambda: three_without(deployed, gone))

    addresses = {pod["status"]["podIP"] for pod in pods}
    deployed.until("the Service leads to all three", lambda: served(deployed) == addresses)
    deployed.ready(NAME)


def three_without(space: Space, gone: Manifest) -> list[Manifest]:
    """Return three pods with addresses, the deleted one not among them."""
    pods = [pod for pod in space.pods(NAME) if uid_of(pod) != uid_of(gone) and pod["status"].get("podIP")]
    return pods if len(pods) == 3 else []


def test_scaling_the_stack_scales_it(deployed: Space) -> None:
    deployed.kubectl("scale", f"appstack/{NAME}", "--replicas=2")

    deployed.until("two are left", lambda: len(deployed.pods(NAME)) == 2)
    assert deployed.ready(NAME)["status"]["replicas"] == 2

"""The example multi-nginx: nginx with three replicas."""

from __future__ import annotations

from tests.e2e.namespace import Example, Manifest, Namespace, uid_of

EXAMPLE = Example("09-multi-nginx")
NAME = EXAMPLE.name


def ready_endpoints(namespace: Namespace) -> set[str]:
    """Return the addresses of the Service's ready endpoints."""
    slices = namespace.kubectl(
        "get", "endpointslices", "--selector", f"kubernetes.io/service-name={NAME}", "--output",
        'jsonpath={range .items[*].endpoints[?(@.conditions.ready==true)]}{.addresses[0]}{"\\n"}{end}',
    )  # fmt: skip
    return set(slices.split())


def test_three_pods_respond(deployed: Namespace) -> None:
    addresses = {pod["status"]["podIP"] for pod in deployed.pods(NAME)}

    assert len(addresses) == 3
    deployed.wait_for("the Service has three endpoints", lambda: ready_endpoints(deployed) == addresses)
    for address in addresses:
        assert "Welcome to nginx!" in deployed.page(f"http://{address}/")


def test_service_responds(deployed: Namespace) -> None:
    assert "Welcome to nginx!" in deployed.page(f"http://{NAME}/")


def test_deleted_pod_is_replaced(deployed: Namespace) -> None:
    deleted = deployed.pods(NAME)[0]

    deployed.kubectl("delete", "pod", deleted["metadata"]["name"], "--wait=false")
    pods = deployed.wait_for("three other pods exist", lambda: three_pods_without(deployed, deleted))

    addresses = {pod["status"]["podIP"] for pod in pods}
    deployed.wait_for("the Service has three endpoints", lambda: ready_endpoints(deployed) == addresses)
    deployed.wait_until_ready(NAME)


def three_pods_without(namespace: Namespace, deleted: Manifest) -> list[Manifest]:
    """Return the pods with an address, without the deleted one, when they are three; else an empty list."""
    pods = [pod for pod in namespace.pods(NAME) if uid_of(pod) != uid_of(deleted) and pod["status"].get("podIP")]
    return pods if len(pods) == 3 else []


def test_scale_of_the_stack_scales_its_deployment(deployed: Namespace) -> None:
    deployed.kubectl("scale", f"appstack/{NAME}", "--replicas=2")

    deployed.wait_for("two pods remain", lambda: len(deployed.pods(NAME)) == 2)
    assert deployed.wait_until_ready(NAME)["status"]["replicas"] == 2

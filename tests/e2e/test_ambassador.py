"""The example ambassador: a client connects to localhost, and an ambassador proxies to the server's AppStack."""

from __future__ import annotations

from tests.e2e.namespace import Example, Manifest, Namespace, backend_of, name_of, uid_of

EXAMPLE = Example("04-ambassador")
CLIENT, SERVER = "ambassador", "server"
OUTPUT_URL = f"http://{CLIENT}/out"


def test_client_receives_responses_of_the_server(deployed: Namespace) -> None:
    server = deployed.only_pod(SERVER)["metadata"]["name"]

    responses = deployed.page(f"{OUTPUT_URL}/index.html").splitlines()

    assert responses
    assert set(responses) == {f"Hello from {server}, version 1.0.0"}


def test_client_is_configured_with_localhost_only(deployed: Namespace) -> None:
    pod = deployed.only_pod(CLIENT)
    backend = backend_of(pod)

    assert "127.0.0.1:81" in str(backend)
    assert SERVER not in str(backend)


def test_ambassador_starts_before_the_init_containers_and_these_before_the_client(deployed: Namespace) -> None:
    pod = deployed.only_pod(CLIENT)
    order = [container["name"] for container in pod["spec"]["initContainers"]]
    ambassador, init = (container_status(pod, name) for name in ("ambassador", "first-answer"))
    client = container_status(pod, "backend")

    assert order.index("ambassador") < order.index("first-answer") < order.index("proxy")
    assert ambassador["state"]["running"]["startedAt"] <= init["state"]["terminated"]["startedAt"]
    assert init["state"]["terminated"]["finishedAt"] <= client["state"]["running"]["startedAt"]
    assert init["restartCount"] == ambassador["restartCount"] == 0


def test_init_container_receives_a_response_through_the_ambassador(deployed: Namespace) -> None:
    assert deployed.page(f"{OUTPUT_URL}/first.txt").startswith("Hello from server-")


def test_ambassador_listens_on_loopback_only(deployed: Namespace) -> None:
    address = deployed.only_pod(CLIENT)["status"]["podIP"]

    assert "Connection refused" in deployed.http(f"http://{address}:81/").stderr


def test_ambassador_reaches_the_server_after_a_pod_is_replaced(deployed: Namespace) -> None:
    former = deployed.only_pod(SERVER)
    deployed.kubectl("delete", "pod", former["metadata"]["name"], "--wait=false")
    replacement = deployed.wait_for("another server pod exists", lambda: server_pod_other_than(deployed, former))

    def responds() -> bool:
        return f"Hello from {name_of(replacement)}" in deployed.page(f"{OUTPUT_URL}/index.html")

    deployed.wait_for("the client receives responses of the new pod", responds)


def server_pod_other_than(namespace: Namespace, former: Manifest) -> Manifest | None:
    """Return a pod of the server that is not the former one, or None."""
    return next((pod for pod in namespace.pods(SERVER) if uid_of(pod) != uid_of(former)), None)


def container_status(pod: Manifest, container: str) -> Manifest:
    """Return the status of a container."""
    status = pod["status"]
    statuses: list[Manifest] = [*status["initContainerStatuses"], *status["containerStatuses"]]
    return next(status for status in statuses if status["name"] == container)

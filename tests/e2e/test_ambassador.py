"""The example ambassador: a client that only knows localhost, led on to a server stack elsewhere."""

from __future__ import annotations

import pytest

from tests.e2e.harness import Example, Manifest, Space, uid_of

EXAMPLE = Example("04-ambassador")
CLIENT, SERVER = "ambassador", "server"
OUT = f"http://{CLIENT}/out"


@pytest.fixture(scope="module")
def deployed(space: Space) -> Space:
    space.apply(*EXAMPLE.manifests)
    space.ready(SERVER)
    space.ready(CLIENT)
    return space


def test_the_clients_output_shows_answers_of_the_server(deployed: Space) -> None:
    server = deployed.pod(SERVER)["metadata"]["name"]

    answers = deployed.page(f"{OUT}/index.html").splitlines()

    assert answers
    assert set(answers) == {f"Hello from {server}, version 1.0.0"}


def test_the_client_only_knows_localhost(deployed: Space) -> None:
    pod = deployed.pod(CLIENT)
    written = [each for each in pod["spec"]["containers"] if each["name"] == "backend"]

    assert "127.0.0.1:81" in str(written)
    assert SERVER not in str(written)


def test_the_ambassador_is_up_before_the_init_containers_and_they_before_the_client(deployed: Space) -> None:
    pod = deployed.pod(CLIENT)
    order = [each["name"] for each in pod["spec"]["initContainers"]]
    ambassador, first = (state_of(pod, name) for name in ("ambassador", "first-answer"))
    client = state_of(pod, "backend")

    assert order.index("ambassador") < order.index("first-answer") < order.index("proxy")
    assert ambassador["state"]["running"]["startedAt"] <= first["state"]["terminated"]["startedAt"]
    assert first["state"]["terminated"]["finishedAt"] <= client["state"]["running"]["startedAt"]
    assert first["restartCount"] == ambassador["restartCount"] == 0


def test_an_init_container_was_answered_through_it_already(deployed: Space) -> None:
    assert deployed.page(f"{OUT}/first.txt").startswith("Hello from server-")


def test_it_listens_on_loopback_and_is_nobody_elses_door(deployed: Space) -> None:
    address = deployed.pod(CLIENT)["status"]["podIP"]

    assert "Connection refused" in deployed.http(f"http://{address}:81/").said


def test_it_finds_the_server_again_after_that_was_replaced(deployed: Space) -> None:
    former = deployed.pod(SERVER)
    deployed.kubectl("delete", "pod", former["metadata"]["name"], "--wait=false")
    present = deployed.until("another pod serves", lambda: other(deployed, former))

    def asked() -> bool:
        return f"Hello from {present['metadata']['name']}" in deployed.page(f"{OUT}/index.html")

    deployed.until("the client is answered by the new pod", asked)


def other(space: Space, former: Manifest) -> Manifest | None:
    """Return the server's pod once it is not the former one."""
    return next((pod for pod in space.pods(SERVER) if uid_of(pod) != uid_of(former)), None)


def state_of(pod: Manifest, container: str) -> Manifest:
    """Return the status of one container."""
    status = pod["status"]
    every: list[Manifest] = [*status["initContainerStatuses"], *status["containerStatuses"]]
    return next(each for each in every if each["name"] == container)

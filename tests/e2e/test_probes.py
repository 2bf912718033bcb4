"""The example probes: exec, tcpSocket, httpGet and grpc in startup, liveness and readiness."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from tests.e2e.harness import Example, Manifest, Space, condition, uid_of

EXAMPLE = Example("14-probes")
NAME = EXAMPLE.name
URL = f"http://{NAME}:8000"
CONTAINERS = {"backend": "httpGet", "by-exec": "exec", "by-tcp": "tcpSocket", "by-grpc": "grpc"}
ROUTES = "endpointslices"  # of the namespace: that of the one Service, while nothing else is deployed


def patient() -> Manifest:
    """Return the example, whose containers are taken for failed when they say so, not when a busy machine is slow.

    A wrong answer comes at once, however long a probe waits for one.
    """
    stack = EXAMPLE.stack
    for container in (stack["spec"]["backend"], *stack["spec"]["sidecars"]):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            container[probe]["timeoutSeconds"] = 10
    (by_tcp,) = (each for each in stack["spec"]["sidecars"] if each["name"] == "by-tcp")
    by_tcp["livenessProbe"]["failureThreshold"] = 10  # what readiness alone does is over when this begins
    return stack


@pytest.fixture(scope="module")
def deployed(space: Space) -> Space:
    space.apply(*EXAMPLE.manifests)
    space.ready(NAME)
    space.page(f"{URL}/")
    space.apply(patient())
    space.ready(NAME)
    return space


@pytest.fixture
def app(deployed: Space) -> Space:
    """Start each test from a stack that is Ready, and a Service that leads to it."""
    deployed.until("the pod is Ready", lambda: is_ready(deployed))
    deployed.ready(NAME)
    deployed.page(f"{URL}/")
    return deployed


def is_ready(space: Space) -> bool:
    """Tell whether the pod says that it is Ready."""
    conditions = space.pod(NAME)["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def statuses(space: Space) -> dict[str, Manifest]:
    """Return the status of every container by its name."""
    status = space.pod(NAME)["status"]
    every = [*status["initContainerStatuses"], *status["containerStatuses"]]
    return {each["name"]: each for each in every}


def inside(space: Space, container: str, *command: str) -> None:
    """Do something in a container."""
    space.exec(space.pod(NAME)["metadata"]["name"], container, *command)


def switch(port: int, what: str) -> Callable[[Space], None]:
    """Return what tells one of the demo backends to say no."""

    def say_no(space: Space) -> None:
        answer = space.http(f"http://{space.pod(NAME)['status']['podIP']}:{port}/-/{what}?on=false", data="")
        assert answer.code == 0, answer.said

    return say_no


NOT_READY: dict[str, Callable[[Space], None]] = {
    "backend": switch(8000, "ready"),
    "by-exec": lambda space: inside(space, "by-exec", "touch", "/tmp/busy"),
    "by-grpc": switch(9090, "ready"),
}
READY_AGAIN: dict[str, Callable[[Space], None]] = {
    "backend": lambda space: again(space, 8000),
    "by-exec": lambda space: inside(space, "by-exec", "rm", "/tmp/busy"),
    "by-grpc": lambda space: again(space, 9090),
}
NOT_ALIVE: dict[str, Callable[[Space], None]] = {
    "backend": switch(8000, "healthy"),
    "by-exec": lambda space: inside(space, "by-exec", "touch", "/tmp/hung"),
    "by-tcp": lambda space: inside(space, "by-tcp", "killall", "httpd"),
    "by-grpc": switch(9090, "healthy"),
}


def again(space: Space, port: int) -> None:
    """Tell one of the demo backends to say yes."""
    answer = space.http(f"http://{space.pod(NAME)['status']['podIP']}:{port}/-/ready?on=true", data="")
    assert answer.code == 0, answer.said


def test_every_probe_that_is_written_is_on_its_container_and_all_hold(app: Space) -> None:
    spec = app.pod(NAME)["spec"]
    every = {each["name"]: each for each in [*spec["initContainers"], *spec["containers"]]}

    for name, way in CONTAINERS.items():
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert way in every[name][probe]
        status = statuses(app)[name]
        assert (status["started"], status["ready"]) == (True, True)


def test_a_slow_start_survives(app: Space) -> None:
    backend = statuses(app)["backend"]
    (ready,) = [each for each in app.pod(NAME)["status"]["conditions"] if each["type"] == "Ready"]

    assert backend["restartCount"] == 0
    started = datetime.fromisoformat(backend["state"]["running"]["startedAt"])
    assert (datetime.fromisoformat(ready["lastTransitionTime"]) - started).total_seconds() >= 5


@pytest.mark.parametrize("container", NOT_READY)
def test_a_failing_readiness_takes_it_out_of_the_service_and_restarts_nothing(app: Space, container: str) -> None:
    restarts = {name: status["restartCount"] for name, status in statuses(app).items()}

    NOT_READY[container](app)
    app.until("the Service leads nowhere", lambda: app.http(f"{URL}/").code != 0)
    app.until("the stack says so", lambda: condition(app.stack(NAME), "Ready") == "False")
    READY_AGAIN[container](app)

    assert app.page(f"{URL}/")
    assert {name: status["restartCount"] for name, status in statuses(app).items()} == restarts


@pytest.mark.parametrize("container", NOT_ALIVE)
def test_a_failing_liveness_restarts_that_container_and_no_other(app: Space, container: str) -> None:
    pod = uid_of(app.pod(NAME))
    before = {name: status["restartCount"] for name, status in statuses(app).items()}

    NOT_ALIVE[container](app)
    app.until("it was restarted", lambda: statuses(app)[container]["restartCount"] > before[container])
    app.until("the pod is Ready again", lambda: is_ready(app))

    after = {name: status["restartCount"] for name, status in statuses(app).items()}
    assert after == {**before, container: before[container] + 1}
    assert uid_of(app.pod(NAME)) == pod


def test_a_closed_port_takes_it_out_of_the_service(app: Space) -> None:
    with app.follow(ROUTES, ".endpoints[*].conditions.ready") as led:  # a request may come too late to see it
        inside(app, "by-tcp", "killall", "httpd")
        app.until("the Service leads nowhere", lambda: "false" in led())
        app.until("its liveness probe has brought it back", lambda: led()[-1] == "true")

    assert app.page(f"{URL}/")


def test_without_its_startup_probe_the_same_start_never_ends(app: Space) -> None:
    stack = EXAMPLE.stack
    stack["metadata"]["name"] = "impatient"
    del stack["spec"]["backend"]["startupProbe"]
    del stack["spec"]["sidecars"]
    # Longer than the wait before a pod stops, in which it would get ready after all.
    stack["spec"]["backend"]["env"][1]["value"] = "60s"

    app.apply(stack)

    app.until("its liveness probe has ended the start", lambda: restarted(app, "impatient"))
    assert condition(app.stack("impatient"), "Ready") == "False"


def restarted(space: Space, name: str) -> bool:
    """Tell whether a backend was restarted."""
    every = [status for pod in space.pods(name) for status in pod["status"].get("containerStatuses", [])]
    return any(status["restartCount"] >= 1 for status in every)

"""The example probes: exec, tcpSocket, httpGet and grpc as startup, liveness and readiness probes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from tests.e2e.namespace import Example, Manifest, Namespace, condition_status, is_pod_ready, uid_of

EXAMPLE = Example("14-probes")
NAME = EXAMPLE.name
URL = f"http://{NAME}:8000"
PROBE_TYPES = {"backend": "httpGet", "by-exec": "exec", "by-tcp": "tcpSocket", "by-grpc": "grpc"}
ENDPOINTS = "endpointslices"  # only the example has a Service in the namespace


def example_with_long_timeouts() -> Manifest:
    """Return the example with probe timeouts for a busy machine.

    A container that fails a probe responds at once, so that the timeouts delay no test.
    """
    stack = EXAMPLE.stack
    for container in (stack["spec"]["backend"], *stack["spec"]["sidecars"]):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            container[probe]["timeoutSeconds"] = 10
    (by_tcp,) = (sidecar for sidecar in stack["spec"]["sidecars"] if sidecar["name"] == "by-tcp")
    by_tcp["livenessProbe"]["failureThreshold"] = 10  # the readiness probe fails long before
    return stack


@pytest.fixture(scope="module")
def deployed(namespace: Namespace) -> Namespace:
    """Deploy the example, then with long probe timeouts, and return its namespace."""
    namespace.apply(*EXAMPLE.manifests)
    namespace.wait_until_ready(NAME)
    namespace.page(f"{URL}/")
    namespace.apply(example_with_long_timeouts())
    namespace.wait_until_ready(NAME)
    return namespace


@pytest.fixture
def app(deployed: Namespace) -> Namespace:
    """Return the namespace when the example is Ready and its Service responds."""
    deployed.wait_for("the pod is Ready", lambda: is_pod_ready(deployed.only_pod(NAME)))
    deployed.wait_until_ready(NAME)
    deployed.page(f"{URL}/")
    return deployed


def statuses(namespace: Namespace) -> dict[str, Manifest]:
    """Return the status of each container by its name."""
    status = namespace.only_pod(NAME)["status"]
    containers = [*status["initContainerStatuses"], *status["containerStatuses"]]
    return {container["name"]: container for container in containers}


def inside(namespace: Namespace, container: str, *command: str) -> None:
    """Run a command in a container of the pod."""
    namespace.exec(namespace.only_pod(NAME)["metadata"]["name"], container, *command)


def switch(port: int, probe: str, *, on: bool) -> Callable[[Namespace], None]:
    """Return a function that makes a probe of a demo backend succeed or fail."""

    def send(namespace: Namespace) -> None:
        address = namespace.only_pod(NAME)["status"]["podIP"]
        result = namespace.http(f"http://{address}:{port}/-/{probe}?on={str(on).lower()}", data="")
        assert result.ok, result.stderr

    return send


FAIL_READINESS: dict[str, Callable[[Namespace], None]] = {
    "backend": switch(8000, "ready", on=False),
    "by-exec": lambda namespace: inside(namespace, "by-exec", "touch", "/tmp/busy"),
    "by-grpc": switch(9090, "ready", on=False),
}
RESTORE_READINESS: dict[str, Callable[[Namespace], None]] = {
    "backend": switch(8000, "ready", on=True),
    "by-exec": lambda namespace: inside(namespace, "by-exec", "rm", "/tmp/busy"),
    "by-grpc": switch(9090, "ready", on=True),
}
FAIL_LIVENESS: dict[str, Callable[[Namespace], None]] = {
    "backend": switch(8000, "healthy", on=False),
    "by-exec": lambda namespace: inside(namespace, "by-exec", "touch", "/tmp/hung"),
    "by-tcp": lambda namespace: inside(namespace, "by-tcp", "killall", "httpd"),
    "by-grpc": switch(9090, "healthy", on=False),
}


def test_every_probe_of_the_spec_is_on_its_container_and_succeeds(app: Namespace) -> None:
    spec = app.only_pod(NAME)["spec"]
    containers = {container["name"]: container for container in [*spec["initContainers"], *spec["containers"]]}

    for name, probe_type in PROBE_TYPES.items():
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert probe_type in containers[name][probe]
        status = statuses(app)[name]
        assert (status["started"], status["ready"]) == (True, True)


def test_slow_start_survives_by_its_startup_probe(app: Namespace) -> None:
    backend = statuses(app)["backend"]
    conditions = {condition["type"]: condition for condition in app.only_pod(NAME)["status"]["conditions"]}

    assert backend["restartCount"] == 0
    started = datetime.fromisoformat(backend["state"]["running"]["startedAt"])
    ready = datetime.fromisoformat(conditions["Ready"]["lastTransitionTime"])
    assert (ready - started).total_seconds() >= 5


@pytest.mark.parametrize("container", FAIL_READINESS)
def test_failed_readiness_probe_removes_the_pod_from_the_service_and_restarts_nothing(
    app: Namespace, container: str
) -> None:
    restarts = {name: status["restartCount"] for name, status in statuses(app).items()}

    FAIL_READINESS[container](app)
    app.wait_for("the Service has no endpoint", lambda: not app.http(f"{URL}/").ok)
    app.wait_for("the stack is not Ready", lambda: condition_status(app.appstack(NAME), "Ready") == "False")
    RESTORE_READINESS[container](app)

    assert app.page(f"{URL}/")
    assert {name: status["restartCount"] for name, status in statuses(app).items()} == restarts


@pytest.mark.parametrize("container", FAIL_LIVENESS)
def test_failed_liveness_probe_restarts_its_container_only(app: Namespace, container: str) -> None:
    pod = uid_of(app.only_pod(NAME))
    before = {name: status["restartCount"] for name, status in statuses(app).items()}

    FAIL_LIVENESS[container](app)
    app.wait_for("the container is restarted", lambda: statuses(app)[container]["restartCount"] > before[container])
    app.wait_for("the pod is Ready again", lambda: is_pod_ready(app.only_pod(NAME)))

    after = {name: status["restartCount"] for name, status in statuses(app).items()}
    assert after == {**before, container: before[container] + 1}
    assert uid_of(app.only_pod(NAME)) == pod


def test_closed_port_removes_the_pod_from_the_service(app: Namespace) -> None:
    with app.watch(
        ENDPOINTS, ".endpoints[*].conditions.ready"
    ) as readiness:  # the outage may be too short for a request
        inside(app, "by-tcp", "killall", "httpd")
        app.wait_for("the Service has no endpoint", lambda: "false" in readiness())
        app.wait_for("the liveness probe has restarted the container", lambda: readiness()[-1] == "true")

    assert app.page(f"{URL}/")


def test_slow_start_without_a_startup_probe_is_restarted(app: Namespace) -> None:
    stack = EXAMPLE.stack
    stack["metadata"]["name"] = "impatient"
    del stack["spec"]["backend"]["startupProbe"]
    del stack["spec"]["sidecars"]
    # Longer than the termination grace period, in which the backend would become ready.
    stack["spec"]["backend"]["env"][1]["value"] = "60s"

    app.apply(stack)

    app.wait_for("the liveness probe has restarted the backend", lambda: is_restarted(app, "impatient"))
    assert condition_status(app.appstack("impatient"), "Ready") == "False"


def is_restarted(namespace: Namespace, name: str) -> bool:
    """Return whether a container of an AppStack was restarted."""
    containers = [status for pod in namespace.pods(name) for status in pod["status"].get("containerStatuses", [])]
    return any(status["restartCount"] >= 1 for status in containers)

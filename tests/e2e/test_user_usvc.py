"""The example user-usvc: a service, its real database through a proxy on loopback, its agent and their Secret."""

from __future__ import annotations

import base64

import pytest

from tests.e2e.harness import Example, Manifest, Space, backend_of, uid_of

EXAMPLE = Example("06-user-usvc")
SERVICE, DATABASE = "user-usvc", "user-db"
URL = f"http://{SERVICE}:443"
SECRETS = {
    "backend": "/etc/user-usvc/secret",
    "agent": "/etc/agent/secret",
}


@pytest.fixture(scope="module")
def deployed(space: Space) -> Space:
    space.apply(*EXAMPLE.manifests)
    space.ready(DATABASE)
    space.ready(SERVICE)
    return space


def inside(space: Space, container: str, *command: str) -> str:
    """Return what a command prints in a container of the service's pod."""
    return space.exec(space.pod(SERVICE)["metadata"]["name"], container, *command)


def in_database(space: Space, statement: str) -> str:
    """Ask the database itself, with its own client."""
    ask = f'mariadb --batch --skip-column-names --user=root --password="$MARIADB_ROOT_PASSWORD" users -e "{statement}"'
    return space.exec(f"{DATABASE}-0", "backend", "sh", "-c", ask)


def test_the_service_shows_what_the_real_database_has(deployed: Space) -> None:
    assert deployed.page(f"{URL}/users").split() == ["ada", "grace"]
    assert "MariaDB" in in_database(deployed, "SELECT VERSION()")


def test_what_the_service_writes_is_in_the_database(deployed: Space) -> None:
    deployed.http(f"{URL}/users", data="katherine")

    assert in_database(deployed, "SELECT name FROM users WHERE name = 'katherine'").strip() == "katherine"


def test_it_reaches_it_through_loopback_where_only_the_proxy_listens(deployed: Space) -> None:
    address = deployed.pod(SERVICE)["status"]["podIP"]

    assert "127.0.0.1:3306 " in inside(deployed, "backend", "netstat", "-ltn")
    assert "Connection refused" in deployed.http(f"http://{address}:3306/").said
    assert "user-db" not in str(backend_of(deployed.pod(SERVICE)))


def test_the_proxy_is_up_before_the_service(deployed: Space) -> None:
    pod = deployed.pod(SERVICE)
    proxy = next(each for each in pod["status"]["initContainerStatuses"] if each["name"] == "db-proxy")
    backend = next(each for each in pod["status"]["containerStatuses"] if each["name"] == "backend")

    assert proxy["state"]["running"]["startedAt"] <= backend["state"]["running"]["startedAt"]


def test_the_agent_sees_the_log(deployed: Space) -> None:
    deployed.page(f"{URL}/users")
    pod = deployed.pod(SERVICE)["metadata"]["name"]

    def told() -> bool:
        return "GET /users: <nil>" in deployed.kubectl("logs", pod, "--container", "agent")

    deployed.until("the agent has read the request's line", told)
    assert inside(deployed, "agent", "cat", "/var/log/monitor/user-usvc.log") == inside(
        deployed, "backend", "cat", "/var/log/user-usvc.log"
    )


@pytest.mark.parametrize(("container", "folder"), SECRETS.items())
def test_both_see_the_secret_each_at_its_own_path(deployed: Space, container: str, folder: str) -> None:
    written = deployed.get("secret", SERVICE)["data"]["database-password"]

    assert inside(deployed, container, "cat", f"{folder}/database-password") == base64.b64decode(written).decode()


@pytest.mark.parametrize(("container", "folder"), SECRETS.items())
def test_neither_can_write_it(deployed: Space, container: str, folder: str) -> None:
    pod = deployed.pod(SERVICE)["metadata"]["name"]

    tried = deployed.try_kubectl("exec", pod, "--container", container, "--", "touch", f"{folder}/mine")

    assert not tried.ok
    assert "Read-only file system" in tried.err


def test_the_config_map_is_the_services_environment(deployed: Space) -> None:
    assert inside(deployed, "backend", "sh", "-c", "echo $DATABASE $DATABASE_USER").split() == ["users", SERVICE]


def test_each_container_has_the_resources_that_are_written(deployed: Space) -> None:
    pod = deployed.pod(SERVICE)

    assert resources(pod, "backend")["limits"] == {"memory": "128Mi"}
    assert resources(pod, "db-proxy") == resources(pod, "agent") == {"requests": {"cpu": "10m", "memory": "16Mi"}}


def resources(pod: Manifest, container: str) -> Manifest:
    """Return the resources of one container."""
    every = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
    return next(dict(each["resources"]) for each in every if each["name"] == container)


def test_the_service_is_a_load_balancer_on_443_and_nobody_waits_for_its_address(deployed: Space) -> None:
    spec = deployed.get("service", SERVICE)["spec"]

    assert (spec["type"], [port["port"] for port in spec["ports"]]) == ("LoadBalancer", [443])


def test_the_data_outlives_the_databases_pod(deployed: Space) -> None:
    former = deployed.pod(DATABASE)
    deployed.http(f"{URL}/users", data="hedy")
    deployed.kubectl("delete", "pod", f"{DATABASE}-0")
    deployed.until("another pod is there", lambda: uid_of(deployed.pod(DATABASE)) != uid_of(former))
    deployed.ready(DATABASE)

    assert "hedy" in deployed.page(f"{URL}/users").split()

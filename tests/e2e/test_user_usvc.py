"""The example user-usvc: a service, its database through a proxy on loopback, an agent and a Secret."""

from __future__ import annotations

import base64

import pytest

from tests.e2e.namespace import Example, Manifest, Namespace, backend_of, uid_of

EXAMPLE = Example("06-user-usvc")
SERVICE, DATABASE = "user-usvc", "user-db"
URL = f"http://{SERVICE}:443"
SECRETS = {
    "backend": "/etc/user-usvc/secret",
    "agent": "/etc/agent/secret",
}


def inside(namespace: Namespace, container: str, *command: str) -> str:
    """Run a command in a container of the service and return its output."""
    return namespace.exec(namespace.only_pod(SERVICE)["metadata"]["name"], container, *command)


def query_database(namespace: Namespace, statement: str) -> str:
    """Run a statement with the client of the database and return its output."""
    command = (
        f'mariadb --batch --skip-column-names --user=root --password="$MARIADB_ROOT_PASSWORD" users -e "{statement}"'
    )
    return namespace.exec(f"{DATABASE}-0", "backend", "sh", "-c", command)


def test_service_reads_the_database(deployed: Namespace) -> None:
    assert deployed.page(f"{URL}/users").split() == ["ada", "grace"]
    assert "MariaDB" in query_database(deployed, "SELECT VERSION()")


def test_service_writes_the_database(deployed: Namespace) -> None:
    deployed.http(f"{URL}/users", data="katherine")

    assert query_database(deployed, "SELECT name FROM users WHERE name = 'katherine'").strip() == "katherine"


def test_service_connects_to_the_database_through_a_proxy_on_loopback(deployed: Namespace) -> None:
    address = deployed.only_pod(SERVICE)["status"]["podIP"]

    assert "127.0.0.1:3306 " in inside(deployed, "backend", "netstat", "-ltn")
    assert "Connection refused" in deployed.http(f"http://{address}:3306/").stderr
    assert "user-db" not in str(backend_of(deployed.only_pod(SERVICE)))


def test_proxy_starts_before_the_service(deployed: Namespace) -> None:
    pod = deployed.only_pod(SERVICE)
    statuses = [*pod["status"]["initContainerStatuses"], *pod["status"]["containerStatuses"]]
    started = {
        status["name"]: status["state"]["running"]["startedAt"] for status in statuses if "running" in status["state"]
    }

    assert started["db-proxy"] <= started["backend"]


def test_agent_reads_the_log_of_the_service(deployed: Namespace) -> None:
    deployed.page(f"{URL}/users")
    pod = deployed.only_pod(SERVICE)["metadata"]["name"]

    def is_logged() -> bool:
        return "GET /users: <nil>" in deployed.kubectl("logs", pod, "--container", "agent")

    deployed.wait_for("the agent logs the request", is_logged)
    assert inside(deployed, "agent", "cat", "/var/log/monitor/user-usvc.log") == inside(
        deployed, "backend", "cat", "/var/log/user-usvc.log"
    )


@pytest.mark.parametrize(("container", "folder"), SECRETS.items())
def test_both_containers_have_the_secret_at_their_own_paths(deployed: Namespace, container: str, folder: str) -> None:
    encoded = deployed.get("secret", SERVICE)["data"]["database-password"]

    assert inside(deployed, container, "cat", f"{folder}/database-password") == base64.b64decode(encoded).decode()


@pytest.mark.parametrize(("container", "folder"), SECRETS.items())
def test_secret_is_mounted_read_only(deployed: Namespace, container: str, folder: str) -> None:
    pod = deployed.only_pod(SERVICE)["metadata"]["name"]

    result = deployed.try_kubectl("exec", pod, "--container", container, "--", "touch", f"{folder}/file")

    assert not result.ok
    assert "Read-only file system" in result.err


def test_config_map_is_the_environment_of_the_service(deployed: Namespace) -> None:
    assert inside(deployed, "backend", "sh", "-c", "echo $DATABASE $DATABASE_USER").split() == ["users", SERVICE]


def test_each_container_has_the_resources_of_the_spec(deployed: Namespace) -> None:
    pod = deployed.only_pod(SERVICE)

    assert resources(pod, "backend")["limits"] == {"memory": "128Mi"}
    assert resources(pod, "db-proxy") == resources(pod, "agent") == {"requests": {"cpu": "10m", "memory": "16Mi"}}


def resources(pod: Manifest, container: str) -> Manifest:
    """Return the resources of a container."""
    containers = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
    return next(dict(candidate["resources"]) for candidate in containers if candidate["name"] == container)


def test_service_is_a_load_balancer_on_port_443(deployed: Namespace) -> None:
    spec = deployed.get("service", SERVICE)["spec"]

    assert (spec["type"], [port["port"] for port in spec["ports"]]) == ("LoadBalancer", [443])


def test_data_survives_the_deletion_of_the_database_pod(deployed: Namespace) -> None:
    former = deployed.only_pod(DATABASE)
    deployed.http(f"{URL}/users", data="hedy")
    deployed.kubectl("delete", "pod", f"{DATABASE}-0")
    deployed.wait_for("another pod exists", lambda: uid_of(deployed.only_pod(DATABASE)) != uid_of(former))
    deployed.wait_until_ready(DATABASE)

    assert "hedy" in deployed.page(f"{URL}/users").split()

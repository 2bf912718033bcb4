"""Dependencies between AppStacks with real pods: a database that comes up later, and a cycle."""

from __future__ import annotations

from tests.e2e.manifests import appstack, public_backend
from tests.e2e.namespace import CLIENT_IMAGE, Manifest, Namespace

DATABASE_PORT = 3306
REMOVE_DEPENDENCIES = '[{"op": "remove", "path": "/spec/dependsOn"}]'


def database(name: str) -> Manifest:
    """Return a database, which is ready when it accepts connections over the network."""
    backend = {
        "image": "mariadb:10.11",
        "env": [{"name": "MARIADB_ROOT_PASSWORD", "value": "secret"}],
        "ports": [{"name": "mysql", "containerPort": DATABASE_PORT}],
        "readinessProbe": {"tcpSocket": {"port": "mysql"}, "periodSeconds": 1},
    }
    return appstack(name, replicas=1, backend=backend)


def client(name: str, database_name: str) -> Manifest:
    """Return an AppStack that depends on a database: its backend exits if it cannot connect when it starts."""
    script = f"nc -w 5 {database_name} {DATABASE_PORT} -e true && exec sleep infinity"
    backend = {"image": CLIENT_IMAGE, "command": ["sh", "-c", script]}
    pod = {"terminationGracePeriodSeconds": 1}
    return appstack(name, replicas=1, backend=backend, pod=pod, dependsOn=[{"name": database_name}])


def ready_message(namespace: Namespace, name: str, reason: str) -> str:
    """Return the message of the condition Ready if it has this reason, else the empty string."""
    conditions = namespace.appstack(name).get("status", {}).get("conditions", [])
    return next(
        (str(each["message"]) for each in conditions if (each["type"], each["reason"]) == ("Ready", reason)), ""
    )


def test_client_starts_when_its_database_has_come_up(namespace: Namespace) -> None:
    namespace.apply(client("reports", "ledger"))
    namespace.wait_for("it waits", lambda: ready_message(namespace, "reports", "DependencyNotReady"))
    assert "ledger, which does not exist" in ready_message(namespace, "reports", "DependencyNotReady")
    assert namespace.find("deployment", "reports") is None

    namespace.apply(database("ledger"))
    namespace.wait_until_ready("ledger")
    namespace.wait_until_ready("reports")

    (server,), (pod,) = namespace.pods("ledger"), namespace.pods("reports")
    conditions = {condition["type"]: condition for condition in server["status"]["conditions"]}
    assert pod["metadata"]["creationTimestamp"] >= conditions["Ready"]["lastTransitionTime"]
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0, "its first connection succeeds"

    namespace.kubectl("delete", "appstack", "ledger")
    namespace.wait_until_deleted("deployment", "ledger")
    namespace.kubectl("patch", "appstack", "reports", "--type", "merge", "--patch", '{"spec": {"replicas": 0}}')
    namespace.wait_for("it is scaled", lambda: not namespace.pods("reports"))
    namespace.wait_until_ready("reports")


def test_cycle_is_refused_until_it_is_broken(namespace: Namespace) -> None:
    namespace.apply(public_backend("hen", dependsOn=[{"name": "egg"}]))
    namespace.apply(public_backend("egg", dependsOn=[{"name": "hen"}]))

    assert "hen -> egg -> hen" in namespace.wait_until_stalled("hen")
    assert "egg -> hen -> egg" in namespace.wait_until_stalled("egg")
    assert namespace.find("deployment", "hen") is None
    assert namespace.find("deployment", "egg") is None

    namespace.kubectl("patch", "appstack", "egg", "--type", "json", "--patch", REMOVE_DEPENDENCIES)
    namespace.wait_until_ready("egg")
    namespace.wait_until_ready("hen")

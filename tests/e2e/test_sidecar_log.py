"""The example sidecar-log: the backend writes a log to an emptyDir, and nginx serves it from the volume."""

from __future__ import annotations

from tests.e2e.namespace import Example, Namespace, backend_of

EXAMPLE = Example("02-sidecar-log")
LOG_URL = f"http://{EXAMPLE.name}/logs/app.log"


def test_log_is_served_over_http(deployed: Namespace) -> None:
    lines = deployed.page(LOG_URL).splitlines()

    written = deployed.exec(
        deployed.only_pod(EXAMPLE.name)["metadata"]["name"], "backend", "cat", "/var/log/app/app.log"
    )
    assert lines
    assert written.splitlines()[: len(lines)] == lines


def test_served_log_grows(deployed: Namespace) -> None:
    before = deployed.page(LOG_URL)

    def grown() -> str | None:
        current = deployed.page(LOG_URL)
        return current if len(current) > len(before) else None

    assert deployed.wait_for("the log has grown", grown).startswith(before)


def test_backend_has_no_port_and_the_service_targets_nginx(deployed: Namespace) -> None:
    pod = deployed.only_pod(EXAMPLE.name)

    (service,) = deployed.children("services", EXAMPLE.name)
    assert [port["port"] for port in service["spec"]["ports"]] == [80]
    assert "ports" not in backend_of(pod)

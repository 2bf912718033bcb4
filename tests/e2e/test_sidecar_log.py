"""The example sidecar-log: a container writes a log to an emptyDir, the proxy serves it from the volume."""

from __future__ import annotations

import pytest

from tests.e2e.harness import Example, Space

EXAMPLE = Example("02-sidecar-log")
LOG = f"http://{EXAMPLE.name}/logs/app.log"


@pytest.fixture(scope="module")
def deployed(space: Space) -> Space:
    space.apply(*EXAMPLE.manifests)
    space.ready(EXAMPLE.name)
    return space


def test_the_log_comes_over_http(deployed: Space) -> None:
    lines = deployed.page(LOG).splitlines()

    written = deployed.exec(deployed.pod(EXAMPLE.name)["metadata"]["name"], "backend", "cat", "/var/log/app/app.log")
    assert lines
    assert written.splitlines()[: len(lines)] == lines


def test_the_log_grows(deployed: Space) -> None:
    before = deployed.page(LOG)

    def grown() -> str | None:
        now = deployed.page(LOG)
        return now if len(now) > len(before) else None

    assert deployed.until("the log has grown", grown).startswith(before)


def test_the_backend_listens_nowhere_and_the_service_leads_to_nginx(deployed: Space) -> None:
    pod = deployed.pod(EXAMPLE.name)

    (service,) = deployed.every("services", EXAMPLE.name)
    assert [port["port"] for port in service["spec"]["ports"]] == [80]
    assert "ports" not in next(c for c in pod["spec"]["containers"] if c["name"] == "backend")

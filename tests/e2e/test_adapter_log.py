"""The example adapter-log: an adapter sidecar reformats the log of the backend into another file."""

from __future__ import annotations

import re

from tests.e2e.namespace import Example, Namespace

EXAMPLE = Example("03-adapter-log")


def lines(namespace: Namespace, path: str) -> list[str]:
    """Return the lines of a file in the backend's file system; none when the file does not exist."""
    pod = namespace.only_pod(EXAMPLE.name)["metadata"]["name"]
    return namespace.exec(pod, "backend", "sh", "-c", f"cat {path} || true").splitlines()


def test_adapter_reformats_every_line_of_the_log(deployed: Namespace) -> None:
    adapted = deployed.wait_for("three lines are adapted", lambda: adapted_lines(deployed, at_least=3))
    written = lines(deployed, "/var/log/app/app.log")

    assert [f"time={line} source=app" for line in written[: len(adapted)]] == adapted
    assert all(re.fullmatch(r"time=\d\d:\d\d:\d\d source=app", line) for line in adapted)


def test_adapter_follows_the_growing_log(deployed: Namespace) -> None:
    before = len(lines(deployed, "/var/log/app/out.log"))

    deployed.wait_for("more lines are adapted", lambda: adapted_lines(deployed, at_least=before + 2))


def adapted_lines(namespace: Namespace, *, at_least: int) -> list[str]:
    """Return the adapted lines, or an empty list while there are fewer."""
    adapted = lines(namespace, "/var/log/app/out.log")
    return adapted if len(adapted) >= at_least else []


def test_stack_without_a_port_has_no_service(deployed: Namespace) -> None:
    assert deployed.children("services", EXAMPLE.name) == []

"""The example adapter-log: a writer, and an adapter that reformats its lines into another file."""

from __future__ import annotations

import re

import pytest

from tests.e2e.harness import Example, Space

EXAMPLE = Example("03-adapter-log")


@pytest.fixture(scope="module")
def deployed(space: Space) -> Space:
    space.apply(*EXAMPLE.manifests)
    space.ready(EXAMPLE.name)
    return space


def lines(space: Space, path: str) -> list[str]:
    """Return the whole lines of a file as the backend sees it."""
    pod = space.pod(EXAMPLE.name)["metadata"]["name"]
    return space.exec(pod, "backend", "sh", "-c", f"cat {path} || true").splitlines()


def test_the_adapted_file_has_the_adapted_lines(deployed: Space) -> None:
    adapted = deployed.until("three lines are adapted", lambda: at_least(deployed, 3))
    written = lines(deployed, "/var/log/app/app.log")

    assert [f"time={line} source=app" for line in written[: len(adapted)]] == adapted
    assert all(re.fullmatch(r"time=\d\d:\d\d:\d\d source=app", line) for line in adapted)


def test_the_adapter_goes_on_as_long_as_the_writer_does(deployed: Space) -> None:
    before = len(lines(deployed, "/var/log/app/out.log"))

    deployed.until("more lines are adapted", lambda: at_least(deployed, before + 2))


def at_least(space: Space, number: int) -> list[str]:
    """Return the adapted lines once there are so many."""
    adapted = lines(space, "/var/log/app/out.log")
    return adapted if len(adapted) >= number else []


def test_nothing_listens_so_there_is_no_service(deployed: Space) -> None:
    assert deployed.every("services", EXAMPLE.name) == []

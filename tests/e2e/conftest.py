"""One operator for all end-to-end tests, installed by Helm, and one namespace for each example."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import harness
from tools import install
from tools.cluster import programs, shell, state

HERE = Path(__file__).parent
TIMEOUT = 900  # seconds, several times what the longest of them needs: only a test that hangs is to be ended


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test here time for several waits, so that the one that is in vain is told before the test is ended."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(TIMEOUT))


@pytest.fixture(scope="session", autouse=True)
def operator(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Install the operator once, whichever of the parallel processes comes first."""
    if not state.KUBECONFIG.exists():
        pytest.fail("there is no cluster: run `make cluster`")
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    with Path(state.CLUSTER, "e2e.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if lock.read() == run:
            return
        shell.run(
            [*install.command(programs.path("helm")), "--timeout", "5m"],  # the last one counts
            cwd=state.ROOT,
            env={"KUBECONFIG": str(state.KUBECONFIG)},
        )
        lock.truncate(0)
        lock.write(run)


@pytest.fixture(scope="module")
def space(request: pytest.FixtureRequest, operator: None) -> Iterator[harness.Space]:
    """Give each module a namespace of its own, named like the module."""
    stem = request.module.__name__.rpartition("test_")[2].replace("_", "-")
    with harness.namespace(stem) as space:
        harness.wait_for_client(space)
        yield space


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured, whichever process ran them."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", []):
                if name == harness.SHOWN and report.when == "call":
                    terminalreporter.write_line(str(value))

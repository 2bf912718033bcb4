"""One operator for all end-to-end tests, installed by Helm, and one namespace for each test module."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from appstack.policy.model import ServiceType
from tests.e2e.namespace import MEASUREMENT, Example, Namespace, name_of, temporary_namespace, wait_for_client
from tools import install
from tools.cluster import programs, shell, state

FOLDER = Path(__file__).parent
TIMEOUT_SECONDS = 900  # several times the duration of the slowest test: only a test that hangs is ended


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test time for several waits, so that a failed wait reports its diagnostics before the timeout."""
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.timeout(TIMEOUT_SECONDS))


def policy() -> dict[str, Any]:
    """Return the default policy with the needs of the example cadvisor and of test_service.py."""
    settings = yaml.safe_load((state.ROOT / "examples/11-cadvisor/settings.yaml").read_text())
    return {**settings["policy"], "services": {"types": [service_type.value for service_type in ServiceType]}}


@pytest.fixture(scope="session", autouse=True)
def operator(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Install the operator once for all parallel test processes."""
    if not state.KUBECONFIG.exists():
        pytest.fail("there is no cluster: run `make cluster`")
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    with Path(state.CLUSTER, "e2e.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if lock.read() == run:
            return
        shell.run(
            [*install.command(programs.path("helm"), policy=policy()), "--timeout", "5m"],  # the last --timeout counts
            cwd=state.ROOT,
            env={"KUBECONFIG": str(state.KUBECONFIG)},
        )
        lock.truncate(0)
        lock.write(run)


@pytest.fixture(scope="module")
def namespace(request: pytest.FixtureRequest, operator: None) -> Iterator[Namespace]:
    """Return a namespace for the test module, with the name of the module in its name."""
    stem = request.module.__name__.rpartition("test_")[2].replace("_", "-")
    with temporary_namespace(stem) as namespace:
        wait_for_client(namespace)
        yield namespace


@pytest.fixture(scope="module")
def deployed(request: pytest.FixtureRequest, namespace: Namespace) -> Namespace:
    """Deploy the `EXAMPLE` of the test module and return its namespace when every AppStack of it is Ready."""
    example: Example = request.module.EXAMPLE
    namespace.apply(*example.manifests)
    for manifest in example.manifests:
        if manifest["kind"] == "AppStack":
            namespace.wait_until_ready(name_of(manifest))
    return namespace


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the measurements of all test processes."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", []):
                if name == MEASUREMENT and report.when == "call":
                    terminalreporter.write_line(str(value))

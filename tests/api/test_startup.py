"""Start-up: an error is one line that names the remedy, and two operators never reconcile the same namespace."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.cluster import KUBECONFIG, Cluster, Namespace, eventually
from tests.api.conftest import OPERATOR_NAMESPACE, RUN_ID, write_kubeconfig
from tests.api.operator_process import RECONCILING, OperatorProcess

NAMESPACE_PATTERN = f"apix-{RUN_ID}"
STANDBY_LOG = "Standby: Lease"


@pytest.fixture
def other(kubeconfig: Path, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Return a second operator, not started, with a short Lease duration for the tests that wait for a renewal."""
    process = OperatorProcess(
        tmp_path, kubeconfig, operatorNamespace=OPERATOR_NAMESPACE, namespaces=[NAMESPACE_PATTERN], leaseDuration=15
    )
    yield process
    if not process.exited():
        process.kill()


def startup_error(operator: OperatorProcess) -> str:
    """Start an operator that cannot work and return its log, which must be a single line."""
    operator.launch()
    assert operator.wait() > 0
    log = operator.log_text()
    assert "Traceback" not in log
    assert len(log.strip().splitlines()) == 1, log
    return log


def test_operator_with_overlapping_namespaces_refuses_to_start(
    operator: OperatorProcess, other: OperatorProcess
) -> None:
    other.settings["namespaces"] = [f"api-{RUN_ID}*"]

    error = startup_error(other)

    assert f"Another operator reconciles api-{RUN_ID}-*" in error
    assert f"Lease {OPERATOR_NAMESPACE}/api-tests" in error
    assert "Set `namespaces` or `excludeNamespaces`" in error


def test_operator_that_excludes_the_namespaces_of_another_starts(
    operator: OperatorProcess, other: OperatorProcess
) -> None:
    other.settings |= {"namespaces": [f"api-{RUN_ID}*"], "excludeNamespaces": [f"api-{RUN_ID}-*"]}
    other.start()

    assert 0 == other.stop(), other.log_text()


def test_second_process_with_the_same_identity_on_one_machine_refuses_to_start(
    operator: OperatorProcess, other: OperatorProcess, tmp_path: Path
) -> None:
    other.start()
    (tmp_path / "second").mkdir()
    second = OperatorProcess(
        tmp_path / "second", other.kubeconfig, operatorNamespace=OPERATOR_NAMESPACE, namespaces=[NAMESPACE_PATTERN]
    )

    second.launch()

    assert second.wait() > 0
    assert "This operator is already running" in second.log_text()
    assert 0 == other.stop(), other.log_text()


def test_standby_of_the_same_identity_takes_over(
    other: OperatorProcess, tmp_path: Path, operator_namespace: Namespace
) -> None:
    # The Lease outlasts the test, so that the standby takes over a released Lease and not an expired one.
    other.settings |= {"identity": "standby", "leaseDuration": 60}
    other.start()
    (tmp_path / "standby").mkdir()
    standby = OperatorProcess(tmp_path / "standby", other.kubeconfig)
    standby.settings = other.settings | {"healthPort": standby.health_port, "metricsPort": standby.metrics_port}
    standby.launch()
    eventually(lambda: f"{STANDBY_LOG} standby" in standby.log_text())
    eventually(standby.is_ready)

    assert 0 == other.stop(), other.log_text()

    eventually(lambda: RECONCILING in standby.log_text(), within=12)
    assert 0 == standby.stop()
    assert operator_namespace.get("Lease", "standby")["spec"]["holderIdentity"] == ""


def test_killed_operator_restarts_at_once_on_the_same_machine(other: OperatorProcess) -> None:
    other.start()
    other.kill()

    other.launch()

    eventually(lambda: other.log_text().count(RECONCILING) == 2)
    assert STANDBY_LOG not in other.log_text(), "the Lease of a dead process need not expire first"
    assert 0 == other.stop(), other.log_text()


def test_operator_stops_when_another_holder_takes_its_lease(
    other: OperatorProcess, operator_namespace: Namespace
) -> None:
    other.settings["identity"] = "lost"
    other.start()

    operator_namespace.patch("Lease", "lost", {"spec": {"holderIdentity": "thief"}})

    assert other.wait() > 0
    message = f"Lease {OPERATOR_NAMESPACE}/lost was taken over by thief: this operator has stopped writing"
    assert message in other.log_text()


def test_port_in_use_is_a_startup_error(other: OperatorProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        other.settings["healthPort"] = server.getsockname()[1]

        error = startup_error(other)

    port = other.settings["healthPort"]
    assert f"Port {port} on 127.0.0.1 is in use. Stop the process that uses it, or set `healthPort`" in error


def test_missing_operator_namespace_is_a_startup_error(
    other: OperatorProcess, cluster: Cluster, operator_namespace: Namespace
) -> None:
    other.settings["operatorNamespace"] = "nowhere"
    other.kubeconfig = KUBECONFIG

    assert "kubectl create namespace nowhere" in startup_error(other)


def test_missing_permissions_are_a_startup_error(
    other: OperatorProcess, cluster: Cluster, operator_namespace: Namespace, tmp_path: Path
) -> None:
    account = "without-permissions"
    operator_namespace.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}})
    other.kubeconfig = write_kubeconfig(cluster, operator_namespace, account, tmp_path)

    error = startup_error(other)

    assert "may not read the objects that it manages" in error
    assert f'User "system:serviceaccount:{OPERATOR_NAMESPACE}:{account}" cannot list resource' in error


def test_missing_kubeconfig_is_a_startup_error(other: OperatorProcess, tmp_path: Path) -> None:
    other.kubeconfig = tmp_path / "none"

    assert "KUBECONFIG names no file" in startup_error(other)


def test_unreachable_api_server_is_a_startup_error(other: OperatorProcess, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    other.kubeconfig = kubeconfig_for(address, tmp_path)

    error = startup_error(other)

    assert "The API server does not answer" in error
    assert address in error


class EmptyApiServer(BaseHTTPRequestHandler):
    """An API server that serves no kind, because the real one has to serve AppStacks to the other tests."""

    def do_GET(self) -> None:
        """Respond with 404."""
        body = json.dumps({"kind": "Status", "code": 404, "reason": "NotFound", "message": "not found"}).encode()
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def test_missing_definition_is_a_startup_error(other: OperatorProcess, tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), EmptyApiServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        other.kubeconfig = kubeconfig_for(f"http://127.0.0.1:{server.server_address[1]}", tmp_path)

        error = startup_error(other)
        server.shutdown()

    assert "does not serve AppStacks (appstack.dev/v1alpha1). Run `appstack crd | kubectl apply" in error


def kubeconfig_for(server: str, folder: Path) -> Path:
    """Write a kubeconfig for a server without authentication and return its path."""
    file = folder / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "test", "user": {}}],
    }
    file.write_text(yaml.safe_dump(content))
    return file

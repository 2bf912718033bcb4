"""What keeps an operator from working is said in one sentence, with what to do; and two never meet."""

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

from tests.api.conftest import SYSTEM, WORKER, login
from tests.api.harness import KUBECONFIG, Cluster, Operator, Space, eventually


@pytest.fixture
def other(kubeconfig: Path, tmp_path: Path) -> Iterator[Operator]:
    """Give a second operator that is not started yet."""
    made = Operator(tmp_path, kubeconfig, operatorNamespace=SYSTEM, namespaces=[f"apix-{WORKER}"])
    made.settings["leaseDuration"] = 15  # some wait here for a renewal
    yield made
    if not made.exited():
        made.kill()


def refusal(operator: Operator) -> str:
    """Start an operator that can't work; return what it says."""
    operator.launch()
    assert operator.wait() > 0
    words = operator.words()
    assert "Traceback" not in words
    assert len(words.strip().splitlines()) == 1, words
    return words


def test_one_that_would_meet_another_is_refused(operator: Operator, other: Operator) -> None:
    other.settings["namespaces"] = [f"api-{WORKER}*"]

    said = refusal(other)

    assert f"Another operator reconciles api-{WORKER}-*" in said
    assert f"Lease {SYSTEM}/api-tests" in said
    assert "Set `namespaces` or `excludeNamespaces`" in said


def test_one_that_leaves_the_others_namespaces_alone_works(operator: Operator, other: Operator) -> None:
    other.settings |= {"namespaces": [f"api-{WORKER}*"], "excludeNamespaces": [f"api-{WORKER}-*"]}
    other.start()

    assert 0 == other.stop(), other.words()


def test_the_same_twice_on_one_machine_is_refused(operator: Operator, other: Operator, tmp_path: Path) -> None:
    other.start()
    (tmp_path / "twin").mkdir()
    twin = Operator(tmp_path / "twin", other.kubeconfig, operatorNamespace=SYSTEM, namespaces=[f"apix-{WORKER}"])

    twin.launch()

    assert twin.wait() > 0
    assert "This operator runs already" in twin.words()
    assert 0 == other.stop(), other.words()


def test_one_of_the_same_identity_stands_by_and_takes_over(other: Operator, tmp_path: Path, system: Space) -> None:
    other.settings |= {"identity": "standby", "leaseDuration": 60}  # its end is not what is waited for
    other.start()
    (tmp_path / "next").mkdir()
    second = Operator(tmp_path / "next", other.kubeconfig)
    second.settings = other.settings | {"healthPort": second.health, "metricsPort": second.metrics}
    second.launch()
    eventually(lambda: "Standing by: Lease standby" in second.words())
    eventually(lambda: second.fetch(second.health, "/readyz") == "ok\n")

    assert 0 == other.stop(), other.words()

    eventually(lambda: "Reconciling" in second.words(), within=12)
    assert 0 == second.stop()
    assert system.get("Lease", "standby")["spec"]["holderIdentity"] == ""


def test_one_that_was_killed_is_followed_at_once_on_its_own_machine(other: Operator) -> None:
    other.start()
    other.kill()

    other.launch()

    eventually(lambda: other.words().count("Reconciling") == 2)
    assert "Standing by" not in other.words(), "it must not wait for the end of a dead process's Lease"
    assert 0 == other.stop(), other.words()


def test_one_that_loses_its_lease_stops(other: Operator, system: Space) -> None:
    other.settings["identity"] = "lost"
    other.start()

    system.patch("Lease", "lost", {"spec": {"holderIdentity": "thief"}})

    assert other.wait() > 0
    assert f"Lease {SYSTEM}/lost was taken over by thief: nothing is written any more" in other.words()


def test_a_port_in_use(other: Operator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other.settings["healthPort"] = taken.getsockname()[1]

        said = refusal(other)

    assert f"Port {other.settings['healthPort']} on 127.0.0.1 is in use. Stop what uses it, or set `healthPort`" in said


def test_no_namespace_for_the_lease(other: Operator, cluster: Cluster, system: Space) -> None:
    other.settings["operatorNamespace"] = "nowhere"
    other.kubeconfig = KUBECONFIG

    assert "kubectl create namespace nowhere" in refusal(other)


def test_missing_rights(other: Operator, cluster: Cluster, system: Space, tmp_path: Path) -> None:
    system.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}})
    other.kubeconfig = login(cluster, system, "nobody", tmp_path)

    said = refusal(other)

    assert "may not see what it works on" in said
    assert f'User "system:serviceaccount:{SYSTEM}:nobody" cannot list resource' in said


def test_no_kubeconfig(other: Operator, tmp_path: Path) -> None:
    other.kubeconfig = tmp_path / "none"

    assert "KUBECONFIG names no file" in refusal(other)


def test_no_cluster(other: Operator, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"http://127.0.0.1:{gone.getsockname()[1]}"
    other.kubeconfig = pointing_to(address, tmp_path)

    said = refusal(other)

    assert "The API server does not answer" in said
    assert address in said


class Empty(BaseHTTPRequestHandler):
    """An API server that knows nothing: taking the CRD out of the real one would take it from everybody."""

    def do_GET(self) -> None:
        """Know nothing."""
        body = json.dumps({"kind": "Status", "code": 404, "reason": "NotFound", "message": "not found"}).encode()
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_a_cluster_without_the_definition(other: Operator, tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        other.kubeconfig = pointing_to(f"http://127.0.0.1:{server.server_address[1]}", tmp_path)

        said = refusal(other)
        server.shutdown()

    assert "does not know AppStacks (appstack.dev/v1alpha1). Run `appstack crd | kubectl apply" in said


def pointing_to(server: str, folder: Path) -> Path:
    """Write a kubeconfig that leads there."""
    file = folder / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "it", "user": {}}],
    }
    file.write_text(yaml.safe_dump(content))
    return file

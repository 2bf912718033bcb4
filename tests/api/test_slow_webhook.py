"""An admission webhook that does not answer delays no namespace but its own."""

from __future__ import annotations

import base64
import json
import math
import secrets
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from appstack.settings import Settings
from tests.api.cluster import CHILD_COUNT, Cluster, Namespace, appstack, eventually
from tests.api.conftest import RUN_ID, temporary_namespace
from tests.api.operator_process import OperatorProcess

STACK_COUNT = 120  # more than the operator has workers
TENANT_LIMIT = Settings().requests // 2  # concurrent requests of one namespace
WEBHOOK_TIMEOUT_SECONDS = 30  # after which the API server stops waiting for the webhook
SAFE_SECONDS = 25.0  # in which no request to the webhook has timed out
MAX_ATTEMPTS = 3  # to complete the test within SAFE_SECONDS, on a busy machine
WEBHOOK_COLLECTION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


class Webhook(ThreadingHTTPServer):
    """An admission webhook that allows every request, and that can hold its responses."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, folder: Path, address: str) -> None:
        super().__init__((address, 0), ReviewHandler)
        self.address = address
        self.responding = threading.Event()
        self.waiting = self.max_waiting = 0
        self.first_request_at = math.inf  # monotonic clock
        self._lock = threading.Lock()
        self._certificate, key = create_certificate(folder, address)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(self._certificate, key)
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def ca_bundle(self) -> str:
        """The certificate as a webhook configuration contains it."""
        return base64.b64encode(self._certificate.read_bytes()).decode()

    def wait_for_response(self) -> None:
        """Block a request until the webhook responds."""
        self._count(1)
        self.responding.wait()
        self._count(-1)

    def reset(self, *, responding: bool) -> None:
        """Answer the waiting requests, then respond or hold from now on, and reset the counters."""
        self.responding.set()
        eventually(lambda: self.waiting == 0)
        if not responding:
            self.responding.clear()
        with self._lock:
            self.max_waiting, self.first_request_at = 0, math.inf

    def may_have_timed_out(self) -> bool:
        """Return whether the API server may have stopped waiting for the first request."""
        return time.monotonic() > self.first_request_at + SAFE_SECONDS

    def _count(self, change: int) -> None:
        with self._lock:
            self.waiting += change
            self.max_waiting = max(self.max_waiting, self.waiting)
            self.first_request_at = min(self.first_request_at, time.monotonic())


class ReviewHandler(BaseHTTPRequestHandler):
    """Handles one AdmissionReview."""

    server: Webhook

    def do_POST(self) -> None:
        """Allow the request, once the webhook responds."""
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.wait_for_response()
        body = json.dumps(review | {"response": {"uid": review["request"]["uid"], "allowed": True}}).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # the API server has closed the connection
            self.close_connection = True

    def log_message(self, format: str, *_: object) -> None:  # the name of the parameter is the base class's
        """Log nothing."""


def create_certificate(folder: Path, address: str) -> tuple[Path, Path]:
    """Create a certificate for an address; return the paths of the certificate and of its key."""
    certificate, key = folder / "webhook.crt", folder / "webhook.key"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=webhook"]
    alternative_name = ["-addext", f"subjectAltName=IP:{address}"]
    command = [*request, *alternative_name, "-out", str(certificate), "-keyout", str(key)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return certificate, key


def local_address(cluster: Cluster) -> str:
    """Return the address of this machine on the network of the API server."""
    url = urlsplit(cluster.server)
    with socket.create_connection((url.hostname, url.port or 443)) as connection:
        address: str = connection.getsockname()[0]
        return address


@pytest.fixture
def webhook(cluster: Cluster, tmp_path: Path) -> Iterator[Webhook]:
    """Return a running webhook that holds its responses."""
    with Webhook(tmp_path, local_address(cluster)) as webhook:
        threading.Thread(target=webhook.serve_forever, daemon=True).start()
        yield webhook
        webhook.responding.set()
        webhook.shutdown()


@contextmanager
def webhook_configured(namespace: Namespace, webhook: Webhook) -> Iterator[None]:
    """Register a webhook for every Service and Deployment of a namespace during the block."""
    rules = [
        {"apiGroups": [group], "apiVersions": ["v1"], "resources": [plural], "operations": ["CREATE", "UPDATE"]}
        for group, plural in (("", "services"), ("apps", "deployments"))
    ]
    entry = {
        "name": "slow.example.org",
        "clientConfig": {"url": f"https://{webhook.address}:{webhook.server_port}/", "caBundle": webhook.ca_bundle},
        "rules": rules,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}},
        "timeoutSeconds": WEBHOOK_TIMEOUT_SECONDS,
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    base = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": namespace.name}}
    configuration = base | {"kind": "ValidatingWebhookConfiguration", "webhooks": [entry]}
    namespace.cluster.request("POST", WEBHOOK_COLLECTION, configuration)
    try:
        yield
    finally:
        namespace.cluster.request("DELETE", f"{WEBHOOK_COLLECTION}/{namespace.name}")


def is_called(namespace: Namespace, webhook: Webhook) -> bool:
    """Send a dry run and return whether the API server has called the webhook."""
    service = appstack("probe") | {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 1}]}}
    namespace.cluster.request("POST", namespace.path("Service"), service, dryRun="All")
    return webhook.max_waiting > 0


def test_hanging_requests_of_a_namespace_leave_workers_and_requests_for_others(
    cluster: Cluster, webhook: Webhook, operator: OperatorProcess
) -> None:
    completed = any(reconcile_beside_hanging_requests(cluster, webhook) for _ in range(MAX_ATTEMPTS))
    assert completed, f"not completed within {SAFE_SECONDS} s, after which the API server stops waiting"


def is_annotated(namespace: Namespace) -> bool:
    return bool(namespace.get("Service", "shop")["metadata"].get("annotations", {}).get("a") == "b")


def reconcile_beside_hanging_requests(cluster: Cluster, webhook: Webhook) -> bool:
    """Hold the requests of one namespace and reconcile another.

    Return whether this was completed before the API server may have stopped waiting for the webhook.
    """
    names, suffix = [f"shop-{number}" for number in range(STACK_COUNT)], secrets.token_hex(2)
    with (
        temporary_namespace(cluster, f"api-{RUN_ID}-hangs-{suffix}") as hanging,
        temporary_namespace(cluster, f"api-{RUN_ID}-other-{suffix}") as other,
        webhook_configured(hanging, webhook),
    ):
        webhook.reset(responding=True)
        try:
            eventually(lambda: is_called(hanging, webhook), within=10)
        except AssertionError:
            pytest.skip(f"not run: this API server does not reach {webhook.address}, where the test's webhook listens")
        webhook.reset(responding=False)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(hanging.create_stack, names))
        eventually(lambda: webhook.may_have_timed_out() or webhook.waiting == TENANT_LIMIT)

        other.create_stack()
        eventually(lambda: webhook.may_have_timed_out() or other.condition("Ready"))
        other.edit_stack(service={"metadata": {"annotations": {"a": "b"}}})
        eventually(lambda: webhook.may_have_timed_out() or (is_annotated(other) and other.condition("Ready")))
        if webhook.may_have_timed_out():
            return False

        resources, deployments = other.status()["resources"], hanging.list("Deployment")
        max_waiting = webhook.max_waiting
        if webhook.may_have_timed_out():
            return False
        assert CHILD_COUNT == len(resources)
        assert [] == deployments, "the requests of the other namespace still hang"
        assert TENANT_LIMIT == max_waiting
        webhook.responding.set()
        for name in names:
            hanging.wait_until_ready(name, within=60)
        return True

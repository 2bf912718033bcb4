"""A webhook of one namespace that does not answer holds nobody else up."""

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
from tests.api.conftest import WORKER, namespace
from tests.api.harness import CHILDREN, Cluster, Operator, Space, eventually, stack

STACKS = 120  # more than there are workers
HALF = Settings().requests // 2  # what one namespace may have under way
PATIENCE = 30  # seconds for which the API server waits for the webhook
SURE = 25.0  # seconds for which nobody has given up surely
TRIES = 3  # to see it within these, on a busy machine
PROMPT = 12.0  # seconds within which a stack is ready where nothing hangs, on a busy machine
COLLECTION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


class Webhook(ThreadingHTTPServer):
    """An admission webhook that lets everything pass, but not before it is told to answer."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, folder: Path, address: str) -> None:
        super().__init__((address, 0), Review)
        self.address = address
        self.answers = threading.Event()
        self.waiting = self.most = 0
        self.first = math.inf  # when the first one came
        self._lock = threading.Lock()
        self._made = certificate(folder, address)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(*self._made)
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def bundle(self) -> str:
        """Return its certificate as a configuration wants it."""
        return base64.b64encode(self._made[0].read_bytes()).decode()

    def hold(self) -> None:
        """Keep whoever asks waiting."""
        self._count(1)
        self.answers.wait()
        self._count(-1)

    def anew(self, *, answers: bool) -> None:
        """Answer from now on, or don't; and begin to count."""
        self.answers.set()
        eventually(lambda: self.waiting == 0)
        if not answers:
            self.answers.clear()
        with self._lock:
            self.most, self.first = 0, math.inf

    def over(self) -> bool:
        """Tell whether the first one who waits may have given up."""
        return time.monotonic() > self.first + SURE

    def _count(self, change: int) -> None:
        with self._lock:
            self.waiting += change
            self.most = max(self.most, self.waiting)
            self.first = min(self.first, time.monotonic())


class Review(BaseHTTPRequestHandler):
    """One question of the API server."""

    protocol_version = "HTTP/1.1"
    server: Webhook

    def do_POST(self) -> None:
        """Let it pass, in time or not."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.hold()
        passed = asked | {"response": {"uid": asked["request"]["uid"], "allowed": True}}
        body = json.dumps(passed).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # whoever asked has given up
            self.close_connection = True

    def log_message(self, format: str, *_: object) -> None:  # as the base class names it
        """Say nothing."""


def certificate(folder: Path, address: str) -> tuple[Path, Path]:
    """Make a certificate for an address, and its key."""
    files = folder / "webhook.crt", folder / "webhook.key"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=webhook"]
    alternative = ["-addext", f"subjectAltName=IP:{address}"]
    subprocess.run(
        [*request, *alternative, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True, timeout=60
    )
    return files


def here(cluster: Cluster) -> str:
    """Return the address of this machine towards the API server."""
    where = urlsplit(cluster.server)
    with socket.create_connection((where.hostname, where.port or 443)) as connection:
        address: str = connection.getsockname()[0]
        return address


@pytest.fixture
def webhook(cluster: Cluster, tmp_path: Path) -> Iterator[Webhook]:
    """Give a webhook that does not answer yet."""
    with Webhook(tmp_path, here(cluster)) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.answers.set()
        made.shutdown()


@contextmanager
def asked_about(space: Space, webhook: Webhook) -> Iterator[None]:
    """Have the API server ask a webhook about every Service and Deployment of a namespace."""
    rules = [
        {"apiGroups": [group], "apiVersions": ["v1"], "resources": [plural], "operations": ["CREATE", "UPDATE"]}
        for group, plural in (("", "services"), ("apps", "deployments"))
    ]
    one = {
        "name": "slow.example.org",
        "clientConfig": {"url": f"https://{webhook.address}:{webhook.server_port}/", "caBundle": webhook.bundle},
        "rules": rules,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space.name}},
        "timeoutSeconds": PATIENCE,
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    meta = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": space.name}}
    body = meta | {"kind": "ValidatingWebhookConfiguration", "webhooks": [one]}
    space.cluster.request("POST", COLLECTION, body)
    try:
        yield
    finally:
        space.cluster.request("DELETE", f"{COLLECTION}/{space.name}")


def reached(space: Space, webhook: Webhook) -> bool:
    """Tell whether the API server has begun to ask, with an object that nobody keeps."""
    service = stack("probe") | {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 1}]}}
    space.cluster.request("POST", space.path("Service"), service, dryRun="All")
    return webhook.most > 0


def test_a_namespace_whose_requests_hang_leaves_workers_and_requests_to_others(
    cluster: Cluster, webhook: Webhook, operator: Operator
) -> None:
    seen = any(hung(cluster, webhook) for _ in range(TRIES))
    assert seen, f"never done within {SURE} s, after which the API server gives up waiting"


def hung(cluster: Cluster, webhook: Webhook) -> bool:
    """Let one namespace hang and work in another; tell whether that was done before the API server gave up waiting."""
    names, key = [f"shop-{number}" for number in range(STACKS)], secrets.token_hex(2)
    with (
        namespace(cluster, f"api-{WORKER}-hangs-{key}") as space,
        namespace(cluster, f"api-{WORKER}-other-{key}") as other,
        asked_about(space, webhook),
    ):
        webhook.anew(answers=True)
        try:
            eventually(lambda: reached(space, webhook), within=10)
        except AssertionError:
            pytest.skip(f"not run: this API server does not reach {webhook.address}, where the test's webhook listens")
        webhook.anew(answers=False)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(space.stack, names))
        eventually(lambda: webhook.over() or webhook.waiting == HALF)

        other.stack()
        other.ready(within=PROMPT)
        other.edit(service={"metadata": {"annotations": {"a": "b"}}})
        eventually(lambda: other.get("Service", "shop")["metadata"]["annotations"]["a"] == "b", within=PROMPT)
        other.ready(within=PROMPT)

        resources, deployments, most = other.status()["resources"], space.list("Deployment"), webhook.most
        if webhook.over():
            return False
        assert CHILDREN == len(resources)
        assert [] == deployments, "all that while the others hang"
        assert HALF == most
        webhook.answers.set()
        for name in names:
            space.ready(name, within=60)
        return True

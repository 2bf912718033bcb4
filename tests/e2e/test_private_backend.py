"""A backend on 127.0.0.1: its probes work through nginx, and nginx survives its failures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.manifests import BACKEND_IMAGE, private_backend
from tests.e2e.namespace import Manifest, Namespace, condition_status, uid_of
from tools.cluster import shell

# Responds with 200 only to the host, the header and the path of the probe.
STRICT_BACKEND = """
server {
  listen 127.0.0.1:8000;
  location = /probe {
    if ($host != "probe.example") { return 503; }
    if ($http_x_probe != "yes") { return 503; }
    return 200 "probed\\n";
  }
}
server {
  listen 127.0.0.1:8443 ssl;
  ssl_certificate /etc/tls.crt;
  ssl_certificate_key /etc/tls.key;
  return 200 "with TLS\\n";
}
"""
HEADERS = [{"name": "Host", "value": "probe.example"}, {"name": "X-Probe", "value": "yes"}]


@pytest.fixture(scope="module")
def certified(namespace: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Namespace:
    """Create a Secret with a certificate for the backend and return the namespace."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = Path(folder, "tls.key"), Path(folder, "tls.crt")
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=backend"]
    shell.run([*request, "-keyout", key, "-out", certificate])
    namespace.kubectl("create", "secret", "tls", "backend", f"--cert={certificate}", f"--key={key}")
    return namespace


def strict_backend(name: str, headers: list[dict[str, str]]) -> Manifest:
    """Return an AppStack of the strict backend, with probe timeouts for a busy machine."""
    tolerant = {"periodSeconds": 1, "timeoutSeconds": 10}
    startup = {"httpGet": {"path": "/", "port": "https", "scheme": "HTTPS"}, "failureThreshold": 60}
    backend = {
        "image": "nginx:1.22.1",
        "ports": [{"name": "http", "containerPort": 8000}, {"name": "https", "containerPort": 8443}],
        "startupProbe": {**startup, **tolerant},
        "livenessProbe": {"exec": {"command": ["test", "-s", "/var/run/nginx.pid"]}, **tolerant},
        "readinessProbe": {"httpGet": {"path": "/probe", "httpHeaders": headers}, **tolerant},
    }
    secret = {"name": "backend"}
    files = [
        {"path": "/etc/nginx/conf.d/default.conf", "content": STRICT_BACKEND},
        *(
            {"path": f"/etc/{key}", "valueFrom": {"secretKeyRef": {**secret, "key": key}}}
            for key in ("tls.crt", "tls.key")
        ),
    ]
    return private_backend(name, backend=backend, files=files)


def test_http_get_probe_with_headers_and_scheme_and_exec_probe_succeed(certified: Namespace) -> None:
    certified.apply(strict_backend("probed", HEADERS))
    certified.wait_until_ready("probed")

    (status,) = certified.only_pod("probed")["status"]["containerStatuses"]
    assert (status["started"], status["ready"], status["restartCount"]) == (True, True, 0)


def test_http_get_probe_without_its_header_fails(certified: Namespace) -> None:
    certified.apply(strict_backend("refusing", HEADERS[:1]))
    certified.wait_for("the backend runs", lambda: is_started_and_not_ready(certified, "refusing"))

    assert condition_status(certified.appstack("refusing"), "Ready") == "False"


def is_started_and_not_ready(namespace: Namespace, name: str) -> bool:
    """Return whether the startup probe of a backend has succeeded and its readiness probe fails."""
    statuses = [status for pod in namespace.pods(name) for status in pod["status"].get("containerStatuses", [])]
    return any(status.get("started") and not status["ready"] for status in statuses)


@pytest.mark.parametrize("probe", [{"tcpSocket": {}}, {"grpc": {"port": 8000}}])
def test_tcp_socket_and_grpc_probes_are_refused_with_alternatives(namespace: Namespace, probe: Manifest) -> None:
    name = f"refused-{next(iter(probe)).lower()}"
    namespace.apply(private_backend(name, backend={"readinessProbe": probe}))

    message = namespace.wait_until_stalled(name)

    assert "spec.backend.readinessProbe" in message
    assert "httpGet" in message or "exec" in message


def test_nginx_survives_the_death_of_the_backend(namespace: Namespace) -> None:
    server = 'location = /nginx { return 200 "nginx responds\\n"; }'
    namespace.apply(private_backend("dead", proxy={"serverSnippet": server}))
    namespace.wait_until_ready("dead")
    namespace.page("http://dead/nginx")
    pod = namespace.only_pod("dead")
    name, address = pod["metadata"]["name"], pod["status"]["podIP"]

    namespace.try_kubectl(
        "exec", name, "--container", "backend", "--", "kill", "1"
    )  # fails when the container ends first
    namespace.wait_for("the backend was restarted", lambda: restart_count(namespace, "dead") >= 1)

    assert namespace.page(f"http://{address}:8080/nginx") == "nginx responds\n"
    namespace.wait_until_ready("dead")
    after = namespace.only_pod("dead")
    assert (uid_of(after), proxy_status(after)["restartCount"]) == (uid_of(pod), 0)


def proxy_status(pod: Manifest) -> Manifest:
    """Return the status of the nginx container."""
    return next(status for status in pod["status"]["initContainerStatuses"] if status["name"] == "proxy")


def restart_count(namespace: Namespace, name: str) -> int:
    """Return the number of restarts of the backend."""
    (status,) = namespace.only_pod(name)["status"]["containerStatuses"]
    return int(status["restartCount"])


def test_nginx_responds_while_the_backend_crashes_repeatedly(namespace: Namespace) -> None:
    server = 'location = /nginx { return 200 "nginx responds\\n"; }'
    crashing = {"image": BACKEND_IMAGE, "command": ["sh", "-c", "exit 1"]}
    namespace.apply(private_backend("crashing", backend=crashing, proxy={"serverSnippet": server}))
    namespace.wait_for_problem("crashing", reason="CrashLoopBackOff")

    pod = namespace.only_pod("crashing")
    assert namespace.page(f"http://{pod['status']['podIP']}:8080/nginx") == "nginx responds\n"
    assert proxy_status(pod)["restartCount"] == 0

"""A backend that listens on 127.0.0.1 only: its probes hold through nginx, and nginx outlives it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.harness import Manifest, Space, condition, uid_of
from tests.e2e.stacks import BACKEND_IMAGE, private_backend
from tools.cluster import shell

# Answers with 200 only who asks as the probe is written: for the host, with the header, at the path.
PARTICULAR = """
server {
  listen 127.0.0.1:8000;
  location = /asked {
    if ($host != "probe.example") { return 503; }
    if ($http_x_probe != "yes") { return 503; }
    return 200 "asked\\n";
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
def certified(space: Space, tmp_path_factory: pytest.TempPathFactory) -> Space:
    """Give the namespace a certificate for the backend."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = Path(folder, "tls.key"), Path(folder, "tls.crt")
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=backend"]
    shell.run([*request, "-keyout", key, "-out", certificate])
    space.kubectl("create", "secret", "tls", "backend", f"--cert={certificate}", f"--key={key}")
    return space


def particular(name: str, headers: list[dict[str, str]]) -> Manifest:
    """Return a stack whose backend is particular about who asks; a slow answer or start counts for no wrong one."""
    patient = {"periodSeconds": 1, "timeoutSeconds": 10}
    starting = {"httpGet": {"path": "/", "port": "https", "scheme": "HTTPS"}, "failureThreshold": 60}
    backend = {
        "image": "nginx:1.22.1",
        "ports": [{"name": "http", "containerPort": 8000}, {"name": "https", "containerPort": 8443}],
        "startupProbe": {**starting, **patient},
        "livenessProbe": {"exec": {"command": ["test", "-s", "/var/run/nginx.pid"]}, **patient},
        "readinessProbe": {"httpGet": {"path": "/asked", "httpHeaders": headers}, **patient},
    }
    secret = {"name": "backend"}
    files = [
        {"path": "/etc/nginx/conf.d/default.conf", "content": PARTICULAR},
        *(
            {"path": f"/etc/{key}", "valueFrom": {"secretKeyRef": {**secret, "key": key}}}
            for key in ("tls.crt", "tls.key")
        ),
    ]
    return private_backend(name, backend=backend, files=files)


def test_http_get_with_headers_and_scheme_and_exec_hold(certified: Space) -> None:
    certified.apply(particular("held", HEADERS))
    certified.ready("held")

    (status,) = certified.pod("held")["status"]["containerStatuses"]
    assert (status["started"], status["ready"], status["restartCount"]) == (True, True, 0)


def test_without_its_headers_the_same_probe_fails(certified: Space) -> None:
    certified.apply(particular("nobody", HEADERS[:1]))
    certified.until("the backend runs", lambda: started(certified, "nobody"))

    assert condition(certified.stack("nobody"), "Ready") == "False"


def started(space: Space, name: str) -> bool:
    """Tell whether the backend has started and is not ready: the one probe held, and the other one did not."""
    statuses = [status for pod in space.pods(name) for status in pod["status"].get("containerStatuses", [])]
    return any(status.get("started") and not status["ready"] for status in statuses)


@pytest.mark.parametrize("probe", [{"tcpSocket": {}}, {"grpc": {"port": 8000}}])
def test_tcp_socket_and_grpc_are_refused_with_the_ways_out(space: Space, probe: Manifest) -> None:
    name = f"refused-{next(iter(probe)).lower()}"
    space.apply(private_backend(name, backend={"readinessProbe": probe}))

    space.until("it is Stalled", lambda: condition(space.stack(name), "Stalled") == "True")

    (told,) = [each for each in space.stack(name)["status"]["conditions"] if each["type"] == "Stalled"]
    assert "spec.backend.readinessProbe" in told["message"]
    assert "httpGet" in told["message"] or "exec" in told["message"]


def test_a_dead_backend_never_takes_nginx_down(space: Space) -> None:
    server = 'location = /nginx { return 200 "nginx is there\\n"; }'
    space.apply(private_backend("dead", proxy={"server": server}))
    space.ready("dead")
    space.page("http://dead/nginx")
    pod = space.pod("dead")
    name, address = pod["metadata"]["name"], pod["status"]["podIP"]

    space.try_kubectl("exec", name, "--container", "backend", "--", "kill", "1")  # the end takes the exec with it
    space.until("the backend was restarted", lambda: restarts(space, "dead") >= 1)

    assert space.page(f"http://{address}:8080/nginx") == "nginx is there\n"
    space.ready("dead")
    after = space.pod("dead")
    proxy = next(each for each in after["status"]["initContainerStatuses"] if each["name"] == "proxy")
    assert (uid_of(after), proxy["restartCount"]) == (uid_of(pod), 0)


def restarts(space: Space, name: str) -> int:
    """Return how often the backend was restarted."""
    (status,) = space.pod(name)["status"]["containerStatuses"]
    return int(status["restartCount"])


def test_while_it_crashes_again_and_again_nginx_answers_for_itself(space: Space) -> None:
    server = 'location = /nginx { return 200 "nginx is there\\n"; }'
    crashing = {"image": BACKEND_IMAGE, "command": ["sh", "-c", "exit 1"]}
    space.apply(private_backend("crashing", backend=crashing, proxy={"server": server}))
    space.problem("crashing", reason="CrashLoopBackOff")

    pod = space.pod("crashing")
    assert space.page(f"http://{pod['status']['podIP']}:8080/nginx") == "nginx is there\n"
    proxy = next(each for each in pod["status"]["initContainerStatuses"] if each["name"] == "proxy")
    assert proxy["restartCount"] == 0

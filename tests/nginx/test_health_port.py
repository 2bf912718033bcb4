"""The health port: it sends the backend the requests of the spec only, and returns nothing but a status."""

from __future__ import annotations

import re

import pytest

from tests.nginx.backend import Answer, Received, raw_request, request
from tests.nginx.conftest import Proxy, Start

BACKEND = """
backend:
  image: s
  ports: [{containerPort: $PORT}]
  lifecycle: {preStop: {httpGet: {path: /stop}}}
  livenessProbe: {httpGet: {path: '/ok?deep=$yes'}}
"""
ANSWER = Answer(200, b"the backend's body", [("Set-Cookie", "session=1"), ("X-Internal", "yes")])


def path_of(proxy: Proxy, handler: str) -> str:
    """Return the path of a probe or handler of the backend on the health port."""
    backend = proxy.container("backend")
    holder = backend if handler in backend else backend["lifecycle"]
    return str(holder[handler]["httpGet"]["path"])


def test_attack_gets_no_request_of_its_own_to_the_backend(start: Start) -> None:
    proxy = start(BACKEND, answer=lambda _: ANSWER)
    sent = {"Authorization": "Basic x", "Cookie": "session=1", "X-Real-IP": "127.0.0.1", "Host": "admin.internal"}

    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        answer = request(proxy.health_port, path_of(proxy, "preStop"), method=method, body=b"evil", headers=sent)
        assert (405, b"") == (answer.status, answer.body)
    assert [] == proxy.backend.received

    answer = request(proxy.health_port, f"{path_of(proxy, 'preStop')}?now=1", body=b"evil", headers=sent)
    assert (204, b"") == (answer.status, answer.body)
    received = proxy.backend.only()
    assert ("GET", "/stop", b"") == (received.method, received.target, received.body)
    assert {"Connection", "Host", "Accept"} == {name for name, _ in received.headers}
    assert [f"127.0.0.1:{proxy.backend.port}"] == received.values("Host")


def test_only_a_status_is_returned(start: Start) -> None:
    proxy = start(BACKEND, answer=lambda _: ANSWER)

    for method in ("GET", "HEAD"):
        answer = request(proxy.health_port, path_of(proxy, "livenessProbe"), method=method)
        assert (204, b"") == (answer.status, answer.body)
        assert not {"Set-Cookie", "X-Internal"} & {name for name, _ in answer.headers}
        assert ("GET", "/ok?deep=%24yes") == (proxy.backend.received[0].method, proxy.backend.only().target)


def test_chunked_body_is_not_passed(start: Start) -> None:
    proxy = start(BACKEND)
    head = f"GET {path_of(proxy, 'preStop')} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked"

    raw_request(proxy.health_port, f"{head}\r\n\r\n4\r\nevil\r\n0\r\n\r\n".encode())

    assert b"" == proxy.backend.received[0].body
    assert [] == proxy.backend.only().values("Transfer-Encoding")


@pytest.mark.parametrize("path", ["/backend/preStop", "/proxy", "/request/preStop", "/STACK-TOKEN/proxy", "/", "/stop"])
def test_path_without_the_token_leads_nowhere(start: Start, path: str) -> None:
    proxy = start(BACKEND)

    answer = request(proxy.health_port, path)

    assert (403 if path.startswith("/request") else 404, b"") == (answer.status, answer.body)
    assert [] == proxy.backend.received


def test_paths_contain_a_token_of_the_stack(start: Start) -> None:
    proxy = start(BACKEND)

    own = proxy.container("proxy")["startupProbe"]["httpGet"]["path"]

    assert re.fullmatch(r"/[0-9a-f]{16}/proxy", own)
    assert own.split("/")[1] == path_of(proxy, "preStop").split("/")[1]
    assert 204 == request(proxy.health_port, own).status


HEADERS = """
backend:
  image: s
  ports: [{containerPort: $PORT}]
  readinessProbe:
    httpGet:
      path: /
      httpHeaders:
        - {name: Authorization, value: 'Basic $x"{};\\'}
        - {name: Host, value: shop.example}
        - {name: Accept, value: text/plain}
        - {name: Connection, value: keep-alive}
        - {name: X-Two, value: a}
        - {name: X-Two, value: b}
"""


def test_headers_of_the_spec_reach_the_backend_and_no_others(start: Start) -> None:
    proxy = start(HEADERS)

    assert 204 == proxy.probe().status

    assert [
        ("Accept", "text/plain"),
        ("Authorization", 'Basic $x"{};\\'),
        ("Connection", "close"),
        ("Host", "shop.example"),
        ("User-Agent", "kube-probe/1.36"),
        ("X-Two", "a"),
        ("X-Two", "b"),
    ] == sorted(proxy.backend.only().headers)


@pytest.mark.parametrize("status", [200, 204, 301, 302, 307, 401, 403, 404, 418, 500, 503, 504])
def test_status_of_a_probe(start: Start, status: int) -> None:
    proxy = start(BACKEND, answer=lambda _: Answer(status, b"text", [("Location", "/login")]))

    expected = 204 if status < 400 else 502 if status == 418 else status
    answer = proxy.probe("livenessProbe")
    assert (expected, b"") == (answer.status, answer.body)
    assert 204 == proxy.probe("readinessProbe").status  # the default passes on any answer
    assert "unexpected status" not in proxy.sandbox.log("nginx.log") or status == 418


def test_backend_that_does_not_answer_fails_every_probe(start: Start) -> None:
    proxy = start(BACKEND)
    proxy.backend.close()

    assert 502 == proxy.probe("livenessProbe").status
    assert 502 == proxy.probe("readinessProbe").status
    assert 204 == request(proxy.health_port, proxy.container("proxy")["startupProbe"]["httpGet"]["path"]).status


CONFIG = """
proxy:
  config: |
    events {}
    http {
      auth_basic "closed"; auth_basic_user_file /none; deny all; satisfy any; proxy_method POST; proxy_store on;
      proxy_set_header X-Author yes; client_max_body_size 9g;
      include /etc/nginx/appstack/*.conf;
      server { listen $PROXY; }
    }
"""


def test_directives_of_the_authors_http_block_do_not_apply(start: Start) -> None:
    proxy = start(CONFIG)

    assert 204 == proxy.probe().status
    received: Received = proxy.backend.only()
    assert ("GET", "/", []) == (received.method, received.target, received.values("X-Author"))

"""Backends that speak FastCGI, uWSGI, gRPC and HTTPS, and backends on a unix socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest

from tests.nginx.backend import request
from tests.nginx.backends import GrpcBackend, start_fpm, start_uwsgi
from tests.nginx.conftest import KUBELET_TARGET, Proxy, Start
from tests.nginx.server import Sandbox, free_port
from tests.nginx.test_fields import certificate, tls_port

INDEX = """<?php
header("X-Powered-By: x");
echo json_encode(["script" => __FILE__, "body" => file_get_contents("php://input")] + $_SERVER);
"""
SCRIPTS = {"index.php": INDEX, "other.php": "<?php echo 'other';", "image.jpg": "<?php echo 'evil';"}


def fpm(start: Start, text: str, scripts: dict[str, str] = SCRIPTS, workers: int = 2) -> Proxy:
    """Start nginx in front of PHP-FPM; the static files are those of the backend."""
    port = free_port()

    def prepare(sandbox: Sandbox) -> None:
        start_fpm(sandbox, f"127.0.0.1:{port}", scripts=scripts, workers=workers)
        sandbox.write({f"/appstack/static/0/{name}": source for name, source in scripts.items()})

    return start(text, backend_port=port, prepare=prepare)


def variables(proxy: Proxy, path: str, **options: Any) -> dict[str, str]:
    """Return the variables that the backend gets with a request."""
    answer = proxy.get(path, **options)
    assert 200 == answer.status, (answer, proxy.sandbox.log("nginx.log"))
    return dict(json.loads(answer.body))


FRONT_CONTROLLER = """
proxy:
  fastCGI: {root: /srv/app}
  static: [{path: /, from: /srv/app, fallback: Backend}]
"""


def test_front_controller_of_php(start: Start) -> None:
    proxy = fpm(start, FRONT_CONTROLLER, {**SCRIPTS, "a.css": "css", ".env": "secret", "sub/x.php": "<?php"})
    headers = {"Host": "shop.example", "Proxy": "evil", "X-Forwarded-Proto": "https", "Content-Type": "text/plain"}

    got = variables(proxy, "/users/1?a=b", headers=headers, method="POST", body=b"text")

    assert {
        "script": "/srv/app/index.php",
        "SCRIPT_NAME": "/index.php",
        "DOCUMENT_ROOT": "/srv/app",
        "REQUEST_URI": "/users/1?a=b",
        "QUERY_STRING": "a=b",
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": "text/plain",
        "HTTP_HOST": "shop.example",
        "HTTPS": "on",
        "HTTP_X_FORWARDED_PROTO": "https",
        "REMOTE_ADDR": "127.0.0.1",
        "body": "text",
    }.items() <= got.items()
    assert "" == got.get("HTTP_PROXY", "")
    assert (200, b"css") == (proxy.get("/a.css").status, proxy.get("/a.css").body)
    assert "/index.php" == variables(proxy, "/")["SCRIPT_NAME"]
    assert "/index.php/path" == variables(proxy, "/index.php/path")["REQUEST_URI"]
    assert [404] * 3 == [proxy.get(path).status for path in ("/other.php", "/sub/x.php", "/image.jpg/x.php")]
    assert "/.env" == variables(proxy, "/.env")["REQUEST_URI"]
    assert 204 == proxy.probe().status


def test_script_outside_a_front_controller_is_not_sent_as_text(start: Start) -> None:
    proxy = fpm(
        start,
        """
        proxy: {fastCGI: {root: /srv/app}, static: [{path: /files/, from: /srv/app}]}
        """,
    )

    assert (404, 404) == (proxy.get("/files/index.php").status, proxy.get("/files/OTHER.PHP").status)
    assert b"<?php echo 'evil';" == proxy.get("/files/image.jpg").body


ALL_SCRIPTS = """
proxy:
  fastCGI: {root: /srv/app, scripts: All}
  static: [{path: /, volume: app}]
volumes: [{name: app, emptyDir: {}}]
"""


def test_every_script_of_php(start: Start) -> None:
    scripts = {**SCRIPTS, "admin/index.php": INDEX, "lib/.hidden/x.php": INDEX, "a.css": "css"}
    proxy = fpm(start, ALL_SCRIPTS, scripts)

    assert b"other" == proxy.get("/other.php").body
    assert "/srv/app/admin/index.php" == variables(proxy, "/admin/")["script"]
    got = variables(proxy, "/index.php/path/info?x=1")
    assert ("/index.php", "/path/info", "x=1") == (got["SCRIPT_NAME"], got["PATH_INFO"], got["QUERY_STRING"])
    assert b"css" == proxy.get("/a.css").body
    proxy.sandbox.write({f"/appstack/static/0/{name}": "<?php 'evil'" for name in ("a.PHP", "a.phtml")})
    missing = (
        "/a.PHP",
        "/a.phtml",
        "/image.jpg/x.php",
        "/none.php",
        "/image.jpg/.php",
        "/lib/.hidden/x.php",
        "/none",
        "/image.jpg%00.php",
    )
    assert {404, 400} >= {proxy.get(path).status for path in missing}
    assert b"evil" not in b"".join(proxy.get(path).body for path in missing)


def test_readiness_of_php(start: Start) -> None:
    busy = {"index.php": "<?php if ($_SERVER['REQUEST_URI'] == '/slow') sleep(3); http_response_code(500); echo 'x';"}
    text = """
    backend: {image: x, ports: [{containerPort: $PORT}], livenessProbe: {httpGet: {path: '/up?a=b'}}}
    proxy: {fastCGI: {root: /srv/app}}
    """
    proxy = fpm(start, text, busy)

    assert 204 == proxy.probe().status  # the default accepts any answer
    assert 500 == proxy.probe("livenessProbe").status
    proxy.sandbox.write(
        {"/srv/app/index.php": INDEX.replace("echo", 'if ($_SERVER["REQUEST_URI"] != "/up?a=b") die; echo')}
    )
    assert 204 == proxy.probe("livenessProbe").status
    proxy.sandbox.processes[0].terminate()
    proxy.sandbox.processes[0].wait()
    assert (502, 502) == (proxy.probe().status, proxy.probe("livenessProbe").status)


def test_php_on_a_unix_socket(start: Start) -> None:
    text = """
    backend: {image: x, volumeMounts: [{name: run, mountPath: /run/app}]}
    proxy: {upstream: 'unix:/run/app/php.sock', fastCGI: {root: /srv/app}}
    volumes: [{name: run, emptyDir: {}}]
    """
    proxy = start(text, prepare=lambda sandbox: start_fpm(sandbox, "/appstack/socket/php.sock", scripts=SCRIPTS))

    assert "/a" == variables(proxy, "/a")["REQUEST_URI"]
    assert 204 == proxy.probe().status


@pytest.mark.parametrize("listen", ["port", "socket"])
def test_uwsgi(start: Start, listen: str) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}" if listen == "port" else "/appstack/socket/app.sock"
    socket = "upstream: 'unix:/run/app/app.sock', " if listen == "socket" else ""
    text = f"""
    backend:
      image: x
      volumeMounts: [{{name: run, mountPath: /run/app}}]
      {"ports: [{containerPort: $PORT}]" if listen == "port" else ""}
      livenessProbe: {{httpGet: {{path: '/up%20?a=$b', httpHeaders: [{{name: X-Own, value: '$x'}}]}}}}
    proxy: {{{socket}upstreamProtocol: UWSGI}}
    volumes: [{{name: run, emptyDir: {{}}}}]
    """
    proxy = start(text, backend_port=port, prepare=lambda sandbox: start_uwsgi(sandbox, address))

    headers = {"Host": "shop.example", "Proxy": "evil", "X-Forwarded-Proto": "https"}
    got = variables(proxy, "/a%20b?c=d", headers=headers, method="POST", body=b"text")

    expected = {"PATH_INFO": "/a b", "QUERY_STRING": "c=d", "HTTP_HOST": "shop.example", "HTTPS": "on", "body": "text"}
    assert expected.items() <= got.items()
    assert "" == got.get("HTTP_PROXY", "")
    assert (204, 204) == (proxy.probe().status, proxy.probe("livenessProbe").status)


@contextmanager
def channel(port: int, credentials: Any = None) -> Iterator[grpc.Channel]:
    """Yield a connection of a gRPC client."""
    target = f"127.0.0.1:{port}"
    with grpc.insecure_channel(target) if credentials is None else grpc.secure_channel(target, credentials) as opened:
        yield opened


@pytest.mark.parametrize("health", [True, False])
def test_grpc(start: Start, health: bool) -> None:
    backend = GrpcBackend(health=health)
    try:
        proxy = start("proxy: {upstreamProtocol: GRPC}", backend_port=backend.port)
        with channel(proxy.port) as client:
            assert b"hello" == client.unary_unary("/test.Echo/Say")(b"hello", timeout=20)
            numbers = client.unary_stream("/test.Echo/Count")(b"3", timeout=20)
            assert [b"0", b"1", b"2"] == list(numbers)
            with pytest.raises(grpc.RpcError) as error:
                client.unary_unary("/test.Echo/None")(b"", timeout=20)
            assert grpc.StatusCode.UNIMPLEMENTED == error.value.code()
        assert "127.0.0.1" == backend.received[0]["x-real-ip"]
        assert 204 == proxy.probe().status
        assert 404 == request(proxy.health_port, "/grpc.health.v1.Health/Check", host=KUBELET_TARGET).status
    finally:
        backend.close()
    assert 502 == proxy.probe().status


def test_grpc_with_tls_on_both_sides(start: Start, tmp_path: Path) -> None:
    inner, outer = certificate(tmp_path / "in", "in.example"), certificate(tmp_path / "out", "out.example")
    pair = (inner["/appstack/tls/tls.key"].encode(), inner["/appstack/tls/tls.crt"].encode())
    backend = GrpcBackend(credentials=grpc.ssl_server_credentials([pair]))
    trusted = grpc.ssl_channel_credentials(outer["/appstack/tls/tls.crt"].encode())
    try:
        text = "proxy: {upstreamProtocol: GRPCS, tls: {secretName: shop-tls}}"
        proxy = start(text, backend_port=backend.port, files=outer)
        options = [("grpc.ssl_target_name_override", "out.example")]
        with grpc.secure_channel(f"127.0.0.1:{tls_port(proxy)}", trusted, options) as client:
            assert b"hello" == client.unary_unary("/test.Echo/Say")(b"hello", timeout=20)
        assert "https" == backend.received[0]["x-forwarded-proto"]
        assert 204 == proxy.probe().status
    finally:
        backend.close()


def test_readiness_waits_for_the_only_worker(start: Start) -> None:
    scripts = {"index.php": "<?php if ($_SERVER['REQUEST_URI'] == '/slow') sleep(2); echo 'x';"}
    proxy = fpm(start, "proxy: {fastCGI: {root: /srv/app}}", scripts, workers=1)

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(proxy.get, "/slow")
        assert 204 == proxy.probe().status  # it queues behind the request, instead of failing at once
        assert b"x" == slow.result().body

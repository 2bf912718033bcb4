"""Real servers of other protocols behind nginx: PHP-FPM and uWSGI of Debian, and a gRPC server."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc  # type: ignore[import-untyped]

from tests.nginx.server import Sandbox, listens, wait_until

FPM = """
[global]
daemonize = no
error_log = /dev/stderr
[www]
user = nobody
group = nogroup
listen = {listen}
listen.mode = 0666
pm = static
pm.max_children = {workers}
catch_workers_output = yes
"""
UWSGI_APP = """
import json, os, time

def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(2)
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
    start_response("200 OK", [("Content-Type", "application/json"), ("X-Powered-By", "uwsgi")])
    own = {key: value for key, value in environ.items() if isinstance(value, str)}
    return [json.dumps({**own, "body": body}).encode()]
"""


def start_fpm(sandbox: Sandbox, listen: str, *, scripts: dict[str, str], workers: int = 2) -> None:
    """Start PHP-FPM with scripts in /srv/app; `listen` is a port of loopback or the path of a socket."""
    sandbox.write({f"/srv/app/{name}": text for name, text in scripts.items()})
    sandbox.write({"/work/fpm.conf": FPM.format(listen=listen, workers=workers)})
    (sandbox.work / "appstack/socket").mkdir(parents=True, exist_ok=True)
    process = sandbox.start("/usr/sbin/php-fpm8.2", "-R", "-y", "/work/fpm.conf", log="fpm.log")
    wait_until(lambda: is_up(sandbox, listen), process, lambda: sandbox.log("fpm.log"))


def start_uwsgi(sandbox: Sandbox, listen: str, *, workers: int = 2) -> None:
    """Start uWSGI with an application that returns its variables."""
    sandbox.write({"/work/app.py": UWSGI_APP})
    (sandbox.work / "appstack/socket").mkdir(parents=True, exist_ok=True)
    options = [*("--socket", listen), *("--workers", str(workers)), "--chmod-socket=666", "--die-on-term"]
    program = ["/usr/bin/uwsgi_python311", "--chdir", "/work", "--module", "app", *options]
    process = sandbox.start(*program, log="uwsgi.log")
    wait_until(lambda: is_up(sandbox, listen), process, lambda: sandbox.log("uwsgi.log"))


def is_up(sandbox: Sandbox, listen: str) -> bool:
    """Return whether a server listens on a port of loopback or on a socket of the sandbox."""
    if not listen.startswith("/"):
        return listens(int(listen.rpartition(":")[2]))
    file = sandbox.work / listen.removeprefix("/")
    with socket.socket(socket.AF_UNIX) as client, TemporaryDirectory() as folder:
        link = Path(folder, "socket")  # the address of a socket has at most 107 characters
        link.symlink_to(file)
        return file.is_socket() and client.connect_ex(str(link)) == 0


class GrpcBackend:
    """A gRPC server with an echo method, and with the health service if `health`."""

    def __init__(self, *, health: bool = True, credentials: Any = None) -> None:
        self.received: list[dict[str, str]] = []
        self._server = grpc.server(ThreadPoolExecutor(4))
        methods: dict[str, Any] = {"/test.Echo/Say": self._echo, "/test.Echo/Count": self._count}
        if health:
            methods["/grpc.health.v1.Health/Check"] = self._check
        backend = self

        class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
            def service(self, details: Any) -> Any:
                method = methods.get(details.method)
                if method is None:
                    return None
                backend.received.append(dict(details.invocation_metadata))
                stream = details.method.endswith("Count")
                make = grpc.unary_stream_rpc_method_handler if stream else grpc.unary_unary_rpc_method_handler
                return make(method)

        self._server.add_generic_rpc_handlers((Handler(),))
        address = "127.0.0.1:0"
        add = self._server.add_insecure_port if credentials is None else self._server.add_secure_port
        self.port = int(add(address) if credentials is None else add(address, credentials))
        self._server.start()

    def close(self) -> None:
        """Stop the server."""
        self._server.stop(None).wait()

    def _echo(self, message: bytes, _: Any) -> bytes:
        return message

    def _count(self, message: bytes, _: Any) -> Any:
        yield from (str(number).encode() for number in range(int(message)))

    def _check(self, _: bytes, __: Any) -> bytes:
        return b"\x08\x01"

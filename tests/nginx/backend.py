"""A backend that records the requests it receives, on loopback or on a unix socket."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """A request as the backend received it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def values(self, name: str) -> list[str]:
        """Return the values of a header, in their order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class Answer:
    """An answer of the backend or of nginx."""

    status: int = 200
    body: bytes = b"backend"
    headers: list[tuple[str, str]] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """Return the values of a header, in their order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """Return the only value of a header; None without the header."""
        values = self.values(name)
        assert len(values) < 2, f"{name} is sent twice: {values}"
        return values[0] if values else None


class Backend:
    """A recording HTTP server; `answer` decides on each answer."""

    def __init__(self, answer: Callable[[Received], Answer] | None = None) -> None:
        self.received: list[Received] = []
        self.answer = answer or (lambda _: Answer())
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def only(self) -> Received:
        """Return the only request since the last call."""
        assert len(self.received) == 1, self.received
        return self.received.pop()

    def _handler(backend: Any) -> type[BaseHTTPRequestHandler]:  # `self` is the handler inside
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Received(self.command, self.path, list(self.headers.items()), body)
                backend.received.append(request)
                answer = backend.answer(request)
                self.send_response_only(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                if not any(name.lower() == "content-length" for name, _ in answer.headers):
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = respond

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


def request(
    port: int,
    target: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    host: str = "127.0.0.1",
) -> Answer:
    """Send a request to a port of loopback and return the answer."""
    connection = http.client.HTTPConnection(host, port, timeout=30)
    try:
        connection.request(method, target, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, response.read(), response.getheaders())
    finally:
        connection.close()


def raw_request(port: int, text: bytes) -> bytes:
    """Send bytes to a port of loopback and return all bytes of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(text)
        return b"".join(iter(lambda: client.recv(65536), b""))

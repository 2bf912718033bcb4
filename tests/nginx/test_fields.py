"""Headers of answers, compression, buffering, trusted proxies and TLS."""

from __future__ import annotations

import gzip
import http.client
import re
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from appstack.settings import Settings
from tests.nginx.backend import Answer, request
from tests.nginx.conftest import Proxy, Start
from tests.nginx.server import NGINX, NginxFailed, Sandbox, free_port, listens, wait_until


def test_response_headers(start: Start) -> None:
    text = """
    proxy:
      responseHeaders:
        set: [{name: X-Frame-Options, value: DENY}, {name: Content-Security-Policy, value: 'a "$b"; c {d} \\e'}]
        remove: [X-Powered-By]
      static: [{path: /s/, volume: v}]
      serverSnippet: 'add_header X-Own yes;'
    volumes: [{name: v, emptyDir: {}}]
    """
    sent = [("X-Frame-Options", "ALLOWALL"), ("x-powered-by", "php"), ("X-Other", "kept")]
    proxy = start(text, answer=lambda each: Answer(500 if each.target == "/error" else 200, b"", sent))

    for path in ("/", "/error", "/s/none"):
        answer = proxy.get(path)
        assert ("DENY", 'a "$b"; c {d} \\e', None) == tuple(
            map(answer.header, ("X-Frame-Options", "Content-Security-Policy", "X-Powered-By"))
        )
    assert ("kept", "yes") == (proxy.get("/").header("X-Other"), proxy.get("/").header("X-Own"))


def test_compression(start: Start) -> None:
    def answer(received: Any) -> Answer:
        return Answer(200, b"a" * 5000, [("Content-Type", received.target.removeprefix("/"))])

    proxy = start("proxy: {compression: {enabled: true}}", answer=answer)
    accepted = {"Accept-Encoding": "gzip", "Via": "1.1 ingress"}

    for kind in ("text/html", "application/json", "image/svg+xml"):
        got = proxy.get(f"/{kind}", headers=accepted)
        assert ("gzip", b"a" * 5000) == (got.header("Content-Encoding"), gzip.decompress(got.body))
        assert "Accept-Encoding" == got.header("Vary")
    for kind in ("text/event-stream", "image/png"):
        assert None is proxy.get(f"/{kind}", headers=accepted).header("Content-Encoding")


FORGED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example"}


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        ("{}", Settings(), ("127.0.0.1", "203.0.113.9, 127.0.0.1", "https", "a")),
        (
            "{trustedProxies: [127.0.0.0/8]}",
            Settings(),
            ("203.0.113.9", "203.0.113.9, 127.0.0.1", "https", "shop.example"),
        ),
        ("{trustedProxies: [10.0.0.0/8, '::1']}", Settings(), ("127.0.0.1", "203.0.113.9, 127.0.0.1", "http", "a")),
        (
            "{}",
            Settings(proxy_trusted_proxies=("127.0.0.1",)),
            ("203.0.113.9", "203.0.113.9, 127.0.0.1", "https", "shop.example"),
        ),
        (
            "{trustedProxies: []}",
            Settings(proxy_trusted_proxies=("127.0.0.1",)),
            ("127.0.0.1", "203.0.113.9, 127.0.0.1", "https", "a"),
        ),
    ],
)
def test_trusted_proxies(start: Start, text: str, settings: Settings, expected: tuple[str, ...]) -> None:
    proxy = start(f"proxy: {text}", settings=settings)

    proxy.get("/", headers={"Host": "a", **FORGED})

    received = proxy.backend.only()
    names = ("X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host")
    assert [[value] for value in expected] == [received.values(name) for name in names]


def certificate(folder: Path, name: str) -> dict[str, str]:
    """Return the certificate and the key of a Secret for a name."""
    key, file = folder / "tls.key", folder / "tls.crt"
    folder.mkdir(exist_ok=True)
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    options += ["-addext", f"subjectAltName=DNS:{name}"]
    command = ["openssl", "req", "-x509", *options, "-keyout", str(key), "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    return {"/appstack/tls/tls.crt": file.read_text(), "/appstack/tls/tls.key": key.read_text()}


def served_name(port: int) -> str:
    """Return the name in the certificate that a port of loopback serves."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, context.wrap_socket(plain) as encrypted:
        der = encrypted.getpeercert(binary_form=True) or b""
    return str(re.search(rb"\x0c.([a-z]+\.example)", der)[1].decode())  # type: ignore[index]


def tls_port(proxy: Proxy) -> int:
    """Return the port with TLS."""
    ports = proxy.container("proxy")["ports"]
    return int(next(each["containerPort"] for each in ports if each["name"] == "appstack-https"))


def test_renewed_certificate_is_served_without_a_restart(start: Start, tmp_path: Path) -> None:
    files = certificate(tmp_path / "one", "one.example")
    proxy = start("proxy: {tls: {secretName: shop-tls}}", files=files)
    port = tls_port(proxy)
    assert "one.example" == served_name(port)

    proxy.sandbox.write(certificate(tmp_path / "two", "two.example"))

    assert "two.example" == served_name(port)
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
    connection.request("GET", "/x")
    assert 200 == connection.getresponse().status
    connection.close()
    assert ["https"] == proxy.backend.only().values("X-Forwarded-Proto")
    assert 200 == proxy.get("/").status


def test_redirect_to_tls(start: Start, tmp_path: Path) -> None:
    text = "proxy: {tls: {secretName: shop-tls, redirect: true}}"
    proxy = start(text, files=certificate(tmp_path / "one", "one.example"))

    answer = proxy.get("/x?a=b", headers={"Host": "shop.example:8080"})

    assert (301, "https://shop.example/x?a=b") == (answer.status, answer.header("Location"))
    assert 204 == proxy.probe().status


def test_check_finds_a_missing_certificate_and_a_wrong_key(start: Start, tmp_path: Path) -> None:
    files = certificate(tmp_path / "one", "one.example")
    proxy = start("proxy: {tls: {secretName: shop-tls}}", files=files)
    command = proxy.container("appstack-nginx-check")["command"]
    assert ["nginx", "-t", "-c", "/etc/nginx/appstack/check/nginx.conf"] == command

    def check() -> tuple[int, str]:
        result = proxy.sandbox.run(NGINX[0], *command[1:], "-e", "stderr")
        return result.returncode, result.stderr

    assert 0 == check()[0], check()
    other = certificate(tmp_path / "two", "two.example")
    proxy.sandbox.write({"/appstack/tls/tls.key": other["/appstack/tls/tls.key"]})
    code, message = check()
    assert code
    assert "key values mismatch" in message
    (proxy.sandbox.work / "appstack/tls/tls.crt").unlink()
    code, message = check()
    assert code
    assert "tls.crt" in message


def test_https_backend(start: Start, tmp_path: Path) -> None:
    files = {f"/work{Path(path).name}": text for path, text in certificate(tmp_path / "b", "b.example").items()}
    port = free_port()
    conf = f"""
    events {{}} pid /tmp/b.pid;
    http {{ access_log off; server {{ listen 127.0.0.1:{port} ssl; ssl_certificate /work/tls.crt;
    ssl_certificate_key /work/tls.key; return 200 "over $scheme"; }} }}
    """
    named = {path.replace("/work", "/work/"): text for path, text in files.items()}

    def prepare(sandbox: Sandbox) -> None:
        sandbox.write({**named, "/work/b.conf": conf})
        process = sandbox.start(NGINX[0], "-c", "/work/b.conf", "-e", "stderr", "-g", "daemon off;", log="b.log")
        wait_until(lambda: listens(port), process, lambda: sandbox.log("b.log"))

    text = """
    backend: {image: x, ports: [{containerPort: $PORT}], livenessProbe: {httpGet: {path: /}}}
    proxy: {upstreamProtocol: HTTPS}
    """
    proxy = start(text, backend_port=port, prepare=prepare)

    assert b"over https" == proxy.get("/").body
    assert (204, 204) == (proxy.probe().status, proxy.probe("livenessProbe").status)


def test_answers_arrive_one_by_one_without_buffering(start: Start) -> None:
    proxy = start("proxy: {buffering: false, requestBuffering: false, readTimeoutSeconds: 9, clientMaxBodySize: '0'}")

    assert 200 == request(proxy.port, "/", method="POST", body=b"a" * 3_000_000).status


def test_invalid_snippet_is_named_by_the_check(start: Start) -> None:
    with pytest.raises(NginxFailed, match=r'unknown directive "nonsense" in /etc/nginx/appstack/http/user.conf:1'):
        start("proxy: {httpSnippet: 'nonsense on;'}")

"""A backend on a unix socket behind nginx with TLS: the socket's group, the Secret and the ports work in real pods."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.manifests import private_backend
from tests.e2e.namespace import Namespace
from tools.cluster import shell

# The socket has the mode 0660, so that nginx connects only as a member of its group.
SOCKET_BACKEND = """
daemon off;
pid /tmp/backend.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path /tmp/a; proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c; uwsgi_temp_path /tmp/d;
  scgi_temp_path /tmp/e;
  server {
    listen unix:/run/app/app.sock;
    location / { return 200 "$http_x_forwarded_proto $http_host\\n"; }
  }
}
"""
COMMAND = """
nginx -c /etc/backend.conf &
until [ -S /run/app/app.sock ]; do sleep 0.1; done
chmod 0660 /run/app/app.sock
wait
"""


@pytest.fixture(scope="module")
def certified(namespace: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Namespace:
    """Create a Secret with a certificate and return the namespace."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = Path(folder, "tls.key"), Path(folder, "tls.crt")
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=shop"]
    shell.run([*request, "-keyout", key, "-out", certificate])
    namespace.kubectl("create", "secret", "tls", "shop-tls", f"--cert={certificate}", f"--key={key}")
    return namespace


def test_socket_and_tls(certified: Namespace) -> None:
    backend = {
        "image": "nginx:1.22.1",
        "command": ["sh", "-c", COMMAND],
        "ports": [],
        "securityContext": {"runAsUser": 10001, "runAsNonRoot": True},
        "volumeMounts": [{"name": "run", "mountPath": "/run/app"}, {"name": "tmp", "mountPath": "/tmp"}],
    }
    certified.apply(
        private_backend(
            "shop",
            backend=backend,
            proxy={"upstream": "unix:/run/app/app.sock", "tls": {"secretName": "shop-tls"}},
            volumes=[{"name": "run", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
            files=[{"path": "/etc/backend.conf", "content": SOCKET_BACKEND}],
        )
    )
    certified.wait_until_ready("shop")

    assert certified.page("http://shop/") == "http shop\n"
    service = certified.get("service", "shop")
    assert [80, 443] == [port["port"] for port in service["spec"]["ports"]]

"""Static files and routes: which path leads where."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.nginx.backend import Answer, Backend
from tests.nginx.conftest import Proxy, Start

FILES = {
    "index.html": "page",
    "app.js": "script",
    "app.js.gz": "packed",
    "docs/index.html": "docs",
    ".env": "secret",
    "sub/.git/config": "secret",
    ".well-known/security.txt": "contact",
}
AT_ROOT = """
proxy: {{static: [{{path: /, volume: v, maxAgeSeconds: 60{more}}}]}}
volumes: [{{name: v, emptyDir: {{}}}}]
"""


def serve(start: Start, text: str, **options: Any) -> Proxy:
    """Start nginx with the files."""
    proxy = start(text, **options)
    proxy.sandbox.write({f"/appstack/static/0/{name}": content for name, content in FILES.items()})
    (proxy.sandbox.work / "appstack/static/0/app.js.gz").write_bytes(gzip.compress(b"script"))
    return proxy


def test_files_then_the_backend(start: Start) -> None:
    proxy = serve(start, AT_ROOT.format(more=", fallback: Backend"), answer=lambda _: Answer(200, b"backend"))

    seen = {path: (proxy.get(path).body, proxy.get(path).header("Cache-Control")) for path in ("/", "/app.js", "/x")}

    max_age = "public, max-age=60"
    assert {"/": (b"page", max_age), "/app.js": (b"script", max_age), "/x": (b"backend", None)} == seen
    assert b"docs" == proxy.get("/docs/").body
    assert b"contact" == proxy.get("/.well-known/security.txt").body
    for path in ("/.env", "/sub/.git/config", "/%2eenv", "//.env", "/docs/../.env"):
        assert b"backend" == proxy.get(path).body, path
    assert 405 != proxy.get("/x", method="POST", body=b"a").status


def test_single_page_application(start: Start) -> None:
    proxy = serve(
        start,
        AT_ROOT.format(more=", fallback: /index.html").replace("}]}", "}], routes: [{path: /api/, pathType: Prefix}]}"),
    )

    for path in ("/", "/users/1", "/index.html", "/docs/"):
        assert ((b"page", "no-cache")) == (proxy.get(path).body, proxy.get(path).header("Cache-Control")), path
    assert "public, max-age=60" == proxy.get("/app.js").header("Cache-Control")
    assert (b"backend", None) == (proxy.get("/api/x").body, proxy.get("/api/x").header("Cache-Control"))
    assert (404, None) == (proxy.get("/.env").status, proxy.get("/.env").header("Cache-Control"))


def test_single_page_application_below_a_path(start: Start) -> None:
    text = """
    proxy: {static: [{path: /ui/, volume: v, fallback: /ui/index.html}]}
    volumes: [{name: v, emptyDir: {}}]
    """
    proxy = serve(start, text)

    assert [b"page", b"page", b"script"] == [proxy.get(path).body for path in ("/ui/", "/ui/a/b", "/ui/app.js")]
    assert b"backend" == proxy.get("/x").body


def test_missing_page_of_a_single_page_application_is_404(start: Start) -> None:
    proxy = start(
        AT_ROOT.format(more=", fallback: /none.html").replace("}]}", "}], routes: [{path: /api, pathType: Exact}]}")
    )

    assert 404 == proxy.get("/x").status


@pytest.mark.parametrize("program", ["debian"], indirect=True)  # the newest one has no module gzip_static
def test_precompressed_file(start: Start) -> None:
    proxy = serve(start, AT_ROOT.format(more=", fallback: Backend, precompressed: true"))

    answer = proxy.get("/app.js", headers={"Accept-Encoding": "gzip"})

    assert ("gzip", b"script") == (answer.header("Content-Encoding"), gzip.decompress(answer.body))


ROUTES = """
proxy:
  routes:
    - {path: /api/, pathType: Prefix, upstream: other, replacePrefixMatch: /v2}
    - {path: /strip, pathType: Prefix, replacePrefixMatch: /}
    - {path: /api, pathType: Exact, respond: {statusCode: 410}}
    - {path: /plain/, pathType: Prefix}
    - {path: /old, pathType: Exact, redirect: {path: /new, statusCode: 301}}
    - {path: /moved/, pathType: Prefix, redirect: {path: /new}}
    - {path: /internal/, pathType: Prefix, respond: {statusCode: 404}}
    - {path: /up, pathType: Exact, respond: {statusCode: 204}}
    - {path: /upload/, pathType: Prefix, clientMaxBodySize: 2Mi, requestBuffering: false, buffering: false}
    - {path: /slow/, pathType: Prefix, readTimeoutSeconds: 1}
backend: {image: s, ports: [{name: http, containerPort: $PORT}, {name: other, containerPort: $OTHER}]}
"""


@pytest.fixture
def other() -> Iterator[Backend]:
    """Return another backend."""
    backend = Backend(lambda _: Answer(200, b"other"))
    yield backend
    backend.close()


def test_routes(start: Start, other: Backend) -> None:
    proxy = start(ROUTES.replace("$OTHER", str(other.port)))

    def target(path: str, backend: Backend = proxy.backend) -> str:
        assert proxy.get(path).status == 200, path
        return backend.only().target

    assert "/v2/users?a=b" == target("/api/users?a=b", other)
    assert ["127.0.0.1"] == [proxy.get("/api/"), other.received[-1].values("X-Real-IP")][1]
    assert ("/x", "/", "/") == (target("/strip/x"), target("/strip/"), target("/strip"))
    assert ("/plain", "/plain/", "/apis", "/older") == tuple(map(target, ("/plain", "/plain/", "/apis", "/older")))
    redirects = {path: proxy.get(path) for path in ("/old?a=b", "/moved", "/moved/x")}
    assert [(301, "/new?a=b"), (302, "/new"), (302, "/new")] == [
        (each.status, each.header("Location")) for each in redirects.values()
    ]
    statuses = ("/api", "/internal", "/internal/x", "/up")
    assert [410, 404, 404, 204] == [proxy.get(path).status for path in statuses]
    assert [413, 200] == [proxy.get(path, method="POST", body=b"a" * 1_500_000).status for path in ("/x", "/upload/x")]


def test_read_timeout_of_a_route(start: Start, other: Backend) -> None:
    waiting = Answer(200, b"late")

    def slowly(request: object) -> Answer:
        release.wait(20)
        return waiting

    release = threading.Event()
    proxy = start(ROUTES.replace("$OTHER", str(other.port)), answer=slowly)

    assert 504 == proxy.get("/slow/x").status
    release.set()
    assert 200 == proxy.get("/x").status


def test_regex_location_of_the_author_does_not_take_a_route(start: Start) -> None:
    proxy = start(
        """
        proxy:
          routes: [{path: /api/, pathType: Prefix}]
          serverSnippet: 'location ~ x$ { return 403; }'
        """
    )

    assert (200, 403) == (proxy.get("/api/x").status, proxy.get("/x").status)

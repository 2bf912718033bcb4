"""Who wins: the author's directives beside the generated ones, as requests show it."""

from __future__ import annotations

import pytest

from tests.nginx.backend import Answer, request
from tests.nginx.conftest import Start


def test_headers_reach_the_backend_once_also_from_a_location_of_the_author(start: Start) -> None:
    proxy = start(
        """
        proxy:
          serverSnippet: |
            location /own/ { proxy_pass http://appstack_backend; }
        """
    )
    sent = {"Host": "shop.example", "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "Proxy": "evil"}

    for path in ("/any", "/own/path"):
        proxy.get(path, headers={**sent, "X-Forwarded-Host": "forged.example"})
        received = proxy.backend.only()
        assert ["shop.example"] == received.values("Host")
        assert ["127.0.0.1"] == received.values("X-Real-IP")
        assert ["203.0.113.9, 127.0.0.1"] == received.values("X-Forwarded-For")
        assert ["https"] == received.values("X-Forwarded-Proto")
        assert ["shop.example"] == received.values("X-Forwarded-Host")
        assert [] == received.values("Proxy")


@pytest.mark.parametrize("value", ["javascript", "http, https", "", "https\thttp"])
def test_forwarded_scheme_is_http_or_https(start: Start, value: str) -> None:
    proxy = start("proxy: {}")

    proxy.get("/", headers={"X-Forwarded-Proto": value})

    assert ["http"] == proxy.backend.only().values("X-Forwarded-Proto")


def test_header_of_the_authors_server_replaces_the_generated_one(start: Start) -> None:
    proxy = start("proxy: {serverSnippet: 'proxy_set_header x-forwarded-PROTO https; proxy_set_header X-Own yes;'}")

    proxy.get("/", headers={"X-Forwarded-Proto": "http"})

    received = proxy.backend.only()
    assert (["https"], ["yes"], ["127.0.0.1"]) == tuple(
        received.values(name) for name in ("X-Forwarded-Proto", "X-Own", "X-Real-IP")
    )


def test_location_with_headers_of_its_own_includes_the_generated_ones(start: Start) -> None:
    proxy = start(
        """
        proxy:
          serverSnippet: |
            location /a/ { proxy_pass http://appstack_backend; proxy_set_header X-Own yes; }
            location /b/ {
              include /etc/nginx/appstack/proxy_params; proxy_set_header X-Own yes; proxy_pass http://appstack_backend;
            }
        """
    )

    for path, addresses in (("/a/", []), ("/b/", ["127.0.0.1"])):
        proxy.get(path)
        received = proxy.backend.only()
        assert (["yes"], addresses) == (received.values("X-Own"), received.values("X-Real-IP"))


@pytest.mark.parametrize("location", ["/", "^~ /"])
def test_location_of_the_author_replaces_the_generated_one(start: Start, location: str) -> None:
    text = "{ add_header X-Own yes; try_files /none @appstack_backend; }"
    proxy = start(f"proxy: {{serverSnippet: 'location {location} {text}'}}")

    answer = proxy.get("/x")

    assert (200, b"backend") == (answer.status, answer.body)
    assert "/x" == proxy.backend.only().target


def test_http_snippet_defines_variables_zones_and_servers(start: Start) -> None:
    proxy = start(
        """
        proxy:
          httpSnippet: |
            map $arg_a $own { default none; "1" one; }
            limit_req_zone $binary_remote_addr zone=own:1m rate=1r/m;
            keepalive_timeout 7;
            access_log off;
            server { listen $PROXY; server_name other.example; return 200 "other"; }
          serverSnippet: |
            location = /own { return 200 $own; }
            location = /limited { limit_req zone=own; return 200; proxy_pass http://appstack_backend; }
        """
    )

    assert b"one" == proxy.get("/own?a=1").body
    assert b"other" == proxy.get("/", headers={"Host": "other.example"}).body
    assert b"backend" == proxy.get("/", headers={"Host": "any.example"}).body  # the generated server is the default
    assert b"backend" == request(proxy.port, "/").body
    assert "GET" not in proxy.sandbox.log("nginx.log")  # access_log of the author replaces the generated one


def test_server_snippet_overrides_the_defaults(start: Start) -> None:
    proxy = start(
        """
        proxy:
          serverSnippet: |
            client_max_body_size 2m; proxy_buffer_size 32k; large_client_header_buffers 2 8k; absolute_redirect on;
            proxy_http_version 1.0; proxy_read_timeout 9s;
        """
    )

    assert 200 == proxy.get("/", method="POST", body=b"a" * 1_500_000).status
    assert 400 == proxy.get("/", headers={"Cookie": "a" * 9000}).status


def test_defaults_admit_large_headers(start: Start) -> None:
    large = ("X-Large", "a" * 9000)
    proxy = start("proxy: {}", answer=lambda _: Answer(200, b"", [large]))

    answer = proxy.get("/", headers={"Cookie": "b" * 30_000})

    assert (200, large[1]) == (answer.status, answer.header("X-Large"))
    assert ["b" * 30_000] == proxy.backend.only().values("Cookie")


def test_redirect_to_a_directory_names_neither_host_nor_port(start: Start) -> None:
    proxy = start(
        """
        proxy: {static: [{path: /s/, volume: v}]}
        volumes: [{name: v, emptyDir: {}}]
        """
    )
    proxy.sandbox.write({"/appstack/static/0/sub/index.html": "page"})

    answer = proxy.get("/s/sub")

    assert (301, "/s/sub/") == (answer.status, answer.header("Location"))


CACHED = """
proxy:
  static: [{path: /s/, volume: v, maxAgeSeconds: 60}, {path: /h/, volume: v, maxAgeSeconds: 9, immutable: true}]
  serverSnippet: |
    add_header X-Frame-Options DENY;
    location = /own { add_header X-Own yes; return 200; }
volumes: [{name: v, emptyDir: {}}]
"""


def test_caching_leaves_the_authors_and_the_backends_headers(start: Start) -> None:
    proxy = start(CACHED, answer=lambda _: Answer(200, b"", [("Cache-Control", "private")]))
    proxy.sandbox.write({"/appstack/static/0/a.txt": "a", "/appstack/static/1/a.txt": "a"})

    seen = {path: proxy.get(path) for path in ("/s/a.txt", "/h/a.txt", "/s/none", "/backend", "/own")}

    assert {
        "/s/a.txt": (200, "public, max-age=60", "DENY"),
        "/h/a.txt": (200, "public, max-age=9, immutable", "DENY"),
        "/s/none": (404, None, None),
        "/backend": (200, "private", "DENY"),
        "/own": (200, None, None),
    } == {
        path: (each.status, each.header("Cache-Control"), each.header("X-Frame-Options")) for path, each in seen.items()
    }


def test_regex_location_of_the_author_does_not_take_static_files(start: Start) -> None:
    proxy = start(
        """
        proxy: {static: [{path: /s/, volume: v}], serverSnippet: 'location ~ [.]txt$ { return 403; }'}
        volumes: [{name: v, emptyDir: {}}]
        """
    )
    proxy.sandbox.write({"/appstack/static/0/a.txt": "a"})

    assert (200, 403) == (proxy.get("/s/a.txt").status, proxy.get("/a.txt").status)


def test_directives_of_http_snippet_do_not_apply_to_the_health_server(start: Start) -> None:
    proxy = start(
        """
        proxy:
          httpSnippet: |
            auth_basic closed; auth_basic_user_file /none; deny all; satisfy any; mirror /m; proxy_method POST;
            proxy_cache_path /tmp/own keys_zone=own:1m; proxy_cache own; proxy_cache_valid 9m;
            proxy_next_upstream off; proxy_bind 127.0.0.1;
        """
    )

    assert (204, 204) == (proxy.probe().status, proxy.probe().status)
    assert ["GET", "GET"] == [each.method for each in proxy.backend.received]
    assert 401 == proxy.get("/").status

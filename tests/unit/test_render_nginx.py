"""The generated nginx configuration and the objects around it: volumes, ports, groups and copies."""

from __future__ import annotations

from typing import Any

import pytest

from appstack.settings import Settings
from tests.unit.test_render_pod import WEB, container, nginx, pod, rendered

SOCKET = """
backend: {image: s, volumeMounts: [{name: run, mountPath: /run}, {name: app, mountPath: /run/app, subPath: a/b}]}
proxy: {upstream: 'unix:/run/app/x/app.sock'}
volumes: [{name: run, emptyDir: {}}, {name: app, emptyDir: {}}]
"""


def test_defaults_are_in_http_and_headers_in_server() -> None:
    text = nginx(rendered(WEB, "proxy: {}"), "nginx.conf")
    http, server = text.split("    server {\n")

    for line in ("absolute_redirect off;", "proxy_buffers 8 16k;", "large_client_header_buffers 4 32k;"):
        assert f"    {line}\n" in http
    assert "proxy_busy_buffers_size" not in text
    assert server.count("proxy_set_header X-Forwarded-Host $appstack_forwarded_host;") == 1
    assert server.index("proxy_set_header") < server.index("location")


def test_directive_of_http_snippet_replaces_the_generated_one() -> None:
    objects = rendered(WEB, "proxy: {httpSnippet: 'proxy_buffers 4 8k; access_log off; server { sendfile off; }'}")
    text = nginx(objects, "nginx.conf")

    assert "proxy_buffers" not in text
    assert "access_log" not in text
    assert "sendfile on;" in text
    assert text.index("include /etc/nginx/appstack/http/user.conf;") < text.index("listen")


def test_socket_is_in_a_volume_that_nginx_mounts() -> None:
    objects = rendered(SOCKET)
    spec = objects["Deployment"]["spec"]["template"]["spec"]

    mount = {"name": "app", "mountPath": "/appstack/socket", "readOnly": True, "subPath": "a/b"}
    assert mount in container(spec, "proxy")["volumeMounts"]
    assert "server unix:/appstack/socket/x/app.sock;" in nginx(objects, "health.conf")
    assert 101 == spec["securityContext"]["fsGroup"]


@pytest.mark.parametrize(
    ("more", "group"),
    [
        ("pod: {securityContext: {fsGroup: 7}}", 7),
        (
            "volumes: [{name: app, emptyDir: {}}, {name: data, persistentVolumeClaim: {claimName: d}}]",
            None,
        ),
    ],
)
def test_group_of_a_socket_is_left_to_the_author(more: str, group: int | None) -> None:
    assert group == pod(SOCKET, more).get("securityContext", {}).get("fsGroup")


def test_tls_has_a_volume_a_port_and_a_service_port() -> None:
    objects = rendered(WEB, "proxy: {tls: {secretName: shop-tls}}\nnetworkPolicy: {}")
    spec = objects["Deployment"]["spec"]["template"]["spec"]

    secret = {"secretName": "shop-tls", "defaultMode": 0o444}
    assert {"name": "appstack-tls", "secret": secret} in spec["volumes"]
    users = {
        each["name"]
        for each in [*spec["initContainers"], *spec["containers"]]
        for mount in each.get("volumeMounts", ())
        if mount["name"] == "appstack-tls"
    }
    assert {"proxy", "appstack-nginx-check"} == users
    assert {"name": "https", "port": 443, "targetPort": "appstack-https"} in objects["Service"]["spec"]["ports"]
    assert [8080, 8443] == [each["port"] for each in objects["NetworkPolicy"]["spec"]["ingress"][0]["ports"]]
    texts = [text for key, text in objects["ConfigMap"]["data"].items() if key.endswith("-nginx.conf")]
    paths = [next(line.split()[1] for line in text.splitlines() if "ssl_certificate " in line) for text in texts]
    assert ["$appstack_tls/tls.crt;", "/appstack/tls/tls.crt;"] == sorted(paths)


@pytest.mark.parametrize(
    ("ports", "protocols"),
    [
        ("", ["kubernetes.io/h2c"]),
        ("[{port: 80}, {name: m, port: 9, targetPort: 8000}]", ["kubernetes.io/h2c", None]),
        ("[{port: 80, appProtocol: own}]", ["own"]),
    ],
)
def test_service_port_of_grpc_has_a_protocol(ports: str, protocols: list[str | None]) -> None:
    service = f"service: {{ports: {ports}}}" if ports else "paused: false"
    objects = rendered(WEB, "proxy: {upstreamProtocol: GRPC}", service)

    assert protocols == [port.get("appProtocol") for port in objects["Service"]["spec"]["ports"]]


STATIC = "proxy: {static: [{path: /s/, from: /srv/}, {path: /ui/, image: 'ui:7', from: /dist}]}"


def test_static_files_are_copied_out_of_their_image() -> None:
    spec = pod(WEB, STATIC)

    own, other = (container(spec, f"appstack-static-{index}") for index in range(2))
    assert ("shop:1", "ui:7") == (own["image"], other["image"])
    assert ["copy", "/srv", "/appstack/static/0"] == own["command"][3:]
    assert (1000, 101) == (own["securityContext"]["runAsUser"], other["securityContext"]["runAsUser"])


def test_static_files_of_another_image_are_mounted_with_image_volumes() -> None:
    spec = pod(WEB, STATIC, settings=Settings(image_volumes=True))

    assert {"name": "appstack-static-1", "image": {"reference": "ui:7"}} in spec["volumes"]


@pytest.mark.parametrize("protocol", ["FCGI", "UWSGI", "GRPC", "HTTPS"])
def test_default_readiness_probe_is_sent_to_nginx_for_every_protocol(protocol: str) -> None:
    proxy: dict[str, Any] = {"FCGI": "fastCGI: {root: /srv}"}
    objects = rendered(WEB, f"proxy: {{{proxy.get(protocol, f'upstreamProtocol: {protocol}')}}}")

    probe = container(objects["Deployment"]["spec"]["template"]["spec"], "backend")["readinessProbe"]
    assert probe["httpGet"]["path"].endswith("/backend/answers")
    directive = {"FCGI": "fastcgi_pass appstack_backend;", "UWSGI": "uwsgi_pass appstack_backend;"}
    names = {"GRPC": "grpc_pass grpc://appstack_backend;", "HTTPS": "proxy_pass https://appstack_backend/;"}
    assert (directive | names)[protocol] in nginx(objects, "health.conf")


def test_real_ip_of_http_snippet_replaces_that_of_the_setting() -> None:
    settings = Settings(proxy_trusted_proxies=("10.0.0.0/8",))
    own = "proxy: {httpSnippet: 'set_real_ip_from 192.0.2.1; real_ip_header X-Own;'}"

    assert "set_real_ip_from 10.0.0.0/8;" in nginx(rendered(WEB, "proxy: {}", settings=settings), "nginx.conf")
    assert "real_ip" not in nginx(rendered(WEB, own, settings=settings), "nginx.conf")

"""Conversion of nginx in front of an application to `spec.proxy`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appstack.convert.nginx import Unsupported, convert_nginx
from tests.unit.manifests_to_convert import conversion, deployment, notes, service, spec
from tests.unit.test_convert_compose import notes as compose_notes
from tests.unit.test_convert_compose import project

SIMPLE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"
WHOLE = """
worker_processes auto;
events { worker_connections 1024; }
http {
  include /etc/nginx/mime.types;
  upstream app { server app:8000; }
  server {
    listen 8443 default_server;
    server_name _;
    client_max_body_size 10m;
    add_header X-Frame-Options DENY;
    location / {
      proxy_pass http://app;
      proxy_set_header Host $host;
      proxy_read_timeout 30s;
    }
    location /ws { proxy_pass http://app/socket; proxy_buffering off; }
  }
}
"""


def is_application(host: str) -> bool:
    """Return whether a host is the application of these tests."""
    return host in ("127.0.0.1", "app")


@pytest.mark.parametrize(
    ("config", "fields", "port"),
    [
        (SIMPLE, {}, 8000),
        (SIMPLE.replace("listen 80", "listen 9000"), {"port": 9000}, 8000),
        (SIMPLE.replace("8000", "8080"), {"port": 8081}, 8080),
        (
            WHOLE,
            {
                "port": 8443,
                "clientMaxBodySize": "10Mi",
                "readTimeoutSeconds": 30,
                "serverSnippet": "add_header X-Frame-Options DENY;\n"
                "location /ws {\n    proxy_pass http://127.0.0.1:8000/socket;\n    proxy_buffering off;\n}\n",
            },
            8000,
        ),
    ],
    ids=["simple", "other port", "port of the application", "whole file"],
)
def test_configuration_becomes_fields(config: str, fields: dict[str, Any], port: int) -> None:
    proxy = convert_nginx(config, is_application)

    assert proxy.fields == fields
    assert {number for _, number in proxy.targets} == {port}


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (f"{SIMPLE} {SIMPLE}", "it has 2 servers"),
        (SIMPLE.replace("listen 80", "listen 443 ssl"), "listen 443 ssl"),
        (SIMPLE.replace("127.0.0.1", "elsewhere"), "proxy_pass http://elsewhere:8000"),
        (SIMPLE.replace("http://127.0.0.1:8000", "http://$app"), "proxy_pass http://$app"),
        (SIMPLE.replace("8000;", "8000; proxy_set_header Host fixed;"), "proxy_set_header Host fixed"),
        (SIMPLE.replace("location /", "location /api"), "no location / leads to the application"),
        (SIMPLE.replace("listen 80;", "listen 80; location /x { root /srv; }"), "root /srv"),
        (SIMPLE.replace("listen 80;", "listen 80; location /x { proxy_pass http://app:1; }"), "several ports"),
        ("limit_req_zone $a zone=b:1m rate=1r/s; " + SIMPLE, "limit_req_zone"),
        ("server {", "not closed"),
    ],
)
def test_other_configuration_stays(config: str, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason.replace("$", r"\$").replace("(", r"\(")):
        convert_nginx(config, is_application)


SIDECAR = """containers: [{name: backend, image: 'shop:1', ports: [{containerPort: 8000}]},
    {name: nginx, image: 'nginx:1.28', ports: [{name: web, containerPort: 80}],
     volumeMounts: [{name: conf, mountPath: /etc/nginx/conf.d}]}], volumes: [{name: conf, configMap: {name: conf}}]"""
CONFIG_MAP = f"""
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: conf}}
data: {{default.conf: "{SIMPLE}"}}
"""


def test_nginx_sidecar_becomes_the_proxy() -> None:
    texts = (deployment(SIDECAR), CONFIG_MAP, service("ports: [{port: 80, targetPort: web}]"))

    assert conversion(*texts).results[0].stack is not None
    assert spec(*texts) == {
        "backend": {"image": "shop:1", "ports": [{"containerPort": 8000}]},
        "proxy": {"name": "nginx", "image": "nginx:1.28", "upstream": 8000},
        "service": {"ports": [{"port": 80}]},
    }
    assert (
        "changed: Deployment/shop spec.template.spec.containers[nginx] -> AppStack/shop spec.proxy: "
        "nginx becomes a native sidecar with a generated configuration, without privileges and with probes"
    ) in notes(*texts)


def test_other_nginx_sidecar_stays_a_container() -> None:
    texts = (deployment(SIDECAR.replace("name: nginx,", "name: nginx, command: [x],")), CONFIG_MAP)

    assert [each["name"] for each in spec(*texts)["sidecars"]] == ["nginx"]
    assert (
        "kept: Deployment/shop spec.template.spec.containers[nginx] -> AppStack/shop spec.sidecars: "
        "stays a container, since spec.proxy cannot express its configuration: the container has command"
    ) in notes(*texts)


def test_nginx_service_of_a_compose_project_becomes_the_proxy(tmp_path: Path) -> None:
    files = {"nginx.conf": SIMPLE.replace("127.0.0.1", "app")}
    mount = "'./nginx.conf:/etc/nginx/conf.d/default.conf'"
    services = f"{{app: {{image: x}}, web: {{image: nginx, volumes: [{mount}], ports: ['80:80'], depends_on: [app]}}}}"
    converted = project(tmp_path, services, files)

    assert [each.name for each in converted.results] == ["app"]
    assert converted.results[0].document["spec"] == {
        "backend": {"image": "x", "ports": [{"containerPort": 8000}]},
        "proxy": {},
    }
    assert compose_notes(converted)[0] == (
        "changed: services.web -> AppStack/app spec.proxy: nginx becomes the proxy in the pods of the service that it "
        "leads to, with a generated configuration"
    )
    others = project(tmp_path, services.replace("app: {image: x}", "app: {image: x, ports: ['1:1']}"), files)
    assert compose_notes(others)[0] == (
        "kept: services.web: stays an AppStack of its own, since spec.proxy cannot express its configuration: "
        "app has ports of its own"
    )
